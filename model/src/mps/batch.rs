use super::{
    line::Line,
    record::Pairs,
    rows::{Row, Rows},
};

/// The number of lines whose rows are looked up together: enough that the lookups overlap, and so
/// few that the lines stay in the first cache.
const LINES: usize = 32;

/// Lines of COLUMNS that have been split into fields, but not been added to the columns yet.
///
/// Their rows are looked up together: the processor then waits for several of them at once. With a
/// lookup for each line it would wait for each alone, and that took a fifth of the time.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    lines: Vec<(Line<'a>, Pairs<'a>)>,
    /// The names of the two rows of each line; empty for a second one that is absent.
    names: Vec<&'a str>,
    /// The rows of these names; `None` if there is no such row.
    rows: Vec<Option<Row>>,
}

impl<'a> Batch<'a> {
    pub(super) fn push(&mut self, line: Line<'a>, pairs: Pairs<'a>) {
        let mut names = pairs.iter().map(|(name, _)| name.text);
        self.names.extend([names.next().unwrap_or_default(), names.next().unwrap_or_default()]);
        self.lines.push((line, pairs));
    }

    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= LINES
    }

    /// Looks up the rows of all lines.
    pub(super) fn find_rows(&mut self, rows: &Rows<'a>) {
        rows.get_each(&self.names, &mut self.rows);
    }

    /// The lines in the order of the file, with their rows as `find_rows` has found them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Line<'a>, &Pairs<'a>, &[Option<Row>; 2])> {
        let (rows, _) = self.rows.as_chunks();
        self.lines.iter().zip(rows).map(|((line, pairs), rows)| (line, pairs, rows))
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.names.clear();
    }
}
