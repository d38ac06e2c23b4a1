//! The operators of expressions that can be linear, and the names of the others.

/// An operator whose value can be linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// A sum of two, or of any number.
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Negate,
    /// A function, of constants only.
    Constant(Function),
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Floor,
    Ceil,
    Abs,
    Sqrt,
    Log,
    Log10,
    Exp,
}

/// The code of the sum of any number of arguments.
const SUM: i64 = 54;

impl Operator {
    /// The operator with this code; the name of one that is never linear.
    pub(super) fn of(code: i64) -> Result<(Self, bool), String> {
        let operator = match code {
            0 | SUM => Self::Add,
            1 => Self::Subtract,
            2 => Self::Multiply,
            3 => Self::Divide,
            5 => Self::Power,
            13 => Self::Constant(Function::Floor),
            14 => Self::Constant(Function::Ceil),
            15 => Self::Constant(Function::Abs),
            16 => Self::Negate,
            39 => Self::Constant(Function::Sqrt),
            42 => Self::Constant(Function::Log10),
            43 => Self::Constant(Function::Log),
            44 => Self::Constant(Function::Exp),
            other => return Err(format!("o{other} ({})", name_of(other))),
        };
        Ok((operator, code == SUM))
    }

    /// The number of arguments of an operator that is not a sum of any number.
    pub(super) fn arguments(self) -> usize {
        match self {
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Power => 2,
            Self::Negate | Self::Constant(_) => 1,
        }
    }

    /// The name, for errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => "a sum",
            Self::Subtract => "a difference",
            Self::Multiply => "a product",
            Self::Divide => "a division",
            Self::Power => "a power",
            Self::Negate => "a negation",
            Self::Constant(function) => function.name(),
        }
    }
}

impl Function {
    pub(super) fn value(self, x: f64) -> f64 {
        match self {
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Abs => x.abs(),
            Self::Sqrt => x.sqrt(),
            Self::Log => x.ln(),
            Self::Log10 => x.log10(),
            Self::Exp => x.exp(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::Abs => "abs",
            Self::Sqrt => "sqrt",
            Self::Log => "log",
            Self::Log10 => "log10",
            Self::Exp => "exp",
        }
    }
}

/// The number of arguments of any operator; `None` if it is not known, or not only expressions.
pub(super) fn arity(code: i64) -> Option<Arity> {
    Some(match code {
        11 | 12 | SUM | 59..=61 | 70 | 71 | 74 => Arity::List,
        35 | 65 | 72 => Arity::Fixed(3),
        0..=6 | 20..=24 | 28..=30 | 48 | 55..=58 | 73 => Arity::Fixed(2),
        13..=16 | 34 | 37..=47 | 49..=53 => Arity::Fixed(1),
        _ => return None,
    })
}

/// How many arguments an operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    Fixed(usize),
    /// Their number follows the operator.
    List,
}

/// What other codes mean (D. M. Gay, "Writing .nl Files", table 6).
fn name_of(code: i64) -> &'static str {
    match code {
        4 => "rem",
        6 => "less",
        11 => "min",
        12 => "max",
        20 => "or",
        21 => "and",
        22 => "lt",
        23 => "le",
        24 => "eq",
        28 => "ge",
        29 => "gt",
        30 => "ne",
        34 => "not",
        35 => "if",
        37 => "tanh",
        38 => "tan",
        40 => "sinh",
        41 => "sin",
        45 => "cosh",
        46 => "cos",
        47 => "atanh",
        48 => "atan2",
        49 => "atan",
        50 => "asinh",
        51 => "asin",
        52 => "acosh",
        53 => "acos",
        55 => "div",
        56 => "precision",
        57 => "round",
        58 => "trunc",
        59 => "count",
        60 => "number of",
        64 => "a piecewise linear term",
        65 => "if with strings",
        70 => "and over a list",
        71 => "or over a list",
        72 => "implies",
        73 => "if and only if",
        74 => "alldiff",
        _ => "an unknown operator",
    }
}
