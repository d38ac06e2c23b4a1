//! Bounds of constraints and variables.

use super::{file::File, input::Input, segments::once};
use crate::{Fault, FaultKind};

/// Lower and upper bounds.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
}

impl File {
    /// The bounds of all constraints.
    pub(super) fn row_bounds<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        input.end()?;
        once(input, &mut self.seen.rows, || "there are two r".to_owned())?;
        self.rows.read(input, self.header.constraints, "constraint")
    }

    /// The bounds of all variables.
    pub(super) fn variable_bounds<'a>(&mut self, input: &mut impl Input<'a>) -> Result<(), Fault> {
        input.end()?;
        once(input, &mut self.seen.columns, || "there are two b".to_owned())?;
        self.columns.read(input, self.header.variables, "variable")
    }
}

impl Bounds {
    fn read<'a>(
        &mut self,
        input: &mut impl Input<'a>,
        count: usize,
        what: &str,
    ) -> Result<(), Fault> {
        self.lower.reserve_exact(count);
        self.upper.reserve_exact(count);
        for index in 0..count {
            let (lower, upper) = match input.letter()? {
                b'0' => (input.real()?, input.real()?),
                b'1' => (f64::NEG_INFINITY, input.real()?),
                b'2' => (input.real()?, f64::INFINITY),
                b'3' => (f64::NEG_INFINITY, f64::INFINITY),
                b'4' => {
                    let value = input.real()?;
                    (value, value)
                }
                b'5' => {
                    let message =
                        format!("{what} {index}: complementarity constraints are not supported");
                    return Err(input.fault(FaultKind::Unsupported, message));
                }
                other => {
                    let other = char::from(other).escape_debug();
                    let message = format!(
                        "the bounds of {what} {index} begin with a digit from \
                                           0 to 5, not `{other}`"
                    );
                    return Err(input.fault(FaultKind::Syntax, message));
                }
            };
            input.end()?;
            self.lower.push(lower);
            self.upper.push(upper);
        }
        Ok(())
    }
}
