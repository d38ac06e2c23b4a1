//! The lines of a solver's log, gathered for the log of the mesh.

use std::time::Duration;

use solvemesh::{solver::v1::LogText, v1};
use tokio::time::Instant;

/// How long a line waits for others.
const INTERVAL: Duration = Duration::from_secs(1);
/// From so many bytes on they wait no longer.
const BATCH: usize = 16 << 10;
/// The longest line, in bytes.
const MAX_LINE: usize = 1 << 10;

/// Lines that were not told yet. How much a solver may write is the solver process's to
/// limit.
#[derive(Debug, Default)]
pub(crate) struct LogLines {
    lines: Vec<String>,
    bytes: usize,
    /// A line that has not ended.
    part: String,
    omitted: i64,
    due: Option<Instant>,
}

impl LogLines {
    /// The solver wrote this.
    pub(crate) fn write(&mut self, now: Instant, text: &LogText) {
        for piece in text.text.split_inclusive('\n') {
            self.part.push_str(piece.trim_end_matches(['\n', '\r']));
            if piece.ends_with('\n') {
                self.end();
            } else {
                shorten(&mut self.part);
            }
        }
        self.omitted = self.omitted.saturating_add(text.omitted.max(0));
        if self.bytes >= BATCH {
            self.due = Some(now);
        } else if self.due.is_none() && self.has_some() {
            self.due = Some(now + INTERVAL);
        }
    }

    /// The line that was begun ends.
    pub(crate) fn end(&mut self) {
        let mut line = std::mem::take(&mut self.part);
        shorten(&mut line);
        line.truncate(line.trim_end().len());
        // Blank lines only set others apart.
        if !line.is_empty() {
            self.bytes += line.len() + 1;
            self.lines.push(line);
        }
    }

    /// When there will be some to be told, if there are any.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.has_some())
    }

    /// What is to be told.
    pub(crate) fn batch(&self) -> v1::LogLines {
        v1::LogLines { lines: self.lines.clone(), omitted: self.omitted }
    }

    /// All was told.
    pub(crate) fn told(&mut self) {
        self.lines.clear();
        (self.bytes, self.omitted, self.due) = (0, 0, None);
    }

    /// They could not be told.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.due = Some(now + INTERVAL);
    }

    fn has_some(&self) -> bool {
        !self.lines.is_empty() || self.omitted > 0
    }
}

fn shorten(line: &mut String) {
    if line.len() > MAX_LINE {
        let end = (0..=MAX_LINE).rev().find(|end| line.is_char_boundary(*end));
        line.truncate(end.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> LogText {
        LogText { text: text.to_owned(), omitted: 0 }
    }

    #[test]
    fn pieces_become_whole_lines_that_wait_for_others() {
        let now = Instant::now();
        let mut lines = LogLines::default();
        lines.write(now, &text("Solving"));
        assert_eq!(lines.due(), None);
        lines.write(now, &text(" report\n\n  Status  \r\nGap"));
        assert_eq!(lines.due(), Some(now + INTERVAL));
        assert_eq!(lines.batch().lines, ["Solving report", "  Status"]);
        lines.told();
        assert_eq!(lines.due(), None);
        lines.end();
        assert_eq!(lines.batch().lines, ["Gap"]);
    }

    #[test]
    fn many_lines_do_not_wait_and_long_ones_are_cut() {
        let now = Instant::now();
        let mut lines = LogLines::default();
        let long = "ä".repeat(MAX_LINE);
        for _ in 0..BATCH / MAX_LINE {
            assert_ne!(lines.due(), Some(now));
            lines.write(now, &text(&long));
            lines.write(now, &text("\n"));
        }
        assert_eq!(lines.due(), Some(now));
        assert!(lines.batch().lines.iter().all(|line| line.len() == MAX_LINE));
    }

    #[test]
    fn lines_that_were_left_out_are_counted_once() {
        let now = Instant::now();
        let mut lines = LogLines::default();
        lines.write(now, &LogText { text: String::new(), omitted: 7 });
        assert_eq!(lines.batch().omitted, 7);
        lines.told();
        assert_eq!(lines.batch().omitted, 0);
    }
}
