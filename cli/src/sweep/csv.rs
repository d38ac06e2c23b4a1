//! Comma-separated values, as RFC 4180 has them. The reader is strict, and tells the place
//! of each cell; that is why it is our own.

use std::io::{self, Write};

/// A record: its line, from 1, and its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: usize,
    pub(super) cells: Vec<Cell>,
}

/// A cell: the column where it begins, in characters from 1, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) column: usize,
    pub(super) text: String,
}

/// The records of a text. Empty lines are left out.
pub(super) struct Records<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    column: usize,
}

/// The records of a text, which may begin with a byte order mark.
pub(super) fn records(text: &str) -> Records<'_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Records { rest: text.chars().peekable(), line: 1, column: 1 }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ends_line() {}
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
            } else if self.rest.peek().is_none() || self.ends_line() {
                return Ok(record);
            } else {
                return Err(self.wrong("a quoted cell goes on after its last `\"`"));
            }
        }
    }

    fn cell(&mut self) -> Result<Cell, String> {
        let mut cell = Cell { column: self.column, text: String::new() };
        if self.rest.peek() == Some(&'"') {
            let begin = self.wrong("a quoted cell has no end");
            self.step();
            loop {
                match self.step().ok_or_else(|| begin.clone())? {
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
                '"' => return Err(self.wrong("a `\"` in a cell that does not begin with one")),
                c => cell.text.push(c),
            }
            self.step();
        }
        Ok(cell)
    }

    /// Takes the end of a line, if that is next.
    fn ends_line(&mut self) -> bool {
        let ends = matches!(self.rest.peek(), Some('\n' | '\r'));
        if ends && self.step() == Some('\r') && self.rest.peek() == Some(&'\n') {
            self.step();
        }
        ends
    }

    fn step(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        let is_end = c == '\n' || c == '\r' && self.rest.peek() != Some(&'\n');
        (self.line, self.column) =
            if is_end { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        Some(c)
    }

    fn wrong(&self, what: &str) -> String {
        format!("line {}, column {}: {what}", self.line, self.column)
    }
}

/// Writes a record, with quotes where a cell needs them.
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

    fn fault(text: &str) -> String {
        records(text).find_map(Result::err).unwrap()
    }

    #[test]
    fn cells_may_be_quoted_and_lines_end_as_they_like() {
        let text = "\u{feff}a,\"b,\"\"c\"\"\"\r\n\n,2\n\"x\ny\",3";
        let expected = [vec!["a", "b,\"c\""], vec!["", "2"], vec!["x\ny", "3"]];
        assert_eq!(cells(text), expected);
        assert!(cells("\n\r\n").is_empty());
    }

    #[test]
    fn records_and_cells_know_their_places() {
        let records: Vec<_> = records("ä,\"b\"\r\n\r\nc,d\n").map(Result::unwrap).collect();
        let places: Vec<_> = records
            .iter()
            .map(|it| (it.line, it.cells.iter().map(|cell| cell.column).collect::<Vec<_>>()))
            .collect();
        assert_eq!(places, [(1, vec![1, 3]), (3, vec![1, 3])]);
    }

    #[test]
    fn what_is_half_quoted_is_told_with_its_place() {
        assert_eq!(
            fault("a,b\n1,2\"\n"),
            "line 2, column 4: a `\"` in a cell that does not begin with one"
        );
        assert_eq!(fault("a\n\"1\n2"), "line 2, column 1: a quoted cell has no end");
        assert_eq!(fault("\"a\"b"), "line 1, column 4: a quoted cell goes on after its last `\"`");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
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
