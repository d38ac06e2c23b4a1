use super::{
    line::Line,
    record::Pairs,
    rows::{Row, Rows},
};

/// The number of lines whose rows are looked up together. So many that the lookups overlap, and
/// so few that the lines stay in the first cache.
const LINES: usize = 32;

/// Lines of COLUMNS that have been split into fields, but not been added to the columns yet.
///
/// Their rows are looked up together: these lookups do not depend on each other, so the processor
/// waits for several of them at once. With a lookup for each line, it would wait for each alone,
/// and that took a fifth of the time.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    lines: Vec<(Line<'a>, Pairs<'a>)>,
    /// The rows of each line; `None` if there is no such row.
    rows: Vec<[Option<Row>; 2]>,
}

impl<'a> Batch<'a> {
    pub(super) fn push(&mut self, line: Line<'a>, pairs: Pairs<'a>) {
        self.lines.push((line, pairs));
    }

    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= LINES
    }

    /// Looks up the rows of all lines.
    pub(super) fn find_rows(&mut self, rows: &Rows<'a>) {
        self.rows.clear();
        self.rows.extend(self.lines.iter().map(|(_, pairs)| {
            let mut names = pairs.iter().map(|(name, _)| rows.get(name.text));
            [names.next().flatten(), names.next().flatten()]
        }));
    }

    /// The lines in the order of the file, with their rows as `find_rows` has found them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Line<'a>, &Pairs<'a>, &[Option<Row>; 2])> {
        self.lines.iter().zip(&self.rows).map(|((line, pairs), rows)| (line, pairs, rows))
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }
}
