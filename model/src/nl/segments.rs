//! The segments of a file, by their letters.

use super::{expression::Linear, file::File, input::Input};
use crate::{Fault, FaultKind, limits::Counts};

/// Suffixes that make up SOS sets: those that users declare, and those that AMPL adds for
/// piecewise linear terms.
const SOS_SUFFIXES: [&[u8]; 4] = [b"sosno", b"ref", b"sos", b"sosref"];

/// The suffix with the basis.
const BASIS_SUFFIX: &[u8] = b"sstatus";

impl File {
    pub(super) fn segment<'a>(
        &mut self,
        letter: u8,
        input: &mut impl Input<'a>,
    ) -> Result<(), Fault> {
        match letter {
            b'C' => self.constraint(input),
            b'O' => self.objective(input),
            b'V' => self.defined_variable(input),
            b'J' => self.row(input),
            b'G' => self.gradient(input),
            b'r' => self.row_bounds(input),
            b'b' => self.variable_bounds(input),
            b'x' => self.guess(input),
            b'd' => self.dual_guess(input),
            b'k' | b'K' => column_counts(input),
            b'S' => self.suffix(input),
            b'F' => function(input),
            b'L' => Err(input
                .fault(FaultKind::Unsupported, "logical constraints are not supported".to_owned())),
            other => {
                let message = format!("unknown segment `{}`", char::from(other).escape_debug());
                Err(input.fault(FaultKind::Syntax, message))
            }
        }
    }

    /// The expression of a constraint.
    fn constraint<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let row = input.index(self.header.constraints, "constraint")?;
        input.end()?;
        once(input, &mut self.seen.expressions[row], || format!("constraint {row} has two C"))?;
        let Linear { constant, terms } =
            self.expressions.read(input, &format!("constraint {row}"))?;
        self.constants[row] = constant;
        if !terms.is_empty() {
            self.folded.insert(row, terms);
        }
        Ok(())
    }

    /// The sense and the expression of an objective.
    fn objective<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let index = input.index(self.header.objectives, "objective")?;
        let maximize = match input.int()? {
            0 => false,
            1 => true,
            other => {
                let message = format!("the sense of an objective is 0 or 1, not {other}");
                return Err(input.fault(FaultKind::Invalid, message));
            }
        };
        input.end()?;
        // Others need not be linear, but they have to be read.
        if self.objective != Some(index) {
            return super::expression::skip(input, &format!("objective {index}"));
        }
        once(input, &mut self.seen.objective, || format!("objective {index} has two O"))?;
        let Linear { constant, terms } =
            self.expressions.read(input, &format!("objective {index}"))?;
        self.maximize = maximize;
        self.cost.constant = constant;
        self.cost.terms.extend(terms);
        Ok(())
    }

    /// A variable that is defined by linear terms and an expression.
    fn defined_variable<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let index = input.count()?;
        if index < self.header.variables {
            let message = format!("variable {index} of the model cannot be defined");
            return Err(input.fault(FaultKind::Invalid, message));
        }
        let (count, _) = (input.count()?, input.int()?);
        input.end()?;
        let owner = format!("defined variable {index}");
        let mut terms = Vec::new();
        for _ in 0..count {
            terms.push(self.term(input)?);
            self.expressions.hold(input, &owner, 1)?;
        }
        let mut value = self.expressions.read(input, &owner)?;
        value.terms.extend(terms);
        if !self.expressions.define(index, value) {
            let message = format!("variable {index} is defined twice");
            return Err(input.fault(FaultKind::Invalid, message));
        }
        Ok(())
    }

    /// The linear terms of a constraint.
    fn row<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let row = input.index(self.header.constraints, "constraint")?;
        let count = input.count()?;
        input.end()?;
        let nonzeros = self.matrix.len().saturating_add(count);
        let (variables, constraints) = (self.header.variables, self.header.constraints);
        if let Some(message) = self.limits.stop(Counts { variables, constraints, nonzeros }) {
            return Err(input.fault(FaultKind::TooLarge, message));
        }
        if !self.matrix.begin(row, count) {
            let message = format!("constraint {row} has two J segments");
            return Err(input.fault(FaultKind::Invalid, message));
        }
        for _ in 0..count {
            let (column, value) = self.term(input)?;
            self.matrix.push(column, value);
        }
        Ok(())
    }

    /// The linear terms of an objective.
    fn gradient<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let index = input.index(self.header.objectives, "objective")?;
        let count = input.count()?;
        input.end()?;
        self.gradients = self.gradients.saturating_add(count);
        let chosen = self.objective == Some(index);
        if chosen {
            once(input, &mut self.seen.gradient, || format!("objective {index} has two G"))?;
        }
        for _ in 0..count {
            let term = self.term(input)?;
            if chosen {
                self.cost.terms.push(term);
            }
        }
        Ok(())
    }

    /// A variable and its coefficient.
    fn term<'a>(&self, input: &mut impl Input<'a>) -> Result<(u32, f64), Fault> {
        let entry = self.variable_value(input)?;
        if let Some(wrong) = crate::matrix::why_unusable(entry.1) {
            return Err(input.fault(FaultKind::Invalid, format!("this coefficient is {wrong}")));
        }
        Ok(entry)
    }

    /// A variable and a number.
    fn variable_value<'a>(&self, input: &mut impl Input<'a>) -> Result<(u32, f64), Fault> {
        input.begin()?;
        let column = input.index(self.header.variables, "variable")?;
        let value = input.real()?;
        input.end()?;
        // Fits: variables are counted by an int32.
        Ok((column as u32, value))
    }

    /// The initial guess.
    fn guess<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let count = input.count()?;
        input.end()?;
        once(input, &mut self.seen.guess, || "there are two x".to_owned())?;
        for _ in 0..count {
            let (column, value) = self.variable_value(input)?;
            // An infinite guess says nothing about where to begin.
            if value.is_finite() {
                self.guess.push((column, value));
            }
        }
        Ok(())
    }

    /// The initial guess of duals, which no solver here uses.
    fn dual_guess<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let count = input.count()?;
        input.end()?;
        for _ in 0..count {
            input.begin()?;
            input.index(self.header.constraints, "constraint")?;
            input.real()?;
            input.end()?;
        }
        Ok(())
    }

    /// Numbers that belong to some of the variables, constraints or objectives.
    fn suffix<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        let kind = input.int()?;
        let count = input.count()?;
        let name = input.name()?;
        input.end()?;
        let owners = match kind & 3 {
            0 => self.header.variables,
            1 => self.header.constraints,
            2 => self.header.objectives,
            _ => 1,
        };
        if !(0..8).contains(&kind) {
            return Err(input.fault(FaultKind::Invalid, format!("unknown kind of suffix {kind}")));
        }
        if count > 0 && SOS_SUFFIXES.contains(&name) {
            let name = String::from_utf8_lossy(name);
            let message = format!("SOS sets are not supported (suffix `{name}`)");
            return Err(input.fault(FaultKind::Unsupported, message));
        }
        let is_basis = name == BASIS_SUFFIX && kind < 2;
        for _ in 0..count {
            input.begin()?;
            let index = input.index(owners, "owner of a suffix with the index")?;
            let value = if kind & 4 == 0 { input.int()? as f64 } else { input.real()? };
            input.end()?;
            if is_basis {
                self.statuses.push(kind == 1, index, value);
            }
        }
        Ok(())
    }
}

/// Marks that a file has what it may have only once.
pub(super) fn once<'a>(
    input: &impl Input<'a>,
    seen: &mut bool,
    what: impl FnOnce() -> String,
) -> Result<(), Fault> {
    if std::mem::replace(seen, true) {
        return Err(input.fault(FaultKind::Invalid, format!("{} segments", what())));
    }
    Ok(())
}

/// The numbers of entries of the columns, which follow from the rows.
fn column_counts<'a>(input: &mut impl Input<'a>) -> Result<(), Fault> {
    let count = input.count()?;
    input.end()?;
    for _ in 0..count {
        input.begin()?;
        input.count()?;
        input.end()?;
    }
    Ok(())
}

/// The declaration of a function. A call of it would be an error.
fn function<'a>(input: &mut impl Input<'a>) -> Result<(), Fault> {
    for _ in 0..3 {
        input.int()?;
    }
    input.name()?;
    input.end()
}
