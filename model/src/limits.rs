use crate::{Fault, FaultKind, Faults};

/// Limits on the size of a model. A model over a limit is rejected with an error that
/// names the limit.
///
/// Whatever the limits are, no count exceeds `i32::MAX`: an index is an int32 in the
/// protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a model's text, in bytes after unpacking.
    pub max_model_bytes: usize,
    /// Maximum number of variables.
    pub max_variables: usize,
    /// Maximum number of constraints.
    pub max_constraints: usize,
    /// Maximum number of coefficients of the matrix, as sent (zeros count).
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

/// The size of a model, or of the part that has been read so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) variables: usize,
    pub(crate) constraints: usize,
    pub(crate) nonzeros: usize,
}

/// A count that exceeds its limit.
struct ExceededLimit {
    what: &'static str,
    count: usize,
    limit: &'static str,
    max: usize,
}

impl Limits {
    /// Returns an error at `field` for each count over its limit.
    pub(crate) fn check_counts(&self, field: &str, counts: Counts) -> Result<(), Faults> {
        let faults: Vec<Fault> = self
            .exceeded_limits(counts)
            .map(|ExceededLimit { count, what, limit, max }| Fault {
                field: field.to_owned(),
                place: None,
                kind: FaultKind::TooLarge,
                message: format!("has {count} {what}; the limit {limit} is {max}"),
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }

    /// Returns the message with which a text reader must stop, if what it has read so far
    /// exceeds a limit. Readers check this while they read, because the text is bounded in
    /// bytes, and a few bytes of it can take a hundred in memory.
    #[inline]
    pub(crate) fn stop(&self, found: Counts) -> Option<String> {
        // The usual case first, which is checked for every line or term of a text.
        let within = |count: usize, max: usize| count <= max.min(i32::MAX as usize);
        if within(found.variables, self.max_variables)
            && within(found.constraints, self.max_constraints)
            && within(found.nonzeros, self.max_nonzeros)
        {
            return None;
        }
        self.exceeded_limits(found).next().map(|ExceededLimit { what, limit, max, .. }| {
            format!("the model has too many {what}; the limit {limit} is {max}")
        })
    }

    fn exceeded_limits(&self, counts: Counts) -> impl Iterator<Item = ExceededLimit> {
        [
            ("variables", counts.variables, "max_variables", self.max_variables),
            ("constraints", counts.constraints, "max_constraints", self.max_constraints),
            ("coefficients", counts.nonzeros, "max_nonzeros", self.max_nonzeros),
        ]
        .into_iter()
        .map(|(what, count, limit, max)| {
            // Whatever is configured: an index is an int32 in the protocol.
            let max = max.min(i32::MAX as usize);
            ExceededLimit { what, count, limit, max }
        })
        .filter(|exceeded| exceeded.count > exceeded.max)
    }

    /// Returns an error at `field` for a text longer than the limit.
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
