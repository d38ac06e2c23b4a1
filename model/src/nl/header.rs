//! The first ten lines of an NL file, which are text in both forms.

use super::input::{Input, Text};
use crate::{Fault, FaultKind, Limits, limits::Counts};

/// Maximum number of options in the first line, as in the AMPL solver library.
const MAX_OPTIONS: i64 = 9;

/// Maximum number of numbers in a line.
const MAX_NUMBERS: usize = 16;

/// What the header says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Header {
    /// The name of the problem; empty if the file has none.
    pub(super) name: String,
    /// The options, without their number; an answer repeats them.
    pub(super) options: Vec<i64>,
    /// A tolerance that follows the options if the second of them is 3.
    pub(super) tolerance: Option<f64>,
    pub(super) is_binary: bool,
    /// Whether the numbers of a binary file have their highest byte first.
    pub(super) big_endian: bool,
    pub(super) variables: usize,
    pub(super) constraints: usize,
    pub(super) objectives: usize,
    /// The number of variables that are nonlinear in constraints, in objectives, and in both.
    pub(super) nonlinear: [usize; 3],
    /// The number of integer variables among those that are nonlinear in both, in constraints
    /// only, and in objectives only.
    pub(super) nonlinear_integers: [usize; 3],
    pub(super) binaries: usize,
    pub(super) integers: usize,
    /// The number of entries of all J segments.
    pub(super) nonzeros: usize,
    /// The number of entries of all G segments.
    pub(super) gradients: usize,
}

impl Header {
    /// Reads the header, and leaves `text` behind it.
    pub(super) fn read(text: &mut Text<'_>, bytes: usize, limits: &Limits) -> Result<Self, Fault> {
        let mut header = Self::default();
        header.first_line(text)?;
        let [variables, constraints, objectives, _, _, logical] = numbers(text, 3)?;
        if logical > 0 {
            return Err(unsupported(text, "logical constraints"));
        }
        (header.variables, header.constraints, header.objectives) =
            (variables, constraints, objectives);
        header.check_counts(text, bytes, limits)?;
        text.next_line();
        // Nonlinear constraints and objectives may be linear all the same: only what is in their
        // expressions counts.
        let [_, _, linear, nonlinear] = numbers(text, 2)?;
        if linear > 0 || nonlinear > 0 {
            return Err(unsupported(text, "complementarity constraints"));
        }
        text.next_line();
        // Network constraints are like others in everything but their name.
        let [_, _] = numbers(text, 2)?;
        text.next_line();
        header.nonlinear = numbers(text, 2)?;
        text.next_line();
        let [_, _, arithmetic, _] = numbers(text, 2)?;
        if header.is_binary {
            header.big_endian = match arithmetic {
                // 0 is what some writers put on machines that have their lowest byte first.
                0 | 1 => false,
                2 => true,
                other => {
                    let message = format!(
                        "numbers of the kind {other} are not supported: only 1 \
                                           (lowest byte first) and 2 (highest byte first) are"
                    );
                    return Err(text.fault(FaultKind::Unsupported, message));
                }
            };
        }
        text.next_line();
        let [binaries, integers, both, constraint, objective] = numbers(text, 2)?;
        (header.binaries, header.integers) = (binaries, integers);
        header.nonlinear_integers = [both, constraint, objective];
        header.check_kinds(text)?;
        text.next_line();
        [header.nonzeros, header.gradients] = numbers(text, 2)?;
        text.next_line();
        // The lengths of names, and the numbers of defined variables.
        for _ in 0..2 {
            let [] = numbers(text, 2)?;
            text.next_line();
        }
        Ok(header)
    }

    /// `g3 1 1 0 # problem NAME`: the form, the number of options, and the options.
    fn first_line(&mut self, text: &mut Text<'_>) -> Result<(), Fault> {
        self.is_binary = match text.segment() {
            Some(b'g') => false,
            Some(b'b') => true,
            _ => {
                let message = "an NL file begins with `g` or `b` and a number".to_owned();
                return Err(text.fault(FaultKind::Syntax, message));
            }
        };
        let count = if text.is_at_end_of_line() { 0 } else { text.int()? };
        if !(0..=MAX_OPTIONS).contains(&count) {
            let message = format!("there are 0 to {MAX_OPTIONS} options, not {count}");
            return Err(text.fault(FaultKind::Invalid, message));
        }
        for _ in 0..count {
            self.options.push(text.int()?);
        }
        if self.options.get(1) == Some(&3) {
            self.tolerance = Some(text.real()?);
        }
        text.end()?;
        let comment = String::from_utf8_lossy(text.comment());
        let name = comment.strip_prefix("problem ").unwrap_or_default().trim();
        // What writers put that have no name.
        if name != "unknown" {
            self.name = name.to_owned();
        }
        text.next_line();
        Ok(())
    }

    /// Rejects counts that are over a limit, or that the file is too short for: arrays of these
    /// lengths follow.
    fn check_counts(&self, text: &Text<'_>, bytes: usize, limits: &Limits) -> Result<(), Fault> {
        let (variables, constraints) = (self.variables, self.constraints);
        if let Some(message) = limits.stop(Counts { variables, constraints, nonzeros: 0 }) {
            return Err(text.fault(FaultKind::TooLarge, message));
        }
        // Each of them has bounds, which take at least a byte.
        if variables.saturating_add(constraints) > bytes {
            let message = format!(
                "the header announces {variables} variables and {constraints} constraints, more \
                 than {bytes} bytes can hold: the file may be truncated"
            );
            return Err(text.fault(FaultKind::Invalid, message));
        }
        Ok(())
    }

    /// Rejects counts of kinds of variables that exceed the number of variables.
    fn check_kinds(&self, text: &Text<'_>) -> Result<(), Fault> {
        let [constraints, objectives, both] = self.nonlinear;
        let [in_both, in_constraints, in_objectives] = self.nonlinear_integers;
        let ends = constraints.max(objectives);
        let linear = self.binaries.checked_add(self.integers);
        let fits = linear.is_some_and(|linear| linear <= self.variables.saturating_sub(ends))
            && ends <= self.variables
            && both <= constraints
            && in_both <= both
            && in_constraints <= constraints.saturating_sub(both)
            && in_objectives <= objectives.saturating_sub(constraints);
        if fits {
            return Ok(());
        }
        let message = "the numbers of binary, integer and nonlinear variables do not fit together";
        Err(text.fault(FaultKind::Invalid, message.to_owned()))
    }

    /// Whether each variable is an integer. The format sorts variables: those that are nonlinear
    /// in both constraints and objectives come first, then those in constraints only, in
    /// objectives only, and in neither; each of these groups has its integers at its end.
    pub(super) fn is_integer(&self, variable: usize) -> bool {
        let [constraints, objectives, both] = self.nonlinear;
        let [in_both, in_constraints, in_objectives] = self.nonlinear_integers;
        let (end, integers) = if variable < both {
            (both, in_both)
        } else if variable < constraints {
            (constraints, in_constraints)
        } else if variable < objectives {
            (objectives, in_objectives)
        } else {
            (self.variables, self.binaries + self.integers)
        };
        variable >= end - integers
    }
}

/// The numbers of a line, the first of which are required; the others are 0 if they are absent.
/// Further ones are ignored: later versions of the format append to the lines.
fn numbers<const N: usize>(text: &mut Text<'_>, required: usize) -> Result<[usize; N], Fault> {
    let mut numbers = [0; N];
    for position in 0..MAX_NUMBERS {
        if position >= required && text.is_at_end_of_line() {
            break;
        }
        let number = text.count()?;
        if let Some(slot) = numbers.get_mut(position) {
            *slot = number;
        }
    }
    text.end()?;
    Ok(numbers)
}

fn unsupported(text: &Text<'_>, what: &str) -> Fault {
    text.fault(FaultKind::Unsupported, format!("{what} are not supported"))
}
