use std::fmt;

/// A position in a text. Lines and columns count from 1; columns count characters, not
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The class of an error in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The text cannot be parsed.
    Syntax,
    /// The model can be parsed, but its content is invalid.
    Invalid,
    /// The model is valid, but uses a feature that is not supported.
    Unsupported,
    /// The model exceeds a limit.
    TooLarge,
}

/// One error in a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the invalid field, below the request's `model`: `lp`, `file`,
    /// `linear.variable_lower[3]`, `named.constraints[2].terms[0].variable`.
    pub field: String,
    /// The position of the error, if the model is a text.
    pub place: Option<Place>,
    /// The class of the error.
    pub kind: FaultKind,
    /// Human-readable description, without the field and the position.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why a model is rejected: the errors that were found in it, up to a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);
