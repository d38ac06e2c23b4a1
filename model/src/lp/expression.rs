use super::lexer::{Kind, Mark};
use super::parser::Parser;
use crate::{FaultKind, reading::ReadError};

/// The number of names that are looked up together: enough that the lookups overlap.
const MAX_UNRESOLVED: usize = 64;

/// A sum of terms and constants.
#[derive(Debug)]
pub(super) struct Expression {
    /// Column and coefficient, as written: a column may occur more than once.
    pub(super) terms: Vec<(usize, f64)>,
    /// Infinite only if the expression is nothing but an infinity.
    pub(super) constant: f64,
    /// Whether the expression has neither terms nor constants.
    pub(super) empty: bool,
    pub(super) mark: Mark,
}

impl Expression {
    /// Whether it has constants only.
    pub(super) fn is_value(&self) -> bool {
        self.terms.is_empty() && !self.empty
    }
}

/// Where an expression ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// It continues over line breaks, as long as signs join its terms.
    Free,
    /// It ends with the line on which its last complete term ends: `x >= 1` and, on the next
    /// line, `-y >= 2` are two constraints.
    Line,
}

impl<'t> Parser<'t> {
    /// Parses an expression, which may be empty.
    pub(super) fn expression(&mut self, extent: Extent) -> Result<Expression, ReadError> {
        let mark = self.ahead().mark;
        let mut sum = Expression { terms: Vec::new(), constant: 0.0, empty: true, mark };
        loop {
            let token = self.ahead();
            match token.kind {
                Kind::Sign(_) if sum.empty || extent == Extent::Free || !token.fresh => {}
                Kind::Name(_) | Kind::Number(_) | Kind::Infinity if sum.empty => {}
                Kind::Name(_) | Kind::Number(_) | Kind::Infinity if !token.fresh => {
                    return Err(self.missing_operator());
                }
                Kind::Symbol(_) => return Err(self.not_linear()),
                _ => {
                    self.draft.resolve(&mut sum.terms);
                    return Ok(sum);
                }
            }
            self.operand(extent, &mut sum)?;
        }
    }

    /// Parses signs, and the term or constant after them.
    fn operand(&mut self, extent: Extent, sum: &mut Expression) -> Result<(), ReadError> {
        let sign = self.signs()?;
        let token = self.ahead();
        // A sum of infinities would have no value, or hide the finite terms.
        let alone = std::mem::replace(&mut sum.empty, false);
        if !sum.constant.is_finite() || (token.kind == Kind::Infinity && !alone) {
            return Err(self.fault(
                token.mark,
                FaultKind::Invalid,
                "an infinity can only be a whole side of a comparison",
            ));
        }
        match token.kind {
            Kind::Name(name) => {
                self.bump()?;
                self.term(name, sign, sum);
            }
            Kind::Infinity => {
                self.bump()?;
                sum.constant = sign * f64::INFINITY;
            }
            Kind::Number(number) => {
                self.bump()?;
                match self.factor(extent)? {
                    Some(name) => self.term(name, sign * number, sum),
                    None => sum.constant += sign * number,
                }
            }
            Kind::Symbol(_) => return Err(self.not_linear()),
            _ => return Err(self.unexpected("a number or a variable")),
        }
        // Whether a name is a new variable is known only when it has been looked up.
        if self.may_exceed(self.draft.unresolved()) {
            self.draft.resolve(&mut sum.terms);
        }
        self.check_size(token.mark, sum.terms.len())
    }

    /// Adds a term. It is not summed by variable yet: that is done once per row, in `Draft`.
    fn term(&mut self, name: &'t str, coefficient: f64, sum: &mut Expression) {
        sum.terms.push((0, coefficient));
        self.draft.add_unresolved(name);
        if self.draft.unresolved() == MAX_UNRESOLVED {
            self.draft.resolve(&mut sum.terms);
        }
    }

    /// Parses any number of signs, and returns their product.
    pub(super) fn signs(&mut self) -> Result<f64, ReadError> {
        let mut product = 1.0;
        while let Kind::Sign(sign) = self.ahead().kind {
            product *= sign;
            self.bump()?;
        }
        Ok(product)
    }

    /// Parses the variable after a number, if the number is a coefficient and not a constant.
    fn factor(&mut self, extent: Extent) -> Result<Option<&'t str>, ReadError> {
        let times = self.ahead().kind == Kind::Symbol('*');
        if times {
            self.bump()?;
        }
        let token = self.ahead();
        match token.kind {
            Kind::Name(name) if times || extent == Extent::Free || !token.fresh => {
                self.bump()?;
                Ok(Some(name))
            }
            Kind::Infinity if times || !token.fresh => Err(self.fault(
                token.mark,
                FaultKind::Invalid,
                "an infinity can't be multiplied, and can't be a name",
            )),
            _ if times => Err(self.unexpected("a variable")),
            _ => Ok(None),
        }
    }

    /// An error for two operands without an operator between them.
    fn missing_operator(&self) -> ReadError {
        let token = self.ahead();
        let message = if self.is_keyword(token) {
            format!("`{}` opens a section only at the beginning of a line", token.text)
        } else {
            format!("`+` or `-` is missing before `{}`", token.text)
        };
        self.fault(token.mark, FaultKind::Syntax, message)
    }

    /// An error for a symbol that a linear expression cannot have.
    fn not_linear(&self) -> ReadError {
        let token = self.ahead();
        let (kind, message) = match token.kind {
            Kind::Symbol('/') => (FaultKind::Syntax, "division is not part of the format"),
            Kind::Symbol(']') => (FaultKind::Syntax, "there is no `[` before the `]`"),
            _ => (FaultKind::Unsupported, "quadratic terms are not supported"),
        };
        self.fault(token.mark, kind, message)
    }
}
