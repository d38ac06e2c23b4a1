//! Reads and writes CSV (RFC 4180). Written by hand because errors in values need the line and
//! column of each cell, and because the reader is strict about quotes.

use std::io::{self, Write};

/// A record: the number of its first line, from 1, and its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: usize,
    pub(super) cells: Vec<Cell>,
}

/// A cell: the column where it starts, in characters from 1, and its text without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) column: usize,
    pub(super) text: String,
}

/// An iterator over the records of a text. Skips empty lines; ends at the end of the text.
pub(super) struct Records<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    column: usize,
}

/// Reads the records of a text, which may begin with a byte order mark.
pub(super) fn records(text: &str) -> Records<'_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Records { rest: text.chars().peekable(), line: 1, column: 1 }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.take_line_end() {}
        self.rest.peek()?;
        Some(self.record())
    }
}

impl Records<'_> {
    fn record(&mut self) -> Result<Record, String> {
        let mut record = Record { line: self.line, cells: Vec::new() };
        loop {
            record.cells.push(self.cell()?);
            if self.rest.peek() == Some(&',') {
                self.step();
            } else if self.rest.peek().is_none() || self.take_line_end() {
                return Ok(record);
            } else {
                return Err(self.error("unexpected text after the closing `\"`"));
            }
        }
    }

    fn cell(&mut self) -> Result<Cell, String> {
        let mut cell = Cell { column: self.column, text: String::new() };
        if self.rest.peek() == Some(&'"') {
            // Reported at the opening quote: the end of the text says nothing.
            let unterminated = self.error("unterminated quoted cell");
            self.step();
            loop {
                match self.step().ok_or_else(|| unterminated.clone())? {
                    '"' if self.rest.peek() == Some(&'"') => {
                        self.step();
                        cell.text.push('"');
                    }
                    '"' => return Ok(cell),
                    c => cell.text.push(c),
                }
            }
        }
        while let Some(&c) = self.rest.peek() {
            match c {
                ',' | '\n' | '\r' => break,
                '"' => return Err(self.error("unexpected `\"` in an unquoted cell")),
                c => cell.text.push(c),
            }
            self.step();
        }
        Ok(cell)
    }

    /// Consumes a line end (LF, CR or CRLF), if one is next. Returns whether it did.
    fn take_line_end(&mut self) -> bool {
        let ends = matches!(self.rest.peek(), Some('\n' | '\r'));
        if ends && self.step() == Some('\r') && self.rest.peek() == Some(&'\n') {
            self.step();
        }
        ends
    }

    /// Consumes a character and advances the line and column. CRLF counts as one line end.
    fn step(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        let is_end = c == '\n' || c == '\r' && self.rest.peek() != Some(&'\n');
        (self.line, self.column) =
            if is_end { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        Some(c)
    }

    /// An error message with the current line and column.
    fn error(&self, message: &str) -> String {
        format!("line {}, column {}: {message}", self.line, self.column)
    }
}

/// Writes a record. Cells are quoted only where they must be.
pub(super) fn write_record<'a>(
    out: &mut impl Write,
    cells: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    for (index, cell) in cells.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        if cell.contains([',', '"', '\n', '\r']) {
            write!(out, "{comma}\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            write!(out, "{comma}{cell}")?;
        }
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        let texts = |record: Record| record.cells.into_iter().map(|cell| cell.text).collect();
        records(text).map(|record| texts(record.unwrap())).collect()
    }

    fn error(text: &str) -> String {
        records(text).find_map(Result::err).unwrap()
    }

    #[test]
    fn cells_may_be_quoted_and_lines_may_end_in_lf_or_crlf() {
        let text = "\u{feff}a,\"b,\"\"c\"\"\"\r\n\n,2\n\"x\ny\",3";
        let expected = [vec!["a", "b,\"c\""], vec!["", "2"], vec!["x\ny", "3"]];
        assert_eq!(cells(text), expected);
        assert!(cells("\n\r\n").is_empty());
    }

    #[test]
    fn records_and_cells_have_their_positions() {
        let records: Vec<_> = records("ä,\"b\"\r\n\r\nc,d\n").map(Result::unwrap).collect();
        let places: Vec<_> = records
            .iter()
            .map(|it| (it.line, it.cells.iter().map(|cell| cell.column).collect::<Vec<_>>()))
            .collect();
        assert_eq!(places, [(1, vec![1, 3]), (3, vec![1, 3])]);
    }

    #[test]
    fn quoting_errors_have_line_and_column() {
        assert_eq!(error("a,b\n1,2\"\n"), "line 2, column 4: unexpected `\"` in an unquoted cell");
        assert_eq!(error("a\n\"1\n2"), "line 2, column 1: unterminated quoted cell");
        assert_eq!(error("\"a\"b"), "line 1, column 4: unexpected text after the closing `\"`");
    }

    proptest! {
        #[test]
        fn written_records_are_read_back(
            table in prop::collection::vec(prop::collection::vec("[a-z,\"\\n\\r é]{1,6}", 1..5), 0..8),
        ) {
            let mut out = Vec::new();
            for record in &table {
                write_record(&mut out, record.iter().map(String::as_str)).unwrap();
            }
            prop_assert_eq!(cells(std::str::from_utf8(&out).unwrap()), table);
        }
    }
}
