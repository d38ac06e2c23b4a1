//! Batches the lines of a solver's log into entries of the results log.

use std::time::Duration;

use solvemesh::{solver::v1::LogText, v1};
use tokio::time::Instant;

/// Time that a line is buffered, so that later ones travel in the same entry.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of buffered bytes from which on a batch is due at once.
const BATCH: usize = 16 << 10;
/// Maximum length of a line, in bytes; longer ones are truncated.
const MAX_LINE: usize = 1 << 10;

/// Lines that have not been logged yet. The total is not limited here: the solver process limits
/// the size of its log.
#[derive(Debug, Default)]
pub(crate) struct LogLines {
    lines: Vec<String>,
    bytes: usize,
    /// The beginning of a line whose end has not been received.
    part: String,
    omitted: i64,
    due: Option<Instant>,
}

impl LogLines {
    /// Adds text that the solver wrote, which may begin and end within a line.
    pub(crate) fn record(&mut self, now: Instant, text: &LogText) {
        for piece in text.text.split_inclusive('\n') {
            self.part.push_str(piece.trim_end_matches(['\n', '\r']));
            if piece.ends_with('\n') {
                self.end_line();
            } else {
                // Bounds the buffer, even if no line end is ever received.
                truncate_line(&mut self.part);
            }
        }
        self.omitted = self.omitted.saturating_add(text.omitted.max(0));
        if self.bytes >= BATCH {
            self.due = Some(now);
        } else if self.due.is_none() && self.has_content() {
            self.due = Some(now + INTERVAL);
        }
    }

    /// Completes the current line.
    pub(crate) fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.part);
        truncate_line(&mut line);
        line.truncate(line.trim_end().len());
        // Blank lines carry no information.
        if !line.is_empty() {
            self.bytes += line.len() + 1;
            self.lines.push(line);
        }
    }

    /// When the batch is due; `None` if it is empty.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.has_content())
    }

    /// The current batch. [`Self::clear`] has to follow once it is logged.
    pub(crate) fn batch(&self) -> v1::LogLines {
        v1::LogLines { lines: self.lines.clone(), omitted_count: self.omitted }
    }

    /// Clears the batch after it was logged.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        (self.bytes, self.omitted, self.due) = (0, 0, None);
    }

    /// Delays the batch by an interval, after the log did not accept it.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.due = Some(now + INTERVAL);
    }

    fn has_content(&self) -> bool {
        !self.lines.is_empty() || self.omitted > 0
    }
}

/// Truncates a line to [`MAX_LINE`] bytes, at a character boundary.
fn truncate_line(line: &mut String) {
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
    fn text_is_split_into_lines_and_batched() {
        let now = Instant::now();
        let mut lines = LogLines::default();
        lines.record(now, &text("Solving"));
        assert_eq!(lines.due(), None);
        lines.record(now, &text(" report\n\n  Status  \r\nGap"));
        assert_eq!(lines.due(), Some(now + INTERVAL));
        assert_eq!(lines.batch().lines, ["Solving report", "  Status"]);
        lines.clear();
        assert_eq!(lines.due(), None);
        lines.end_line();
        assert_eq!(lines.batch().lines, ["Gap"]);
    }

    #[test]
    fn a_full_batch_is_due_at_once_and_long_lines_are_truncated() {
        let now = Instant::now();
        let mut lines = LogLines::default();
        let long = "ä".repeat(MAX_LINE);
        for _ in 0..BATCH / MAX_LINE {
            assert_ne!(lines.due(), Some(now));
            lines.record(now, &text(&long));
            lines.record(now, &text("\n"));
        }
        assert_eq!(lines.due(), Some(now));
        assert!(lines.batch().lines.iter().all(|line| line.len() == MAX_LINE));
    }

    #[test]
    fn omitted_lines_are_counted_once() {
        let now = Instant::now();
        let mut lines = LogLines::default();
        lines.record(now, &LogText { text: String::new(), omitted: 7 });
        assert_eq!(lines.batch().omitted_count, 7);
        lines.clear();
        assert_eq!(lines.batch().omitted_count, 0);
    }
}
