//! Real models with published answers, from the folder `SOLVEMESH_INSTANCES`.

use std::{collections::HashMap, fs, path::PathBuf};

use solvemesh::v1::Model;

use crate::models;

/// The folder of instances.
#[derive(Clone, Debug)]
pub struct Instances {
    folder: PathBuf,
}

/// A model of `index.csv`.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its path in the folder.
    pub file: String,
    /// Whether it is a mixed-integer model.
    pub integer: bool,
    /// The published answer.
    pub expected: Expected,
    /// Whether a minute is enough to solve it.
    pub finishes: bool,
}

/// The published answer of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// It has an optimum of this objective.
    Optimal(f64),
    /// It has no solution.
    Infeasible,
}

/// A small file of `edge.csv`: an edge case for readers of model files.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Its path in the folder.
    pub file: String,
    /// `accept`, `reject` or `dialect`.
    pub class: String,
}

impl Instances {
    /// The folder, if `SOLVEMESH_INSTANCES` names one.
    pub fn find() -> Option<Self> {
        Some(Self { folder: solvemesh_testkit::instances::folder()? })
    }

    /// The models with a published answer.
    pub fn index(&self) -> Vec<Instance> {
        self.table("index.csv").iter().map(Instance::read).collect()
    }

    /// The edge cases.
    pub fn edges(&self) -> Vec<Edge> {
        let read = |row: &Row| Edge { file: row["file"].clone(), class: row["class"].clone() };
        self.table("edge.csv").iter().map(read).collect()
    }

    /// A model as a file to submit.
    pub fn model(&self, file: &str) -> Model {
        models::file(file, self.bytes(file))
    }

    /// The bytes of a file.
    pub fn bytes(&self, file: &str) -> Vec<u8> {
        let path = self.folder.join(file);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn table(&self, file: &str) -> Vec<Row> {
        let text = String::from_utf8(self.bytes(file)).expect("a table in UTF-8");
        let mut lines = text.lines().filter(|line| !line.is_empty()).map(fields);
        let header = lines.next().expect("a header");
        lines.map(|fields| header.iter().cloned().zip(fields).collect()).collect()
    }
}

type Row = HashMap<String, String>;

impl Instance {
    fn read(row: &Row) -> Self {
        // The published optimum of e226 leaves out the objective's constant, which
        // the file has as a right-hand side of the objective row.
        let objective = match row["name"].as_str() {
            "e226" => &row["highs_objective"],
            _ => &row["published_objective"],
        };
        let expected = match row["published_status"].as_str() {
            "optimal" => Expected::Optimal(objective.parse().expect("an objective")),
            "infeasible" => Expected::Infeasible,
            other => panic!("unknown status {other:?}"),
        };
        Self {
            file: row["file"].clone(),
            integer: row["kind"] == "mip",
            expected,
            finishes: row["highs_status"] != "Time limit reached",
        }
    }
}

/// Splits a line of CSV into its fields, some of which may be in double quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                fields.last_mut().expect("a field").push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("a field").push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn a_quoted_field_keeps_its_commas_and_quotes() {
        assert_eq!(fields(r#"a,"b, ""c""",,d"#), ["a", r#"b, "c""#, "", "d"]);
    }
}
