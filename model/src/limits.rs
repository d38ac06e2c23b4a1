use crate::{Fault, FaultKind, Faults};

/// How large a model may be. A model over a limit is refused with an error that names
/// the limit.
///
/// Whatever a limit says, no count passes `i32::MAX`: an index is an int32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a model's text, after unpacking.
    pub max_model_bytes: usize,
    /// Variables.
    pub max_variables: usize,
    /// Constraints.
    pub max_constraints: usize,
    /// Coefficients of the matrix, as sent (zeros count).
    pub max_nonzeros: usize,
}

impl Default for Limits {
    /// 512 MiB of text, five million variables and constraints, fifty million
    /// coefficients.
    fn default() -> Self {
        Limits {
            max_model_bytes: 512 << 20,
            max_variables: 5_000_000,
            max_constraints: 5_000_000,
            max_nonzeros: 50_000_000,
        }
    }
}

/// How many of each a model has, before anything else is known about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) variables: usize,
    pub(crate) constraints: usize,
    pub(crate) nonzeros: usize,
}

/// A count and the limit it is over.
struct Excess {
    what: &'static str,
    count: usize,
    limit: &'static str,
    most: usize,
}

impl Limits {
    /// Refuses counts over the limits, at `field`.
    pub(crate) fn check_counts(&self, field: &str, counts: Counts) -> Result<(), Faults> {
        let faults: Vec<Fault> = self
            .excesses(counts)
            .map(|Excess { count, what, limit, most }| Fault {
                field: field.to_owned(),
                place: None,
                kind: FaultKind::TooLarge,
                message: format!("has {count} {what}; the limit {limit} is {most}"),
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }

    /// Says why a reader that has found this much must stop, if it must: what a text
    /// tells in a few bytes takes a hundred in memory.
    pub(crate) fn stop(&self, found: Counts) -> Option<String> {
        self.excesses(found).next().map(|Excess { what, limit, most, .. }| {
            format!("here it has more {what} than it may; the limit {limit} is {most}")
        })
    }

    fn excesses(&self, counts: Counts) -> impl Iterator<Item = Excess> {
        [
            ("variables", counts.variables, "max_variables", self.max_variables),
            ("constraints", counts.constraints, "max_constraints", self.max_constraints),
            ("coefficients", counts.nonzeros, "max_nonzeros", self.max_nonzeros),
        ]
        .into_iter()
        .map(|(what, count, limit, most)| {
            let most = most.min(i32::MAX as usize);
            Excess { what, count, limit, most }
        })
        .filter(|excess| excess.count > excess.most)
    }

    /// Refuses a text over the limit, at `field`.
    pub(crate) fn check_bytes(&self, field: &str, bytes: usize) -> Result<(), Fault> {
        if bytes <= self.max_model_bytes {
            return Ok(());
        }
        Err(Fault {
            field: field.to_owned(),
            place: None,
            kind: FaultKind::TooLarge,
            message: format!(
                "has {bytes} bytes; the limit max_model_bytes is {}",
                self.max_model_bytes
            ),
        })
    }
}
