use super::draft::Column;
use super::lexer::{Comparison, Kind, Mark, Token};
use super::parser::Parser;
use super::rows::{check_bounds, limits, reversed};
use crate::normalise_infinity;
use crate::{FaultKind, reading::ReadError};

impl<'t> Parser<'t> {
    /// Parses bounds up to the next section. Line breaks have no meaning here: several bounds
    /// may share a line, and one may span several lines.
    pub(super) fn bounds(&mut self) -> Result<(), ReadError> {
        let mut warned = false;
        while !matches!(self.ahead().kind, Kind::Section(_) | Kind::Finish) {
            self.bound()?;
            let next = self.ahead();
            if !warned && !next.fresh && next.kind != Kind::Finish {
                warned = true;
                let line = next.mark.line();
                self.draft.warnings.add(format!("line {line}: several bounds on one line"));
            }
        }
        Ok(())
    }

    fn bound(&mut self) -> Result<(), ReadError> {
        if let Kind::Name(_) = self.ahead().kind {
            let variable = self.variable()?;
            let next = self.ahead();
            // At the start of a line, `free` is the name of a variable.
            if !next.fresh
                && matches!(next.kind, Kind::Name(word) if word.eq_ignore_ascii_case("free"))
            {
                self.bump()?;
                self.set(variable, next.mark, Some(f64::NEG_INFINITY), Some(f64::INFINITY));
                return Ok(());
            }
            let comparison = self.compared()?;
            let value = self.value()?;
            return self.limit(variable, next.mark, comparison, value);
        }

        let value = self.value()?;
        let mark = self.ahead().mark;
        let comparison = self.compared()?;
        let variable = self.variable()?;
        self.limit(variable, mark, reversed(comparison), value)?;
        let mark = self.ahead().mark;
        if let Some(second) = self.comparison()? {
            if second != comparison || second == Comparison::Equal {
                let message = "the two comparisons of a bound must point the same way";
                return Err(self.fault(mark, FaultKind::Invalid, message));
            }
            let value = self.value()?;
            self.limit(variable, mark, second, value)?;
        }
        Ok(())
    }

    /// Parses a list of variables up to the next section, and calls `act` for each.
    pub(super) fn variable_list(
        &mut self,
        mut act: impl FnMut(&mut Column<'t>, Mark),
    ) -> Result<(), ReadError> {
        while !matches!(self.ahead().kind, Kind::Section(_) | Kind::Finish) {
            let mark = self.ahead().mark;
            let variable = self.variable()?;
            act(&mut self.draft.columns[variable], mark);
        }
        Ok(())
    }

    /// Parses the name of a variable, which may occur here for the first time.
    fn variable(&mut self) -> Result<usize, ReadError> {
        let Token { kind, mark, text, .. } = self.ahead();
        let Kind::Name(name) = kind else { return Err(self.unexpected("a variable")) };
        // Most likely a keyword that is not at the start of its line. A variable of that name must
        // have occurred before.
        if self.draft.find(name).is_none() && self.is_keyword(self.ahead()) {
            let message = format!("`{text}` opens a section only at the beginning of a line");
            return Err(self.fault(mark, FaultKind::Invalid, message));
        }
        let variable = self.draft.column_outside_rows(name, mark);
        // A list can declare new variables, so its length is limited too.
        self.check_size(mark, 0)?;
        self.bump()?;
        Ok(variable)
    }

    fn compared(&mut self) -> Result<Comparison, ReadError> {
        match self.comparison()? {
            Some(comparison) => Ok(comparison),
            None => Err(self.unexpected("`<=`, `>=` or `=`")),
        }
    }

    /// Parses a number or an infinity, with its signs.
    fn value(&mut self) -> Result<f64, ReadError> {
        let sign = self.signs()?;
        let value = match self.ahead().kind {
            Kind::Number(value) => value,
            Kind::Infinity => f64::INFINITY,
            _ => return Err(self.unexpected("a number")),
        };
        self.bump()?;
        Ok(normalise_infinity(sign * value))
    }

    /// Applies the bound `variable comparison value`.
    fn limit(
        &mut self,
        variable: usize,
        mark: Mark,
        comparison: Comparison,
        value: f64,
    ) -> Result<(), ReadError> {
        let (lower, upper) = limits(comparison, value);
        if let Err(message) = check_bounds(lower, upper) {
            return Err(self.fault(mark, FaultKind::Invalid, message));
        }
        self.set(
            variable,
            mark,
            (comparison != Comparison::Less).then_some(lower),
            (comparison != Comparison::Greater).then_some(upper),
        );
        Ok(())
    }

    /// Sets the bounds that are given. A later bound replaces an earlier one, with a warning.
    fn set(&mut self, variable: usize, mark: Mark, lower: Option<f64>, upper: Option<f64>) {
        let column = &mut self.draft.columns[variable];
        let replaced = [
            ("lower", lower.and_then(|bound| Some((column.lower.replace(bound)?, bound)))),
            ("upper", upper.and_then(|bound| Some((column.upper.replace(bound)?, bound)))),
        ];
        for (side, change) in replaced {
            if let Some((before, now)) = change.filter(|(before, now)| before != now) {
                self.draft.warnings.add(format!(
                    "line {}: the {side} bound of `{}` was {before}, and is now {now}; the last \
                     one counts",
                    mark.line(),
                    column.name,
                ));
            }
        }
    }
}
