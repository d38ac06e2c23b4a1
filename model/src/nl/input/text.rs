//! The text form of NL files, and the header of both forms.

use super::{Input, fault};
use crate::{Fault, FaultKind, Place, digits::plain};

/// The maximum length of a token that an error quotes, in bytes.
const QUOTED_BYTES: usize = 40;

/// Reads lines of tokens. A `#` begins a comment, which lasts to the end of its line.
#[derive(Clone, Debug)]
pub(in crate::nl) struct Text<'a> {
    bytes: &'a [u8],
    /// The offset of the next byte.
    next: usize,
    /// The number of the current line, from 1, and where it begins.
    line: usize,
    line_start: usize,
    /// The offset of what was read last, for errors. It is in the current line.
    last: usize,
}

impl<'a> Text<'a> {
    pub(in crate::nl) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, line: 1, line_start: 0, last: 0 }
    }

    /// The offset of the next byte.
    pub(in crate::nl) fn offset(&self) -> usize {
        self.next
    }

    /// The text of the comment at the end of this line, without its `#`; empty if there is none.
    pub(in crate::nl) fn comment(&self) -> &'a [u8] {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
        line.trim_ascii().strip_prefix(b"#").unwrap_or_default().trim_ascii()
    }

    /// Whether nothing but a comment is left on this line.
    pub(in crate::nl) fn is_at_end_of_line(&mut self) -> bool {
        self.skip_blanks();
        matches!(self.peek(), None | Some(b'\n' | b'#'))
    }

    /// Goes to the next line.
    pub(in crate::nl) fn next_line(&mut self) {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(length) => {
                self.next += length + 1;
                self.line += 1;
                self.line_start = self.next;
            }
            None => self.next = self.bytes.len(),
        }
        self.last = self.next;
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.next).copied()
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.next += 1;
        }
    }

    /// Skips the rest of the line if only a comment is left, and empty lines after it.
    fn skip_empty_lines(&mut self) {
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'\n' | b'#') => self.next_line(),
                _ => break,
            }
        }
        self.last = self.next;
    }

    /// The next token of this line; empty at its end.
    #[inline]
    fn token(&mut self) -> &'a [u8] {
        self.skip_blanks();
        self.last = self.next;
        let rest = &self.bytes[self.next..];
        let ends = |&byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'#');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        self.next += length;
        &rest[..length]
    }

    fn not_a(&self, what: &str, token: &[u8]) -> Fault {
        let message = if token.is_empty() {
            format!("{what} is missing here")
        } else {
            let quoted = String::from_utf8_lossy(&token[..token.len().min(QUOTED_BYTES)]);
            format!("`{}` is not {what}", quoted.escape_debug())
        };
        self.fault(FaultKind::Syntax, message)
    }
}

impl<'a> Input<'a> for Text<'a> {
    fn segment(&mut self) -> Option<u8> {
        self.skip_empty_lines();
        let letter = self.peek()?;
        self.next += 1;
        Some(letter)
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.skip_empty_lines();
        if self.next < self.bytes.len() {
            return Ok(());
        }
        Err(self.fault(FaultKind::Syntax, "the file ends early: it may be truncated".to_owned()))
    }

    fn letter(&mut self) -> Result<u8, Fault> {
        self.begin()?;
        let letter = self.bytes[self.next];
        self.next += 1;
        Ok(letter)
    }

    fn int(&mut self) -> Result<i64, Fault> {
        let token = self.token();
        let number = std::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
        number.ok_or_else(|| self.not_a("an integer", token))
    }

    fn short(&mut self) -> Result<i64, Fault> {
        self.int()
    }

    fn real(&mut self) -> Result<f64, Fault> {
        let token = self.token();
        let any = || std::str::from_utf8(token).ok()?.parse().ok().filter(|it: &f64| !it.is_nan());
        plain(token).or_else(any).ok_or_else(|| self.not_a("a number", token))
    }

    fn name(&mut self) -> Result<&'a [u8], Fault> {
        let token = self.token();
        if token.is_empty() { Err(self.not_a("a name", token)) } else { Ok(token) }
    }

    fn end(&mut self) -> Result<(), Fault> {
        if self.is_at_end_of_line() {
            return Ok(());
        }
        let token = self.token();
        let quoted = String::from_utf8_lossy(&token[..token.len().min(QUOTED_BYTES)]);
        let message = format!("unexpected `{}` in this line", quoted.escape_debug());
        Err(self.fault(FaultKind::Syntax, message))
    }

    fn fault(&self, kind: FaultKind, message: String) -> Fault {
        let before = &self.bytes[self.line_start.min(self.last)..self.last];
        let column = String::from_utf8_lossy(before).chars().count() + 1;
        fault(Some(Place { line: self.line, column }), kind, message)
    }
}
