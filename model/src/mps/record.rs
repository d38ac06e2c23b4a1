use memchr::memchr;

use super::{
    line::{Fields, Line, Token},
    number,
};
use crate::reading::ReadError;

/// How a line is split into fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// At blanks.
    Free,
    /// At fixed columns, so that a name may contain blanks.
    Fixed,
}

/// A record of COLUMNS, RHS or RANGES: a name, then one or two pairs of row and number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<'a> {
    /// The name of the column or of the set. That of a set may be absent (empty).
    pub(super) head: Token<'a>,
    first: (Token<'a>, Token<'a>),
    second: Option<(Token<'a>, Token<'a>)>,
}

impl<'a> Pairs<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Token<'a>, Token<'a>)> + use<'a> {
        [self.first].into_iter().chain(self.second)
    }
}

/// A record of BOUNDS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'a> {
    pub(super) kind: Token<'a>,
    pub(super) column: Token<'a>,
    /// The value. Empty if it is absent, at the position where it should be.
    pub(super) value: Token<'a>,
}

/// Parses a line of ROWS into its sense and its name.
pub(super) fn row<'a>(
    layout: Layout,
    line: &Line<'a>,
) -> Result<(Token<'a>, Token<'a>), ReadError> {
    let no_name = |_: &str| false;
    if layout == Layout::Fixed {
        let [sense, name, rest @ ..] = line.fixed_fields(no_name)?;
        expect_blank(line, &rest)?;
        return Ok((sense, name));
    }
    let mut fields = Fields::default();
    line.fields(2, no_name, &mut fields)?;
    match fields[..] {
        [sense, name] => Ok((sense, name)),
        [_] => Err(line.syntax(line.end(), "the name of the row is missing")),
        [_, _, more, ..] => Err(unexpected(line, more)),
        [] => Err(line.syntax(line.end(), "this line is empty")),
    }
}

/// The third field of a `'MARKER'` line in COLUMNS; `None` for any other line.
pub(super) fn marker<'a>(line: &Line<'a>) -> Option<Token<'a>> {
    // A quick check first: hardly any other line has a quote.
    memchr(b'\'', line.text.as_bytes())?;
    let mut tokens = line.tokens();
    tokens.nth(1).filter(|token| token.text == "'MARKER'")?;
    let what = tokens.next()?;
    tokens.next().is_none().then_some(what)
}

/// Parses a line of COLUMNS. `is_row` distinguishes a name that begins with `$` from a comment.
pub(super) fn column<'a>(
    layout: Layout,
    line: &Line<'a>,
    is_row: impl Fn(&str) -> bool,
) -> Result<Pairs<'a>, ReadError> {
    if layout == Layout::Fixed {
        return fixed_pairs(line, is_row);
    }
    let mut fields = Fields::default();
    line.fields(1, is_row, &mut fields)?;
    match fields[..] {
        [head, row, value] => Ok(Pairs { head, first: (row, value), second: None }),
        [head, row, value, row2, value2] => {
            Ok(Pairs { head, first: (row, value), second: Some((row2, value2)) })
        }
        [_, _, _, _, _, more, ..] => Err(unexpected(line, more)),
        _ => Err(line.syntax(
            line.end(),
            "a line of COLUMNS has a column and one or two pairs of row and number",
        )),
    }
}

/// Parses a line of RHS or RANGES. The name of the set may be left out: the number of fields
/// shows whether it is. `is_row` distinguishes a name that begins with `$` from a comment.
pub(super) fn side<'a>(
    layout: Layout,
    line: &Line<'a>,
    is_row: impl Fn(&str) -> bool,
) -> Result<Pairs<'a>, ReadError> {
    if layout == Layout::Fixed {
        return fixed_pairs(line, is_row);
    }
    let head = Token::default();
    let mut fields = Fields::default();
    line.fields(1, is_row, &mut fields)?;
    match fields[..] {
        [row, value] => Ok(Pairs { head, first: (row, value), second: None }),
        [head, row, value] => Ok(Pairs { head, first: (row, value), second: None }),
        [row, value, row2, value2] => {
            Ok(Pairs { head, first: (row, value), second: Some((row2, value2)) })
        }
        [head, row, value, row2, value2] => {
            Ok(Pairs { head, first: (row, value), second: Some((row2, value2)) })
        }
        [_, _, _, _, _, more, ..] => Err(unexpected(line, more)),
        _ => Err(line.syntax(line.end(), "a number is missing here")),
    }
}

/// Parses a line of BOUNDS. The name of the set may be left out, and so may the value if
/// `takes_value` returns false for the kind of bound; a number in its place is ignored.
/// `is_column` distinguishes a name from a number.
pub(super) fn bound<'a>(
    layout: Layout,
    line: &Line<'a>,
    takes_value: impl Fn(&str) -> bool,
    is_column: impl Fn(&str) -> bool,
) -> Result<Bound<'a>, ReadError> {
    if layout == Layout::Fixed {
        let [kind, _, column, mut value, rest @ ..] = line.fixed_fields(is_column)?;
        expect_blank(line, &rest)?;
        if value.text.is_empty() {
            value = line.end();
        }
        return Ok(Bound { kind, column, value });
    }
    let mut fields = Fields::default();
    line.fields(2, &is_column, &mut fields)?;
    // After the last field and before a comment.
    let end = fields.last().map_or(line.end(), |last| Token {
        text: &last.text[last.text.len()..],
        at: last.at + last.text.len(),
    });
    match fields[..] {
        [kind, _, column, value] => Ok(Bound { kind, column, value }),
        [kind, one, two] if takes_value(kind.text) => {
            // `UP x 4`, or `UP set x` without its value. A column may have a number as its name: a
            // number is taken as the value.
            let missing = is_column(two.text) && !number::is_bound(two.text);
            let (column, value) = if missing { (two, end) } else { (one, two) };
            Ok(Bound { kind, column, value })
        }
        [kind, one, two] => {
            // `FR set x`, or `FR x 0`.
            let unset = !is_column(two.text) && number::is_bound(two.text);
            let (column, value) = if unset { (one, two) } else { (two, end) };
            Ok(Bound { kind, column, value })
        }
        [kind, column] => Ok(Bound { kind, column, value: end }),
        [_, _, _, _, more, ..] => Err(unexpected(line, more)),
        _ => Err(line.syntax(end, "the column of the bound is missing")),
    }
}

fn fixed_pairs<'a>(line: &Line<'a>, is_row: impl Fn(&str) -> bool) -> Result<Pairs<'a>, ReadError> {
    let [kind, head, row, value, row2, value2] = line.fixed_fields(is_row)?;
    expect_blank(line, &[kind])?;
    let second = (!row2.text.is_empty() || !value2.text.is_empty()).then_some((row2, value2));
    Ok(Pairs { head, first: (row, value), second })
}

fn expect_blank(line: &Line, fields: &[Token]) -> Result<(), ReadError> {
    match fields.iter().find(|field| !field.text.is_empty()) {
        Some(&field) => Err(unexpected(line, field)),
        None => Ok(()),
    }
}

fn unexpected(line: &Line, token: Token) -> ReadError {
    line.syntax(token, format!("unexpected field `{}`", token.text))
}
