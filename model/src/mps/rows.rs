use super::line::{Line, Token};
use crate::{name_map::NameMap, reading::ReadError};

/// How a constraint compares with its right-hand side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    AtMost,
    AtLeast,
    Equal,
}

/// What the name of a row refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Objective,
    Constraint(u32),
    /// An N row other than the objective. Its entries are ignored.
    Dropped,
}

/// The section ROWS.
#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    index: NameMap<'a, Row>,
    /// The names of the constraints, in the order of the file.
    pub(super) names: Vec<&'a str>,
    pub(super) relations: Vec<Relation>,
    /// The N rows, in the order of the file. The first is the objective unless OBJNAME names
    /// another.
    free: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    pub(super) fn declare(
        &mut self,
        line: &Line<'a>,
        sense: Token<'a>,
        name: Token<'a>,
    ) -> Result<(), ReadError> {
        let relation = match sense.text {
            "N" | "n" => None,
            "L" | "l" => Some(Relation::AtMost),
            "G" | "g" => Some(Relation::AtLeast),
            "E" | "e" => Some(Relation::Equal),
            other => {
                let message = format!("unknown row type `{other}`; expected N, L, G or E");
                return Err(line.syntax(sense, message));
            }
        };
        if name.text.is_empty() {
            return Err(line.syntax(name, "the name of the row is missing"));
        }
        // Until the objective is chosen, every N row counts as left out.
        let row = match relation {
            None => Row::Dropped,
            Some(_) => Row::Constraint(self.names.len() as u32),
        };
        if self.index.insert(name.text, row).is_some() {
            return Err(line.invalid(name, format!("row `{}` is declared twice", name.text)));
        }
        match relation {
            None => self.free.push(name.text),
            Some(relation) => {
                self.names.push(name.text);
                self.relations.push(relation);
            }
        }
        Ok(())
    }

    /// Makes an N row the objective: the chosen one, else the first. `None` if there is no
    /// such row.
    pub(super) fn choose_objective(&mut self, chosen: Option<&'a str>) -> Option<()> {
        let name = chosen.or(self.free.first().copied())?;
        self.index.get(name).filter(|row| *row == Row::Dropped)?;
        self.index.insert(name, Row::Objective);
        self.free.retain(|free| *free != name);
        Some(())
    }

    /// The N rows without the objective, once that is chosen.
    pub(super) fn dropped(&self) -> &[&'a str] {
        &self.free
    }

    /// Whether there is a row of this name, including N rows.
    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<Row> {
        self.index.get(name)
    }

    /// As `get`, for each of several names.
    pub(super) fn get_each(&self, names: &[&str], rows: &mut Vec<Option<Row>>) {
        self.index.get_each(names, rows);
    }
}

/// An error for a name that no row has.
pub(super) fn undeclared(line: &Line, name: Token) -> ReadError {
    if name.text.is_empty() {
        line.syntax(name, "the name of a row is missing here")
    } else {
        line.invalid(name, format!("row `{}` is not declared in ROWS", name.text))
    }
}
