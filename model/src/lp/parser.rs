use super::draft::Draft;
use super::expression::Extent;
use super::lexer::{Comparison, Kind, LP_SOLVE, Lexer, Mark, Token};
use super::section::{Section, keyword};
use crate::{
    FaultKind,
    limits::{Counts, Limits},
    reading::ReadError,
};

/// Parses a text section by section, with one token of lookahead. The contents of sections
/// are parsed in `expression`, `rows` and `variables`.
#[derive(Debug)]
pub(super) struct Parser<'t> {
    lexer: Lexer<'t>,
    ahead: Token<'t>,
    pub(super) draft: Draft<'t>,
    limits: Limits,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, limits: Limits) -> Result<Self, ReadError> {
        let mut lexer = Lexer::new(text);
        let ahead = lexer.next()?;
        Ok(Parser { lexer, ahead, draft: Draft::default(), limits })
    }

    /// Parses the whole file.
    pub(super) fn file(mut self) -> Result<Draft<'t>, ReadError> {
        self.objective()?;
        if self.ahead.kind == Kind::Section(Section::Constraints) {
            self.bump()?;
            self.constraints()?;
        }
        loop {
            match self.ahead.kind {
                Kind::Section(Section::End) => {
                    self.bump()?;
                    return match self.ahead.kind {
                        Kind::Finish => self.finish(),
                        _ => Err(self.unexpected("nothing after `End`")),
                    };
                }
                Kind::Section(section) => self.section(section)?,
                Kind::Finish => {
                    self.draft.warnings.add(
                        "the file has no `End`; it was read as if it were complete".to_owned(),
                    );
                    return self.finish();
                }
                _ => return Err(self.unexpected("a section, such as `Subject To` or `End`")),
            }
        }
    }

    /// Parses a section after the constraints, whose keyword is the next token.
    fn section(&mut self, section: Section) -> Result<(), ReadError> {
        let Token { mark, text, .. } = self.ahead;
        if self.draft.find(text).is_some() {
            let message = format!(
                "`{text}` is both a variable and the keyword of a section, and can't begin a line"
            );
            return Err(self.fault(mark, FaultKind::Syntax, message));
        }
        self.bump()?;
        match section {
            Section::Bounds => self.bounds(),
            Section::Integers => self.variable_list(|column, _| column.integer = true),
            Section::Binaries => self.variable_list(|column, _| column.binary = true),
            Section::SemiContinuous => self.variable_list(|column, mark| column.semi = Some(mark)),
            Section::SemiIntegers => self.variable_list(|column, mark| {
                column.semi = Some(mark);
                column.integer = true;
            }),
            Section::Unsupported(what) => Err(self.unsupported(mark, what)),
            Section::Constraints | Section::Objective(_) | Section::End => {
                let message = format!(
                    "unexpected section `{text}`: the objective comes first, the constraints \
                     second, and each once"
                );
                Err(self.fault(mark, FaultKind::Syntax, message))
            }
        }
    }

    /// Parses `Problem` and the name of the model, on the same line or the next.
    fn title(&mut self) -> Result<(), ReadError> {
        let (Kind::Name(word) | Kind::Label(word)) = self.ahead.kind else { return Ok(()) };
        if !word.eq_ignore_ascii_case("problem") {
            return Ok(());
        }
        let mut name = self.lexer.line().trim();
        self.bump()?;
        if name.is_empty() && !matches!(self.ahead.kind, Kind::Section(_) | Kind::Finish) {
            name = self.lexer.line_from(self.ahead.mark).trim();
            self.lexer.line();
            self.bump()?;
        }
        self.draft.name = name;
        Ok(())
    }

    fn objective(&mut self) -> Result<(), ReadError> {
        self.title()?;
        let mark = self.ahead.mark;
        match self.ahead.kind {
            Kind::Section(Section::Objective(sense)) => self.draft.sense = sense,
            Kind::Section(Section::Unsupported(what)) => return Err(self.unsupported(mark, what)),
            Kind::Finish => {
                return Err(self.fault(mark, FaultKind::Syntax, "the file contains no model"));
            }
            // `max: 3x + 2y;` is the format of lp_solve, which is called LP too.
            Kind::Label(word) if is_sense(word) => {
                return Err(self.fault(mark, FaultKind::Syntax, LP_SOLVE));
            }
            _ => return Err(self.unexpected("`Minimize` or `Maximize`")),
        }
        self.bump()?;
        // The name of the objective has no meaning here.
        if let Kind::Label(_) = self.ahead.kind {
            self.bump()?;
        }
        let objective = self.expression(Extent::Free)?;
        if !objective.constant.is_finite() || self.draft.add_objective(&objective.terms).is_err() {
            return Err(self.fault(
                objective.mark,
                FaultKind::Invalid,
                "the objective is not finite",
            ));
        }
        self.draft.offset = objective.constant;
        Ok(())
    }

    /// Makes the checks that need the whole file.
    fn finish(mut self) -> Result<Draft<'t>, ReadError> {
        self.draft.warn_of_unmentioned();
        // Only now: bounds may follow the list in which the variable is declared semi-continuous.
        for column in &self.draft.columns {
            let Some(mark) = column.semi else { continue };
            let lower = column.lower.unwrap_or(0.0);
            let upper = column.upper.unwrap_or(f64::INFINITY);
            let wrong = if column.binary {
                "is semi-continuous and binary"
            } else if upper == f64::INFINITY {
                "is semi-continuous, and needs a finite upper bound"
            } else if lower < 0.0 {
                "is semi-continuous, and can't have a negative lower bound"
            } else {
                continue;
            };
            let message = format!("`{}` {wrong}", column.name);
            return Err(self.fault(mark, FaultKind::Invalid, message));
        }
        Ok(self.draft)
    }

    /// The next token.
    pub(super) fn ahead(&self) -> Token<'t> {
        self.ahead
    }

    /// Consumes the next token.
    pub(super) fn bump(&mut self) -> Result<(), ReadError> {
        self.ahead = self.lexer.next()?;
        Ok(())
    }

    /// Consumes and returns the next token if it is a comparison.
    pub(super) fn comparison(&mut self) -> Result<Option<Comparison>, ReadError> {
        let Kind::Compare(comparison) = self.ahead.kind else { return Ok(None) };
        self.bump()?;
        Ok(Some(comparison))
    }

    /// Fails once the draft exceeds a limit. The `terms` of the current expression are not
    /// summed by variable yet, so more of them are allowed: `max_variables` on top of
    /// `max_nonzeros`.
    pub(super) fn check_size(&self, mark: Mark, terms: usize) -> Result<(), ReadError> {
        let found = self.draft.counts();
        let unsummed = terms.saturating_sub(self.limits.max_variables);
        let found = Counts { nonzeros: found.nonzeros.max(unsummed), ..found };
        match self.limits.stop(found) {
            Some(message) => Err(self.fault(mark, FaultKind::TooLarge, message)),
            None => Ok(()),
        }
    }

    /// Whether this many new variables would exceed the limit.
    pub(super) fn may_exceed(&self, new: usize) -> bool {
        self.draft.columns.len() + new > self.limits.max_variables
    }

    /// Whether a token would open a section if it began its line.
    pub(super) fn is_keyword(&self, token: Token<'_>) -> bool {
        keyword(self.lexer.rest_from(token.mark)).is_some()
    }

    pub(super) fn fault(
        &self,
        mark: Mark,
        kind: FaultKind,
        message: impl Into<String>,
    ) -> ReadError {
        self.lexer.fault(mark, kind, message)
    }

    pub(super) fn unsupported(&self, mark: Mark, what: &str) -> ReadError {
        self.fault(mark, FaultKind::Unsupported, format!("{what} are not supported"))
    }

    /// An error for a next token that is not expected here.
    pub(super) fn unexpected(&self, expected: &str) -> ReadError {
        let Token { kind, mark, text, .. } = self.ahead;
        let found = match kind {
            Kind::Finish => "the end of the file".to_owned(),
            _ => format!("`{text}`"),
        };
        self.fault(mark, FaultKind::Syntax, format!("expected {expected}, found {found}"))
    }
}

/// Whether a word is an objective sense, which lp_solve's format has before a colon.
fn is_sense(word: &str) -> bool {
    let senses = ["max", "min", "maximize", "maximise", "minimize", "minimise"];
    senses.iter().any(|sense| word.eq_ignore_ascii_case(sense))
}
