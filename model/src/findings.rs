use crate::{Fault, FaultKind, Faults};

/// Maximum number of errors reported for one model; further ones are dropped.
const MAX_FAULTS: usize = 100;

/// Maximum number of warnings reported for one model; further ones are only counted.
const MAX_WARNINGS: usize = 100;

/// Maximum length of a message, in characters. Messages quote names and lines of the
/// model, which may be of any length.
const MAX_MESSAGE_CHARS: usize = 500;

/// Truncates a message to the maximum length.
pub(crate) fn truncate_message(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// The errors and warnings found so far in a model, in bounded memory. Messages are
/// closures, so that those beyond the bounds are not even formatted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    faults: Vec<Fault>,
    warnings: Vec<String>,
    more_warnings: usize,
}

impl Findings {
    pub(crate) fn with_warnings(warnings: Vec<String>) -> Self {
        let mut findings = Findings::default();
        for warning in warnings {
            findings.warn(|| warning);
        }
        findings
    }

    /// Records an error.
    pub(crate) fn fault(
        &mut self,
        field: impl FnOnce() -> String,
        message: impl FnOnce() -> String,
    ) {
        if self.faults.len() < MAX_FAULTS {
            let (field, message) = (field(), truncate_message(message()));
            self.faults.push(Fault { field, place: None, kind: FaultKind::Invalid, message });
        }
    }

    /// Records a warning for the submitter.
    pub(crate) fn warn(&mut self, message: impl FnOnce() -> String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(truncate_message(message()));
        } else {
            self.more_warnings += 1;
        }
    }

    /// Returns the warnings, or the errors if there are any.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, Faults> {
        if !self.faults.is_empty() {
            return Err(Faults(self.faults));
        }
        if self.more_warnings > 0 {
            self.warnings.push(format!("and {} more warnings", self.more_warnings));
        }
        Ok(self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_reported_up_to_a_bound() {
        let mut findings = Findings::default();
        for i in 0..1000 {
            findings.fault(|| format!("f[{i}]"), || "is wrong".to_owned());
        }
        let Faults(faults) = findings.finish().unwrap_err();
        assert_eq!(faults.len(), MAX_FAULTS);
        assert_eq!(faults[0].field, "f[0]");
    }

    #[test]
    fn long_messages_are_truncated() {
        let mut findings = Findings::default();
        findings.fault(|| "f".to_owned(), || "ä".repeat(100_000));
        let Faults(faults) = findings.finish().unwrap_err();
        assert_eq!(faults[0].message.chars().count(), MAX_MESSAGE_CHARS + 1);
        assert_eq!(truncate_message("short".to_owned()), "short");
    }

    #[test]
    fn warnings_past_the_bound_are_counted() {
        let mut findings = Findings::default();
        for _ in 0..MAX_WARNINGS + 7 {
            findings.warn(|| "careful".to_owned());
        }
        let warnings = findings.finish().expect("no fault");
        assert_eq!(warnings.len(), MAX_WARNINGS + 1);
        assert_eq!(warnings[MAX_WARNINGS], "and 7 more warnings");
    }
}
