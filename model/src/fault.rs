use std::fmt;

/// Where in a text something stands. Both count from 1; columns count characters.
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

/// What kind of fault a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A text that can't be read.
    Syntax,
    /// It can be read, and makes no sense.
    Invalid,
    /// It makes sense, and we don't solve it.
    Unsupported,
    /// It is over a limit.
    TooLarge,
}

/// One fault of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field at fault, from the request's `model` on: `lp`, `file`,
    /// `linear.variable_lower[3]`, `named.constraints[2].terms[0].variable`.
    pub field: String,
    /// Where in the text, if it is one.
    pub place: Option<Place>,
    /// What kind of fault.
    pub kind: FaultKind,
    /// What is wrong, for people; without the field and the place.
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

/// A model that can't be accepted: everything that was found wrong with it, up to a
/// bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);
