use std::{fmt, str::FromStr, sync::Arc};

/// A queue of jobs with workers of its own, so that a short job never waits behind
/// a long one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(Arc<str>);

impl Lane {
    /// The lane of LPs too small to take long.
    pub const EXPRESS: &str = "express";
    /// The lane of everything else.
    pub const STANDARD: &str = "standard";
    /// The lane of those workers that have CBC.
    pub const CBC: &str = "cbc";
    /// The lane of those workers that have SCIP.
    pub const SCIP: &str = "scip";

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A lane's name that can't be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a lane's name has 1 to 32 of a-z, 0-9 and '-': {0:?}")]
pub struct InvalidLane(pub String);

impl FromStr for Lane {
    type Err = InvalidLane;

    fn from_str(name: &str) -> Result<Self, InvalidLane> {
        let fits = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(name.into())) } else { Err(InvalidLane(name.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_queue_can_carry_are_lanes() {
        assert_eq!("express".parse::<Lane>().map(|l| l.to_string()), Ok("express".to_owned()));
        for bad in ["", "Express", "a b", "a.b", &"x".repeat(33)] {
            assert_eq!(bad.parse::<Lane>(), Err(InvalidLane(bad.to_owned())));
        }
    }
}
