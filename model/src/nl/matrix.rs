//! The entries of the J segments, which may come in any order of rows.

use std::collections::HashMap;

/// Marks a row without a J segment.
const ABSENT: u32 = u32::MAX;

/// The matrix as it is read. If the rows ascend, as nearly all writers have them, the arrays are
/// those of the model already.
#[derive(Debug)]
pub(super) struct Matrix {
    columns: Vec<i32>,
    values: Vec<f64>,
    /// Where the entries of each row begin, and their number.
    rows: Vec<(u32, u32)>,
    /// The row that was begun last.
    last: Option<usize>,
    ascends: bool,
}

/// The matrix by rows, as in `LinearModel`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) starts: Vec<i32>,
    pub(super) columns: Vec<i32>,
    pub(super) values: Vec<f64>,
}

impl Matrix {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            columns: Vec::new(),
            values: Vec::new(),
            rows: vec![(ABSENT, 0); rows],
            last: None,
            ascends: true,
        }
    }

    /// The number of entries so far.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Begins a row with this number of entries. Returns `false` if it was begun before.
    pub(super) fn begin(&mut self, row: usize, count: usize) -> bool {
        let begun = self.rows[row].0 != ABSENT;
        // Fits: entries are counted by an int32.
        self.rows[row] = (self.values.len() as u32, count as u32);
        self.ascends &= self.last.is_none_or(|last| last < row);
        self.last = Some(row);
        !begun
    }

    /// Adds an entry of the row that was begun last.
    pub(super) fn push(&mut self, column: u32, value: f64) {
        self.columns.push(column as i32);
        self.values.push(value);
    }

    /// Sorts the entries by row, and adds further terms to some rows.
    pub(super) fn into_rows(self, folded: &HashMap<usize, Vec<(u32, f64)>>) -> Rows {
        if self.ascends && folded.is_empty() {
            let mut starts = Vec::with_capacity(self.rows.len() + 1);
            starts.push(0);
            let mut end = 0;
            starts.extend(self.rows.iter().map(|&(_, count)| {
                end += count as i32;
                end
            }));
            return Rows { starts, columns: self.columns, values: self.values };
        }
        let mut rows = Rows { starts: vec![0], ..Rows::default() };
        for (row, &(start, count)) in self.rows.iter().enumerate() {
            let entries = if start == ABSENT {
                0..0
            } else {
                start as usize..start as usize + count as usize
            };
            match folded.get(&row) {
                None => {
                    rows.columns.extend_from_slice(&self.columns[entries.clone()]);
                    rows.values.extend_from_slice(&self.values[entries]);
                }
                Some(terms) => {
                    let linear = entries.map(|it| (self.columns[it], self.values[it]));
                    let terms = terms.iter().map(|&(column, value)| (column as i32, value));
                    for (column, value) in summed(linear.chain(terms).collect()) {
                        rows.columns.push(column);
                        rows.values.push(value);
                    }
                }
            }
            rows.starts.push(rows.values.len() as i32);
        }
        rows
    }
}

/// Sums the terms of each variable.
fn summed(mut terms: Vec<(i32, f64)>) -> Vec<(i32, f64)> {
    // Stable, so that the order of a sum does not depend on the algorithm.
    terms.sort_by_key(|&(column, _)| column);
    terms.dedup_by(|next, sum| {
        let same = next.0 == sum.0;
        if same {
            sum.1 += next.1;
        }
        same
    });
    terms
}
