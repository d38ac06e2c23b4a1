//! A finding: what was seen, how bad it is, and what to do.

use serde::Serialize;

/// How bad a finding is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Something does not work.
    Error,
    /// Something may stop working, or work worse than it could.
    Warning,
    /// As it should be.
    Ok,
}

impl Severity {
    /// Its name, as in the JSON output.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Ok => "ok",
        }
    }
}

/// A finding. The keys of the JSON output are its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The stable name of what was checked, for programs.
    pub(crate) check: &'static str,
    /// What it is about, such as `lane standard`.
    pub(crate) subject: String,
    /// What was seen: one sentence with the values.
    pub(crate) message: String,
    /// What to do. `None` if nothing.
    pub(crate) advice: Option<String>,
}

impl Finding {
    /// Something that does not work.
    pub(crate) fn error(
        check: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (subject, message) = (subject.into(), message.into());
        Self { severity: Severity::Error, check, subject, message, advice: Some(advice.into()) }
    }

    /// Something that may stop working, or work worse than it could.
    pub(crate) fn warning(
        check: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(check, subject, message, advice) }
    }

    /// Something that is as it should be.
    pub(crate) fn ok(
        check: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Ok, advice: None, ..Self::error(check, subject, message, "") }
    }
}

/// A number with its noun: `1 job`, `2 jobs`.
pub(crate) fn counted(number: impl Into<i64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}
