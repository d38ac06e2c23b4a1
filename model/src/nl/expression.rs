//! Expressions, folded into linear terms as they are read.
//!
//! The format has the linear part of a constraint or objective in a segment of its own, but some
//! writers also leave sums and products of constants and variables in its expression.

use std::collections::HashMap;

use super::{
    input::Input,
    operator::{Arity, Operator, arity},
};
use crate::{Fault, FaultKind};

/// Maximum number of operators inside of each other. Each takes memory while its arguments are
/// read.
const MAX_DEPTH: usize = 1_000_000;

/// A linear expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Linear {
    pub(super) constant: f64,
    /// Variables and their coefficients, in no order; a variable may occur more than once.
    pub(super) terms: Vec<(u32, f64)>,
}

/// An operator whose arguments are being read.
struct Frame {
    operator: Operator,
    /// The number of arguments that are still to be read.
    missing: usize,
    /// The value of the arguments so far; `None` before the first.
    value: Option<Linear>,
}

/// What expressions may refer to, and what they may cost.
pub(super) struct Expressions {
    variables: usize,
    /// The defined variables, by their index.
    defined: HashMap<usize, Linear>,
    /// How many more terms may be held at a time.
    room: usize,
    /// How many more terms may be copied or multiplied. A short file may refer to a long defined
    /// variable often, or multiply a long sum often.
    work: usize,
}

impl Linear {
    fn constant(value: f64) -> Self {
        Self { constant: value, terms: Vec::new() }
    }

    fn is_constant(&self) -> bool {
        self.terms.is_empty()
    }
}

impl Expressions {
    /// For a model with this number of variables, in a file of this length. `max_terms` is the
    /// maximum number of terms that are held at a time.
    pub(super) fn new(variables: usize, bytes: usize, max_terms: usize) -> Self {
        let work = bytes.saturating_mul(64).saturating_add(1 << 20);
        Self { variables, defined: HashMap::new(), room: max_terms, work }
    }

    /// Defines a variable that later expressions refer to: linear terms and an expression.
    pub(super) fn define(&mut self, index: usize, value: Linear) -> bool {
        self.defined.insert(index, value).is_none()
    }

    /// Gives back the room of terms that were stored elsewhere.
    pub(super) fn release(&mut self, terms: usize) {
        self.room = self.room.saturating_add(terms);
    }

    /// Takes room for terms, or fails.
    pub(super) fn hold<'a>(
        &mut self,
        input: &impl Input<'a>,
        owner: &str,
        terms: usize,
    ) -> Result<(), Fault> {
        match self.room.checked_sub(terms) {
            Some(room) => self.room = room,
            None => return Err(too_large(input, owner)),
        }
        Ok(())
    }

    /// Reads the expression of `owner`, such as `constraint 3`.
    ///
    /// # Errors
    ///
    /// If it is not linear, or if it takes too much memory or time to find out.
    pub(super) fn read<'a>(
        &mut self,
        input: &mut impl Input<'a>,
        owner: &str,
    ) -> Result<Linear, Fault> {
        let mut stack: Vec<Frame> = Vec::new();
        loop {
            let Some(mut value) = self.node(input, owner, &mut stack)? else { continue };
            // An argument may complete its operator, which then is an argument itself.
            loop {
                let Some(frame) = stack.last_mut() else { return Ok(value) };
                frame.missing -= 1;
                let (operator, last) = (frame.operator, frame.missing == 0);
                let so_far = frame.value.take();
                let sum = self.apply(input, owner, operator, so_far, value)?;
                if !last {
                    frame.value = Some(sum);
                    break;
                }
                stack.pop();
                value = sum;
            }
        }
    }

    /// Reads a node. Returns its value, or puts it on the stack if it is an operator.
    fn node<'a>(
        &mut self,
        input: &mut impl Input<'a>,
        owner: &str,
        stack: &mut Vec<Frame>,
    ) -> Result<Option<Linear>, Fault> {
        let value = match input.letter()? {
            b'n' => Linear::constant(input.real()?),
            b's' => Linear::constant(input.short()? as f64),
            b'l' => Linear::constant(input.int()? as f64),
            b'v' => self.variable(input, owner)?,
            b'o' => {
                let code = input.int()?;
                let (operator, is_list) =
                    Operator::of(code).map_err(|name| not_linear(input, owner, &name))?;
                input.end()?;
                let missing = if is_list {
                    input.begin()?;
                    let count = input.count()?;
                    input.end()?;
                    count
                } else {
                    operator.arguments()
                };
                // A sum of nothing.
                if missing == 0 {
                    return Ok(Some(Linear::default()));
                }
                if stack.len() == MAX_DEPTH {
                    return Err(too_large(input, owner));
                }
                stack.push(Frame { operator, missing, value: None });
                return Ok(None);
            }
            b'f' => return Err(not_linear(input, owner, "a call of a function")),
            b'h' => return Err(not_linear(input, owner, "a string")),
            other => {
                let other = char::from(other).escape_debug();
                let message =
                    format!("an expression has n, s, l, v or o here, not `{other}` ({owner})");
                return Err(input.fault(FaultKind::Syntax, message));
            }
        };
        if !value.constant.is_finite() {
            return Err(not_finite(input, owner));
        }
        input.end()?;
        Ok(Some(value))
    }

    fn variable<'a>(&mut self, input: &mut impl Input<'a>, owner: &str) -> Result<Linear, Fault> {
        let index = input.count()?;
        if index < self.variables {
            self.hold(input, owner, 1)?;
            // Fits: variables are counted by an int32.
            return Ok(Linear { constant: 0.0, terms: vec![(index as u32, 1.0)] });
        }
        let Some(terms) = self.defined.get(&index).map(|defined| defined.terms.len()) else {
            let message = format!("there is no variable {index} ({owner})");
            return Err(input.fault(FaultKind::Invalid, message));
        };
        self.spend(input, owner, terms)?;
        self.hold(input, owner, terms)?;
        Ok(self.defined.get(&index).cloned().unwrap_or_default())
    }

    fn spend<'a>(
        &mut self,
        input: &impl Input<'a>,
        owner: &str,
        terms: usize,
    ) -> Result<(), Fault> {
        match self.work.checked_sub(terms) {
            Some(work) => self.work = work,
            None => return Err(too_large(input, owner)),
        }
        Ok(())
    }

    /// Applies an operator to its value so far and the next argument.
    fn apply<'a>(
        &mut self,
        input: &impl Input<'a>,
        owner: &str,
        operator: Operator,
        so_far: Option<Linear>,
        next: Linear,
    ) -> Result<Linear, Fault> {
        let name = || format!("{} of variables", operator.name());
        let value = match (operator, so_far) {
            (Operator::Negate, _) => self.scale(input, owner, next, |x| -x)?,
            (Operator::Constant(function), _) => {
                if !next.is_constant() {
                    return Err(not_linear(input, owner, &name()));
                }
                Linear::constant(function.value(next.constant))
            }
            (_, None) => next,
            (Operator::Add, Some(sum)) => self.add(input, owner, sum, next)?,
            (Operator::Subtract, Some(left)) => {
                let right = self.scale(input, owner, next, |x| -x)?;
                self.add(input, owner, left, right)?
            }
            (Operator::Multiply, Some(left)) => match (left.is_constant(), next.is_constant()) {
                (true, _) => self.scale(input, owner, next, |x| left.constant * x)?,
                (_, true) => self.scale(input, owner, left, |x| x * next.constant)?,
                _ => return Err(not_linear(input, owner, "a product of variables")),
            },
            (Operator::Divide, Some(left)) if next.is_constant() => {
                self.scale(input, owner, left, |x| x / next.constant)?
            }
            (Operator::Divide, _) => {
                return Err(not_linear(input, owner, "a division by variables"));
            }
            (Operator::Power, Some(base)) => {
                if !next.is_constant() {
                    return Err(not_linear(input, owner, "a power with variables in its exponent"));
                }
                match (base.is_constant(), next.constant) {
                    (true, exponent) => Linear::constant(base.constant.powf(exponent)),
                    (_, 1.0) => base,
                    (_, 0.0) => {
                        self.release(base.terms.len());
                        Linear::constant(1.0)
                    }
                    _ => return Err(not_linear(input, owner, &name())),
                }
            }
        };
        // Coefficients are checked where they change: each argument of a long sum would look at all
        // terms so far.
        if value.constant.is_finite() { Ok(value) } else { Err(not_finite(input, owner)) }
    }

    /// Adds two expressions: the terms of the shorter one are moved.
    fn add<'a>(
        &mut self,
        input: &impl Input<'a>,
        owner: &str,
        left: Linear,
        right: Linear,
    ) -> Result<Linear, Fault> {
        let constant = left.constant + right.constant;
        let (mut long, short) = if left.terms.len() < right.terms.len() {
            (right.terms, left.terms)
        } else {
            (left.terms, right.terms)
        };
        self.spend(input, owner, short.len())?;
        long.extend(short);
        Ok(Linear { constant, terms: long })
    }

    fn scale<'a>(
        &mut self,
        input: &impl Input<'a>,
        owner: &str,
        mut value: Linear,
        by: impl Fn(f64) -> f64,
    ) -> Result<Linear, Fault> {
        self.spend(input, owner, value.terms.len())?;
        value.constant = by(value.constant);
        value.terms.iter_mut().for_each(|term| term.1 = by(term.1));
        if value.terms.iter().all(|term| term.1.is_finite()) {
            return Ok(value);
        }
        Err(not_finite(input, owner))
    }
}

fn not_linear<'a>(input: &impl Input<'a>, owner: &str, what: &str) -> Fault {
    input.fault(FaultKind::Unsupported, format!("{owner} is not linear: it has {what}"))
}

fn not_finite<'a>(input: &impl Input<'a>, owner: &str) -> Fault {
    let message = format!("the expression of {owner} has a number that is not finite");
    input.fault(FaultKind::Invalid, message)
}

fn too_large<'a>(input: &impl Input<'a>, owner: &str) -> Fault {
    let message = format!("the expression of {owner} is too large");
    input.fault(FaultKind::TooLarge, message)
}

/// Reads the expression of `owner` without its value, which may be anything.
pub(super) fn skip<'a>(input: &mut impl Input<'a>, owner: &str) -> Result<(), Fault> {
    let mut missing: usize = 1;
    while missing > 0 {
        missing -= 1;
        match input.letter()? {
            b'n' => drop(input.real()?),
            b's' => drop(input.short()?),
            b'l' | b'v' => drop(input.int()?),
            b'o' => {
                let code = input.int()?;
                let arguments = match arity(code) {
                    Some(Arity::Fixed(count)) => count,
                    Some(Arity::List) => {
                        input.end()?;
                        input.begin()?;
                        input.count()?
                    }
                    None => {
                        let message = format!("{owner} is not used, but its o{code} is unknown");
                        return Err(input.fault(FaultKind::Unsupported, message));
                    }
                };
                missing = missing.saturating_add(arguments);
            }
            b'f' => {
                input.int()?;
                missing = missing.saturating_add(input.count()?);
            }
            other => {
                let other = char::from(other).escape_debug();
                let message = format!("{owner} is not used, but its `{other}` cannot be skipped");
                return Err(input.fault(FaultKind::Unsupported, message));
            }
        }
        input.end()?;
    }
    Ok(())
}
