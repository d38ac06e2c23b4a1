use super::{
    line::{Line, Token},
    number,
};
use crate::reading::ReadError;

/// How the fields of a line are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// By the blanks between them.
    Free,
    /// By their columns, so that a name may hold blanks.
    Fixed,
}

/// A line of COLUMNS, RHS or RANGES: a name, then one or two pairs of row and number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<'a> {
    /// The column, or the set, whose name may be absent (empty).
    pub(super) head: Token<'a>,
    first: (Token<'a>, Token<'a>),
    second: Option<(Token<'a>, Token<'a>)>,
}

impl<'a> Pairs<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Token<'a>, Token<'a>)> + use<'a> {
        [self.first].into_iter().chain(self.second)
    }
}

/// A line of BOUNDS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'a> {
    pub(super) kind: Token<'a>,
    pub(super) column: Token<'a>,
    /// Where the value stands or should stand.
    pub(super) value: Token<'a>,
}

/// A line of ROWS: its sense and its name.
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
    match line.fields(2, no_name)?[..] {
        [sense, name] => Ok((sense, name)),
        [_] => Err(line.syntax(line.end(), "the name of the row is missing")),
        [_, _, more, ..] => Err(unexpected(line, more)),
        [] => Err(line.syntax(line.end(), "this line is empty")),
    }
}

/// A line of COLUMNS. `is_row` helps to tell a name from a comment.
pub(super) fn column<'a>(
    layout: Layout,
    line: &Line<'a>,
    is_row: impl Fn(&str) -> bool,
) -> Result<Pairs<'a>, ReadError> {
    if layout == Layout::Fixed {
        return fixed_pairs(line, is_row);
    }
    match line.fields(1, is_row)?[..] {
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

/// A line of RHS or RANGES. The name of the set may be left out. `is_row` helps to tell a
/// name from a comment.
pub(super) fn side<'a>(
    layout: Layout,
    line: &Line<'a>,
    is_row: impl Fn(&str) -> bool,
) -> Result<Pairs<'a>, ReadError> {
    if layout == Layout::Fixed {
        return fixed_pairs(line, is_row);
    }
    let head = Token::default();
    match line.fields(1, is_row)?[..] {
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

/// A line of BOUNDS. The name of the set may be left out, and so may the value where
/// `takes_value` says that the kind of bound has none; a number there is passed over.
/// `is_column` helps to tell a name from a number.
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
    let fields = line.fields(2, &is_column)?;
    // Behind the last field, which a comment may follow.
    let end = fields.last().map_or(line.end(), |last| Token {
        text: &last.text[last.text.len()..],
        at: last.at + last.text.len(),
    });
    match fields[..] {
        [kind, _, column, value] => Ok(Bound { kind, column, value }),
        [kind, one, two] if takes_value(kind.text) => {
            // `UP x 4`, or `UP set x` without its value.
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
    line.syntax(token, format!("`{}` is one field too many", token.text))
}
