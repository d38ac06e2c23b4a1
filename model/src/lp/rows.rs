use super::expression::{Expression, Extent};
use super::lexer::{Comparison, Kind, Mark, Token};
use super::parser::Parser;
use crate::{FaultKind, normalise_infinity, reading::ReadError};

impl<'t> Parser<'t> {
    /// Parses the constraints up to the next section.
    pub(super) fn constraints(&mut self) -> Result<(), ReadError> {
        while !matches!(self.ahead().kind, Kind::Section(_) | Kind::Finish) {
            self.constraint()?;
        }
        Ok(())
    }

    fn constraint(&mut self) -> Result<(), ReadError> {
        let mark = self.ahead().mark;
        let name = self.row_name()?;
        let left = self.expression(Extent::Free)?;
        if left.empty && name.is_empty() {
            if !matches!(self.ahead().kind, Kind::Compare(_)) {
                return Err(self.unexpected("a constraint"));
            }
            let line = mark.line();
            self.draft.warnings.add(format!("line {line}: a constraint without terms"));
        }
        let sign_mark = self.ahead().mark;
        let Some(comparison) = self.comparison()? else {
            return Err(self.unexpected("`<=`, `>=` or `=` to complete the constraint"));
        };
        let row = self.right_sides(left, comparison)?;
        if self.ahead().kind == Kind::Arrow {
            return Err(self.unsupported(self.ahead().mark, "indicator constraints"));
        }
        let excludes_zero = row.lower > 0.0 || row.upper < 0.0;
        if excludes_zero && name.is_empty() && row.plus.is_empty() && row.minus.is_empty() {
            // A name shows intent. Without one, the terms were most likely forgotten.
            let message = "a constraint without a name and without terms can't exclude 0";
            return Err(self.fault(mark, FaultKind::Invalid, message));
        }
        self.add(name, row, sign_mark)
    }

    /// Parses the name of a constraint; empty if it has none.
    fn row_name(&mut self) -> Result<&'t str, ReadError> {
        let Token { kind: Kind::Label(name), mark, .. } = self.ahead() else { return Ok("") };
        self.bump()?;
        if let Err(line) = self.draft.register_row_name(name, mark) {
            let message = format!("duplicate constraint `{name}`, first defined in line {line}");
            return Err(self.fault(mark, FaultKind::Invalid, message));
        }
        Ok(name)
    }

    /// Parses what is on the right of the first comparison: a side, and for a ranged constraint a
    /// second comparison and a number.
    fn right_sides(&mut self, left: Expression, comparison: Comparison) -> Result<Row, ReadError> {
        let extent = if left.is_value() { Extent::Free } else { Extent::Line };
        let right = self.side(extent)?;
        let mark = self.ahead().mark;
        // Unless this is a ranged constraint, a comparison on a new line begins the next
        // constraint, one without terms.
        let ends = self.ahead().fresh && !left.is_value();
        let second = if ends { None } else { self.comparison()? };
        let Some(second) = second else { return Ok(Row::compare(left, comparison, right)) };
        // `1 <= x >= 2` and `x <= y <= 1` are not ranges.
        let plain = comparison == second && second != Comparison::Equal;
        if !plain || !left.is_value() {
            let message = "two comparisons make one constraint only as \
                           `number <= expression <= number`, or both `>=`";
            return Err(self.fault(mark, FaultKind::Invalid, message));
        }
        let last = self.side(Extent::Line)?;
        if !last.is_value() {
            let message = "the third part of a ranged constraint must be a number";
            return Err(self.fault(last.mark, FaultKind::Invalid, message));
        }
        Ok(Row::range(&left, comparison, right, &last))
    }

    /// Parses a side of a comparison, which must not be empty.
    fn side(&mut self, extent: Extent) -> Result<Expression, ReadError> {
        let side = self.expression(extent)?;
        if side.empty {
            return Err(self.unexpected("a number or a variable"));
        }
        Ok(side)
    }

    fn add(&mut self, name: &'t str, row: Row, mark: Mark) -> Result<(), ReadError> {
        if let Err(message) = check_bounds(row.lower, row.upper) {
            return Err(self.fault(mark, FaultKind::Invalid, message));
        }
        let terms = row.plus.into_iter();
        let terms = terms.chain(row.minus.into_iter().map(|(column, value)| (column, -value)));
        self.draft
            .add_row(name, terms, (row.lower, row.upper))
            .map_err(|_| self.fault(mark, FaultKind::Invalid, "a coefficient is not finite"))?;
        self.check_size(mark, 0)
    }
}

/// A row `lower <= plus - minus <= upper`.
struct Row {
    plus: Vec<(usize, f64)>,
    minus: Vec<(usize, f64)>,
    lower: f64,
    upper: f64,
}

impl Row {
    fn compare(left: Expression, comparison: Comparison, right: Expression) -> Row {
        // `5 >= x` is x <= 5, not -x >= -5.
        if left.terms.is_empty() && !right.terms.is_empty() {
            return Row::compare(right, reversed(comparison), left);
        }
        let bound = right.constant - left.constant;
        let (lower, upper) = limits(comparison, bound);
        Row { plus: left.terms, minus: right.terms, lower, upper }
    }

    fn range(
        first: &Expression,
        comparison: Comparison,
        middle: Expression,
        last: &Expression,
    ) -> Row {
        let ends = [first.constant - middle.constant, last.constant - middle.constant];
        let [lower, upper] = match comparison {
            Comparison::Greater => [ends[1], ends[0]],
            Comparison::Less | Comparison::Equal => ends,
        };
        Row { plus: middle.terms, minus: Vec::new(), lower, upper }
    }
}

/// The bounds of x in `x comparison bound`.
pub(super) fn limits(comparison: Comparison, bound: f64) -> (f64, f64) {
    match comparison {
        Comparison::Less => (f64::NEG_INFINITY, bound),
        Comparison::Equal => (bound, bound),
        Comparison::Greater => (bound, f64::INFINITY),
    }
}

/// The comparison with its sides exchanged.
pub(super) fn reversed(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::Equal => Comparison::Equal,
        Comparison::Greater => Comparison::Less,
    }
}

/// Rejects bounds that exclude every value: infinite in the wrong direction.
pub(super) fn check_bounds(lower: f64, upper: f64) -> Result<(), &'static str> {
    let (lower, upper) = (normalise_infinity(lower), normalise_infinity(upper));
    if lower.is_nan() || upper.is_nan() {
        Err("infinity is compared with infinity")
    } else if lower == f64::INFINITY {
        Err("a lower bound can't be infinity (1e20 and more is infinite)")
    } else if upper == f64::NEG_INFINITY {
        Err("an upper bound can't be -infinity (-1e20 and less is infinite)")
    } else {
        Ok(())
    }
}
