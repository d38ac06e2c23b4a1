use crate::{Fault, FaultKind, Faults};

/// Faults reported of one model; what is found after them is not told.
const MOST_FAULTS: usize = 100;

/// Warnings reported of one model; those after them are counted.
const MOST_WARNINGS: usize = 100;

/// Characters of one message; names and lines of a model may be of any length.
const LONGEST_MESSAGE: usize = 500;

/// A message short enough to be sent, whatever it quotes.
pub(crate) fn clip(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// What the checks of a model have found so far, in bounded memory: a message beyond
/// the bound is not even made.
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

    /// Something that makes no sense.
    pub(crate) fn fault(
        &mut self,
        field: impl FnOnce() -> String,
        message: impl FnOnce() -> String,
    ) {
        if self.faults.len() < MOST_FAULTS {
            let (field, message) = (field(), clip(message()));
            self.faults.push(Fault { field, place: None, kind: FaultKind::Invalid, message });
        }
    }

    /// Something the submitter should know.
    pub(crate) fn warn(&mut self, message: impl FnOnce() -> String) {
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(clip(message()));
        } else {
            self.more_warnings += 1;
        }
    }

    /// The warnings, if no fault was found.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, Faults> {
        if !self.faults.is_empty() {
            return Err(Faults(self.faults));
        }
        if self.more_warnings > 0 {
            self.warnings.push(format!("and {} warnings more", self.more_warnings));
        }
        Ok(self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_up_to_a_bound() {
        let mut findings = Findings::default();
        for i in 0..1000 {
            findings.fault(|| format!("f[{i}]"), || "is wrong".to_owned());
        }
        let Faults(faults) = findings.finish().unwrap_err();
        assert_eq!(faults.len(), MOST_FAULTS);
        assert_eq!(faults[0].field, "f[0]");
    }

    #[test]
    fn a_message_that_quotes_something_endless_is_clipped() {
        let mut findings = Findings::default();
        findings.fault(|| "f".to_owned(), || "ä".repeat(100_000));
        let Faults(faults) = findings.finish().unwrap_err();
        assert_eq!(faults[0].message.chars().count(), LONGEST_MESSAGE + 1);
        assert_eq!(clip("short".to_owned()), "short");
    }

    #[test]
    fn warnings_past_the_bound_are_counted() {
        let mut findings = Findings::default();
        for _ in 0..MOST_WARNINGS + 7 {
            findings.warn(|| "careful".to_owned());
        }
        let warnings = findings.finish().expect("no fault");
        assert_eq!(warnings.len(), MOST_WARNINGS + 1);
        assert_eq!(warnings[MOST_WARNINGS], "and 7 warnings more");
    }
}
