use std::{fmt, str::FromStr, sync::Arc};

/// The name of a queue of jobs. Each lane has its own slots in the workers, so that a short job
/// never waits behind a long one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(Arc<str>);

impl Lane {
    /// The lane of LPs that are small enough to be solved quickly.
    pub const EXPRESS: &str = "express";
    /// The lane of all other jobs.
    pub const STANDARD: &str = "standard";
    /// The lane of jobs for CBC, served by workers that are built with it.
    pub const CBC: &str = "cbc";
    /// The lane of jobs for SCIP, served by workers that are built with it.
    pub const SCIP: &str = "scip";

    /// The lane [`EXPRESS`](Self::EXPRESS).
    pub fn express() -> Self {
        Self(Self::EXPRESS.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a valid lane name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid lane name {0:?}: allowed are 1 to 32 characters of a-z, 0-9 and '-'")]
pub struct InvalidLane(pub String);

impl FromStr for Lane {
    type Err = InvalidLane;

    fn from_str(name: &str) -> Result<Self, InvalidLane> {
        let valid = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if valid { Ok(Self(name.into())) } else { Err(InvalidLane(name.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_names_are_parsed() {
        assert_eq!("express".parse::<Lane>().map(|l| l.to_string()), Ok("express".to_owned()));
        for bad in ["", "Express", "a b", "a.b", &"x".repeat(33)] {
            assert_eq!(bad.parse::<Lane>(), Err(InvalidLane(bad.to_owned())));
        }
    }
}
