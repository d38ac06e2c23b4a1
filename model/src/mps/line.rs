use std::ops::Deref;

use memchr::memchr;

use super::blanks;
use crate::{FaultKind, Place, reading::ReadError};

/// A line of the file, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The line number, counted from 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
    /// The bytes from the beginning of the line to the end of the file. A search for the end of a
    /// token can always look at the next eight of them, except at the end of the file.
    rest: &'a [u8],
    /// The byte offset of the first token.
    indent: usize,
}

/// A piece of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// The byte offset in the line.
    pub(super) at: usize,
}

/// Maximum number of fields in a line: a bound type or nothing, a name, two pairs.
const MOST_FIELDS: usize = 6;

/// The fields of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields<'a> {
    tokens: [Token<'a>; MOST_FIELDS],
    count: usize,
}

impl<'a> Deref for Fields<'a> {
    type Target = [Token<'a>];

    fn deref(&self) -> &[Token<'a>] {
        &self.tokens[..self.count]
    }
}

/// The lines of a file that are neither blank nor a comment, which has a `*` in column 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut number = 0;
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            number += 1;
            let text = rest;
            let end = memchr(b'\n', text.as_bytes());
            rest = end.map_or("", |end| &text[end + 1..]);
            let line = &text[..end.unwrap_or(text.len())];
            let line = line.strip_suffix('\r').unwrap_or(line);
            let indent = blanks::skip(text.as_bytes(), 0);
            if indent < line.len() && !line.starts_with('*') {
                return Some(Line { number, text: line, rest: text.as_bytes(), indent });
            }
        }
        None
    })
}

impl<'a> Line<'a> {
    /// Whether the line begins a section: column 1 is not blank.
    pub(super) fn is_header(&self) -> bool {
        self.indent == 0
    }

    /// Splits the line at blanks.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token<'a>> + use<'a> {
        let Line { text, rest, indent, .. } = *self;
        let mut at = indent;
        std::iter::from_fn(move || {
            if at >= text.len() {
                return None;
            }
            // The line ends at a blank, or with the file.
            let end = blanks::find(rest, at);
            let token = Token { text: &text[at..end], at };
            at = blanks::skip(rest, end);
            Some(token)
        })
    }

    /// Splits the line at blanks into `fields`, which are empty before; more than a line may have
    /// are an error. From the field `from` on, counted from 0, a field that begins with `$` starts
    /// a comment up to the end of the line, unless `is_name` returns true for it.
    ///
    /// The fields are not returned, because they would be copied.
    pub(super) fn fields(
        &self,
        from: usize,
        is_name: impl Fn(&str) -> bool,
        fields: &mut Fields<'a>,
    ) -> Result<(), ReadError> {
        for token in self.tokens() {
            if fields.count >= from && token.text.starts_with('$') && !is_name(token.text) {
                break;
            }
            let Some(place) = fields.tokens.get_mut(fields.count) else {
                return Err(self.syntax(token, "too many fields in this line"));
            };
            *place = token;
            fields.count += 1;
        }
        Ok(())
    }

    /// Splits the line into the six fields of the fixed format, empty where blank. Text between
    /// the fields is an error. A `$` in the first column of the third or fifth field begins a
    /// comment, unless `is_name` returns true for the field.
    pub(super) fn fixed_fields(
        &self,
        is_name: impl Fn(&str) -> bool,
    ) -> Result<[Token<'a>; MOST_FIELDS], ReadError> {
        // First column, and the column after the last, counted from 0.
        const COLUMNS: [(usize, usize); MOST_FIELDS] =
            [(1, 3), (4, 12), (14, 22), (24, 36), (39, 47), (49, LAST)];
        const LAST: usize = 61;
        let length = self.text.len();
        // Columns count characters. In ASCII, those are bytes.
        let ascii = self.text.as_bytes()[..length.min(LAST)].is_ascii();
        let starts: Option<[usize; LAST + 1]> = (!ascii).then(|| self.column_starts());
        let byte = |column: usize| starts.as_ref().map_or(column.min(length), |it| it[column]);
        let mut fields = [Token::default(); MOST_FIELDS];
        let mut gap = 0;
        for (index, (field, (first, last))) in fields.iter_mut().zip(COLUMNS).enumerate() {
            self.check_gap(gap, byte(first))?;
            let text = &self.text[byte(first)..byte(last)];
            let may_be_comment = matches!(index, 2 | 4) && text.starts_with('$');
            if may_be_comment && !is_name(text.trim_ascii_end()) {
                return Ok(fields);
            }
            let trimmed = text.trim_ascii_start();
            *field = Token {
                at: byte(first) + text.len() - trimmed.len(),
                text: trimmed.trim_ascii_end(),
            };
            gap = byte(last);
        }
        self.check_gap(gap, self.text.len())?;
        Ok(fields)
    }

    /// The byte offsets of the first columns; the length of the line for those that it does not
    /// have. A line may be of any length; only these columns are visited.
    fn column_starts<const COUNT: usize>(&self) -> [usize; COUNT] {
        let mut starts = [self.text.len(); COUNT];
        for (start, (at, _)) in starts.iter_mut().zip(self.text.char_indices()) {
            *start = at;
        }
        starts
    }

    fn check_gap(&self, from: usize, to: usize) -> Result<(), ReadError> {
        let gap = &self.text[from..to];
        let text = gap.trim_ascii_start();
        if text.is_empty() {
            return Ok(());
        }
        let token = Token { text, at: to - text.len() };
        Err(self.syntax(token, "unexpected text between the fields of the fixed format"))
    }

    /// An empty token at the end of the line, for errors about missing fields.
    pub(super) fn end(&self) -> Token<'a> {
        let end = self.text.trim_ascii_end().len();
        Token { text: &self.text[end..end], at: end }
    }

    pub(super) fn place(&self, token: Token) -> Place {
        Place { line: self.number, column: self.text[..token.at].chars().count() + 1 }
    }

    /// An error for a token that cannot be parsed.
    pub(super) fn syntax(&self, token: Token, message: impl Into<String>) -> ReadError {
        self.error(token, FaultKind::Syntax, message)
    }

    /// An error for a token that can be parsed, but is invalid.
    pub(super) fn invalid(&self, token: Token, message: impl Into<String>) -> ReadError {
        self.error(token, FaultKind::Invalid, message)
    }

    /// An error for a feature that is not supported.
    pub(super) fn unsupported(&self, token: Token, feature: &str) -> ReadError {
        self.error(token, FaultKind::Unsupported, format!("{feature} are not supported"))
    }

    /// An error for a model that exceeds a limit.
    pub(super) fn too_large(&self, token: Token, message: impl Into<String>) -> ReadError {
        self.error(token, FaultKind::TooLarge, message)
    }

    fn error(&self, token: Token, kind: FaultKind, message: impl Into<String>) -> ReadError {
        ReadError { place: self.place(token), kind, message: message.into() }
    }
}
