use memchr::{memchr, memchr_iter};

use super::characters::{self, begins_name, is_name};
use super::section::{self, Section};
use crate::{FaultKind, Place, digits::plain, reading::ReadError};

/// A position in the text. It has byte offsets; the column, which counts characters, is
/// computed only when it is needed, for an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    offset: usize,
    line: usize,
    line_start: usize,
}

impl Mark {
    pub(super) fn line(self) -> usize {
        self.line
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Less,
    Equal,
    Greater,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind<'t> {
    /// A keyword at the beginning of its line.
    Section(Section),
    /// A name and the colon after it.
    Label(&'t str),
    Name(&'t str),
    /// Finite.
    Number(f64),
    /// The word `inf` or `infinity`.
    Infinity,
    /// 1 or -1.
    Sign(f64),
    Compare(Comparison),
    /// `->` and `<->`.
    Arrow,
    /// One of `* ^ / [ ]`.
    Symbol(char),
    /// The end of the text.
    Finish,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) mark: Mark,
    /// The token as it is written.
    pub(super) text: &'t str,
    /// Whether the token is the first on its line.
    pub(super) fresh: bool,
}

/// The message for a text in lp_solve's format, which is called LP too.
pub(super) const LP_SOLVE: &str = "this looks like the LP format of lp_solve, which is not \
                                   supported; the supported format is \"CPLEX LP\": it begins \
                                   with `Minimize` or `Maximize` and has comments after `\\`";

/// Splits a text into tokens, one at a time.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: Mark,
    /// The line of the previous token; 0 before the first.
    last_line: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // Trimmed, so that an error at the end of the file has the position right after the last
        // visible character.
        let text = text.trim_end();
        let offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Lexer { text, at: Mark { offset, line: 1, line_start: offset }, last_line: 0 }
    }

    pub(super) fn place(&self, mark: Mark) -> Place {
        let before = &self.text[mark.line_start..mark.offset];
        Place { line: mark.line, column: before.chars().count() + 1 }
    }

    pub(super) fn fault(
        &self,
        mark: Mark,
        kind: FaultKind,
        message: impl Into<String>,
    ) -> ReadError {
        ReadError { place: self.place(mark), kind, message: message.into() }
    }

    pub(super) fn next(&mut self) -> Result<Token<'t>, ReadError> {
        self.skip_blanks();
        let mark = self.at;
        let fresh = mark.line != self.last_line;
        self.last_line = mark.line;
        let kind = self.kind(fresh)?;
        Ok(Token { kind, mark, text: &self.text[mark.offset..self.at.offset], fresh })
    }

    fn kind(&mut self, fresh: bool) -> Result<Kind<'t>, ReadError> {
        let rest = self.rest();
        if fresh && let Some((section, length)) = section::keyword(rest) {
            self.at.offset += length;
            return Ok(Kind::Section(section));
        }
        let mut chars = rest.chars();
        let Some(first) = chars.next() else { return Ok(Kind::Finish) };
        match first {
            '0'..='9' => self.number(),
            '.' if chars.next().is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '<' | '>' | '=' | '!' | '-' => match operator(rest) {
                Some((length, Some(kind))) => {
                    self.at.offset += length;
                    Ok(kind)
                }
                Some((length, None)) => {
                    Err(self.syntax(format!("`{}` is not a comparison", &rest[..length])))
                }
                // `!` is no operator without `=`, and may begin a name.
                None => self.name(),
            },
            '+' => Ok(self.single(Kind::Sign(1.0))),
            '/' if rest[1..].starts_with(['*', '/']) => Err(self.syntax(LP_SOLVE)),
            '*' | '^' | '/' | '[' | ']' => Ok(self.single(Kind::Symbol(first))),
            _ if begins_name(first) => self.name(),
            ':' => Err(self.syntax("there is no name before the `:`")),
            _ if is_name(first) => Err(self.syntax(format!("a name can't begin with `{first}`"))),
            _ => Err(self.syntax(format!("unexpected character {first:?}"))),
        }
    }

    fn single(&mut self, kind: Kind<'t>) -> Kind<'t> {
        self.at.offset += 1;
        kind
    }

    fn number(&mut self) -> Result<Kind<'t>, ReadError> {
        let rest = self.rest();
        let whole = digits(rest);
        let fraction = match rest[whole..].strip_prefix('.') {
            Some(behind) => 1 + digits(behind),
            None => 0,
        };
        let mantissa = whole + fraction;
        let length = mantissa + exponent(&rest[mantissa..]);
        let number = &rest[..length];

        // Text right after a number must clearly be a name: `2x`, not `1_000` or `1.0D3`.
        let mut behind = rest[length..].chars();
        if let Some(next) = behind.next().filter(|c| is_name(*c)) {
            let then = behind.next();
            let like_exponent = match next {
                'e' | 'E' => length == mantissa && !then.is_some_and(is_name),
                'd' | 'D' => then.is_some_and(|c| c.is_ascii_digit() || "+-".contains(c)),
                _ => false,
            };
            if !next.is_alphabetic() || like_exponent {
                let end = rest[length..].find(|c| !is_name(c)).map_or(rest.len(), |e| length + e);
                return Err(self.syntax(format!(
                    "`{}` is not a number; write an exponent as in 1e3, and a blank between a \
                     number and a name",
                    &rest[..end]
                )));
            }
        }
        // A number beyond f64 parses as infinity, which has words of its own.
        match plain(number.as_bytes()).map_or_else(|| number.parse::<f64>(), Ok) {
            Ok(value) if value.is_finite() => {
                self.at.offset += length;
                Ok(Kind::Number(value))
            }
            _ => Err(self.fault(
                self.at,
                FaultKind::Invalid,
                format!("the number `{number}` is too large"),
            )),
        }
    }

    fn name(&mut self) -> Result<Kind<'t>, ReadError> {
        let rest = self.rest();
        let (end, has_brackets) = characters::name(rest);
        // `x!= 3` is an attempt at a comparison, not a variable `x!`.
        let end = if rest[end..].starts_with('=') && end > 1 && rest[..end].ends_with('!') {
            end - 1
        } else {
            end
        };
        let name = &rest[..end];
        if name.chars().all(|c| matches!(c, ',' | ';')) {
            return Err(
                self.syntax(format!("`{name}` is not a name, and this format has no separators"))
            );
        }
        // So that `f(x + y)` is not read as two variables, `f(x` and `y)`.
        if has_brackets && !balanced(name) {
            return Err(self.syntax(format!(
                "the brackets of the name `{name}` don't match; sums in brackets and functions \
                 are not part of the format"
            )));
        }
        let blanks = rest[end..].len() - rest[end..].trim_start_matches([' ', '\t']).len();
        if rest[end + blanks..].starts_with(':') {
            self.at.offset += end + blanks + 1;
            return Ok(Kind::Label(name));
        }
        // After the label: a constraint may have this name.
        if name.eq_ignore_ascii_case("nan") {
            return Err(self.fault(
                self.at,
                FaultKind::Invalid,
                "`nan` is neither a number nor a name",
            ));
        }
        self.at.offset += end;
        let infinite = ["inf", "infinity"].iter().any(|word| name.eq_ignore_ascii_case(word));
        Ok(if infinite { Kind::Infinity } else { Kind::Name(name) })
    }

    fn skip_blanks(&mut self) {
        loop {
            self.at.offset += characters::blanks(self.rest());
            let rest = self.rest();
            let length = match rest.as_bytes().first() {
                Some(b'\n') => 1,
                Some(b'\\') => comment(rest),
                _ => return,
            };
            for index in memchr_iter(b'\n', &rest.as_bytes()[..length]) {
                self.at.line += 1;
                self.at.line_start = self.at.offset + index + 1;
            }
            self.at.offset += length;
        }
    }

    /// The text from a mark to the end of its line, without a comment.
    pub(super) fn line_from(&self, mark: Mark) -> &'t str {
        let line = self.rest_from(mark).lines().next().unwrap_or_default();
        &line[..line.find('\\').unwrap_or(line.len())]
    }

    /// Consumes the rest of the line up to a comment, and returns it.
    pub(super) fn line(&mut self) -> &'t str {
        let line = self.line_from(self.at);
        self.at.offset += line.len();
        line
    }

    /// The text from a mark on.
    pub(super) fn rest_from(&self, mark: Mark) -> &'t str {
        &self.text[mark.offset..]
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at.offset..]
    }

    fn syntax(&self, message: impl Into<String>) -> ReadError {
        self.fault(self.at, FaultKind::Syntax, message)
    }
}

/// The operator at the beginning of `text` and its length in bytes. The operator is `None` for
/// characters that look like one, but are not supported.
fn operator(text: &str) -> Option<(usize, Option<Kind<'static>>)> {
    use Comparison::{Equal, Greater, Less};
    // The usual ones first, with what follows them.
    match text.as_bytes() {
        [b'-', b' ', ..] => return Some((1, Some(Kind::Sign(-1.0)))),
        [b'<', b'=', b' ', ..] => return Some((2, Some(Kind::Compare(Less)))),
        [b'>', b'=', b' ', ..] => return Some((2, Some(Kind::Compare(Greater)))),
        [b'=', b' ', ..] => return Some((1, Some(Kind::Compare(Equal)))),
        _ => {}
    }
    // The first match counts: longer operators are before those that they begin with.
    const OPERATORS: &[(&str, Option<Kind<'static>>)] = &[
        ("<->", Some(Kind::Arrow)),
        ("<=>", None),
        ("->", Some(Kind::Arrow)),
        ("-", Some(Kind::Sign(-1.0))),
        ("<=", Some(Kind::Compare(Less))),
        ("=<", Some(Kind::Compare(Less))),
        (">=", Some(Kind::Compare(Greater))),
        ("=>", Some(Kind::Compare(Greater))),
        ("!=", None),
        ("==", None),
        ("<>", None),
        ("<<", None),
        (">>", None),
        ("<", Some(Kind::Compare(Less))),
        (">", Some(Kind::Compare(Greater))),
        ("=", Some(Kind::Compare(Equal))),
    ];
    OPERATORS.iter().find(|(op, _)| text.starts_with(op)).map(|(op, kind)| (op.len(), *kind))
}

/// The length in bytes of the comment at the beginning of `text`, without its line break.
///
/// `\* … *\` is a block, which may span lines, if it contains no other backslash. Any other
/// backslash begins a comment up to the end of its line.
fn comment(text: &str) -> usize {
    if let Some(inner) = text.strip_prefix("\\*")
        && let Some(close) = inner.find('\\')
        && inner[..close].ends_with('*')
    {
        return 2 + close + 1;
    }
    memchr(b'\n', text.as_bytes()).unwrap_or(text.len())
}

/// The number of digits at the beginning of `text`.
fn digits(text: &str) -> usize {
    text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

/// The length in bytes of the exponent at the beginning of `text`; 0 if there is none.
fn exponent(text: &str) -> usize {
    let Some(behind) = text.strip_prefix(['e', 'E']) else { return 0 };
    let unsigned = behind.strip_prefix(['+', '-']).unwrap_or(behind);
    match digits(unsigned) {
        0 => 0,
        count => text.len() - unsigned.len() + count,
    }
}

fn balanced(name: &str) -> bool {
    [('(', ')'), ('[', ']'), ('{', '}')]
        .iter()
        .all(|&(open, close)| name.matches(open).count() == name.matches(close).count())
}
