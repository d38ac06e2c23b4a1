use super::{
    line::{Line, Token},
    number,
    record::Pairs,
    rows::{Row, undeclared},
};
use crate::{name_map::NameMap, reading::ReadError};

/// One coefficient of the matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) row: u32,
    pub(super) column: u32,
    pub(super) value: f64,
}

/// The most entries of a column that are searched for a duplicate one by one. Most columns have
/// fewer, and the entries are in the cache, where `last_given` mostly is not.
const MOST_SEARCHED: usize = 16;

/// The section COLUMNS.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    index: NameMap<'a, u32>,
    pub(super) names: Vec<&'a str>,
    /// Whether each column is between INTORG and INTEND.
    pub(super) integer: Vec<bool>,
    pub(super) objective: Vec<f64>,
    /// The entries by column, and within a column in the order of the file.
    pub(super) entries: Vec<Entry>,
    /// The index in `entries` of the first entry of the current column.
    first: usize,
    /// For each row, the number of columns when it last got a value from a column that had more
    /// than `MOST_SEARCHED` entries then. It is the current number if the current column has a
    /// value there already. This finds duplicates without a set.
    last_given: Vec<u32>,
    /// The same for the objective, for all columns.
    objective_last_given: u32,
    in_integers: bool,
}

impl<'a> Columns<'a> {
    pub(super) fn new(rows: usize) -> Self {
        Columns { last_given: vec![0; rows], ..Columns::default() }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).map(|column| column as usize)
    }

    /// As `find`. Tries the column `near` and the one after it first: sections mostly have the
    /// columns in their order, which saves a lookup for each.
    pub(super) fn find_near(&self, name: &str, near: usize) -> Option<usize> {
        let is = |column: &usize| self.names.get(*column) == Some(&name);
        [near, near + 1].into_iter().find(is).or_else(|| self.find(name))
    }

    /// Frees the index by name, which is not needed after parsing.
    pub(super) fn forget_index(&mut self) {
        self.index = NameMap::default();
    }

    /// Parses a `'MARKER'` line: integer columns begin or end here.
    pub(super) fn marker(&mut self, line: &Line<'a>, what: Token<'a>) -> Result<(), ReadError> {
        match what.text {
            "'INTORG'" if !self.in_integers => self.in_integers = true,
            "'INTEND'" if self.in_integers => self.in_integers = false,
            "'INTORG'" => return Err(line.invalid(what, "INTORG within INTORG and INTEND")),
            "'INTEND'" => return Err(line.invalid(what, "INTEND without INTORG")),
            "'SOSORG'" | "'SOSEND'" => return Err(line.unsupported(what, "special ordered sets")),
            other => return Err(line.syntax(what, format!("unknown marker `{other}`"))),
        }
        Ok(())
    }

    /// Adds a line of coefficients. `rows` are those of the pairs.
    pub(super) fn add(
        &mut self,
        line: &Line<'a>,
        pairs: &Pairs<'a>,
        rows: &[Option<Row>; 2],
    ) -> Result<(), ReadError> {
        let column = pairs.head;
        // The lines of a column are adjacent, so only the last one can continue: no lookup for each
        // line.
        if self.names.last() != Some(&column.text) {
            self.start_column(line, column)?;
        }
        for ((name, token), row) in pairs.iter().zip(rows) {
            let row = row.ok_or_else(|| undeclared(line, name))?;
            // Checked also in rows that are left out: a text that is no number is an error
            // anywhere.
            let value = number::coefficient(line, token)?;
            let count = self.names.len() as u32;
            let twice = match row {
                // Its entries have no effect on the model, duplicate or not.
                Row::Dropped => false,
                Row::Objective => {
                    self.objective[count as usize - 1] = value;
                    std::mem::replace(&mut self.objective_last_given, count) == count
                }
                Row::Constraint(row) => {
                    let twice = self.is_given(row);
                    self.entries.push(Entry { row, column: count - 1, value });
                    twice
                }
            };
            if twice {
                let (row, column) = (name.text, column.text);
                let message =
                    format!("the coefficient of column `{column}` in row `{row}` is given twice");
                return Err(line.invalid(name, message));
            }
        }
        Ok(())
    }

    /// Whether the current column has an entry in a row already. Called once for each entry, before
    /// that is added.
    fn is_given(&mut self, row: u32) -> bool {
        let entries = &self.entries[self.first..];
        if entries.len() < MOST_SEARCHED {
            return entries.iter().any(|entry| entry.row == row);
        }
        let count = self.names.len() as u32;
        if entries.len() == MOST_SEARCHED {
            for entry in entries {
                self.last_given[entry.row as usize] = count;
            }
        }
        std::mem::replace(&mut self.last_given[row as usize], count) == count
    }

    fn start_column(&mut self, line: &Line<'a>, name: Token<'a>) -> Result<(), ReadError> {
        if name.text.is_empty() {
            return Err(line.syntax(name, "the name of the column is missing"));
        }
        if self.index.insert(name.text, self.names.len() as u32).is_some() {
            let message =
                format!("duplicate column `{}`: the lines of a column must be adjacent", name.text);
            return Err(line.invalid(name, message));
        }
        self.first = self.entries.len();
        self.names.push(name.text);
        self.integer.push(self.in_integers);
        self.objective.push(0.0);
        Ok(())
    }
}
