//! Findings: as aligned lines for people, or as JSON, one object on a line.

use std::io::{self, Write};

use crate::{
    doctor::finding::{Finding, Severity, counted},
    output::{json::write_line, text::printable},
};

/// Writes findings as lines of severity, subject and message, each with a second line if there is
/// something to do, and their numbers at the end.
pub(crate) fn write_text(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let widths = findings.iter().map(|finding| printable(&finding.subject).chars().count());
    let width = widths.max().unwrap_or(0);
    for finding in findings {
        let (severity, subject) = (finding.severity.name(), printable(&finding.subject));
        writeln!(out, "{severity:7}  {subject:width$}  {}", printable(&finding.message))?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "{:7}  {:width$}  → {}", "", "", printable(advice))?;
        }
    }
    let number = |severity| {
        let found = findings.iter().filter(|finding| finding.severity == severity).count();
        i64::try_from(found).unwrap_or(i64::MAX)
    };
    let (errors, warnings) = (number(Severity::Error), number(Severity::Warning));
    writeln!(out, "\n{}, {}", counted(errors, "error"), counted(warnings, "warning"))
}

/// Writes findings as JSON, one object on a line.
pub(crate) fn write_json(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    findings.iter().try_for_each(|finding| write_line(out, finding))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn findings() -> [Finding; 2] {
        [
            Finding::error("lane-workers", "lane standard", "no worker", "start one"),
            Finding::ok("clocks", "cl\nocks", "they agree"),
        ]
    }

    #[test]
    fn lines_are_aligned_and_have_no_control_characters() {
        let mut out = Vec::new();
        write_text(&mut out, &findings()).unwrap();
        let expected = "\
error    lane standard  no worker
                        → start one
ok       cl\\nocks       they agree

1 error, 0 warnings
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn json_has_an_object_for_each_finding() {
        let mut out = Vec::new();
        write_json(&mut out, &findings()).unwrap();
        let expected = concat!(
            r#"{"severity":"error","check":"lane-workers","subject":"lane standard","#,
            r#""message":"no worker","advice":"start one"}"#,
            "\n",
            r#"{"severity":"ok","check":"clocks","subject":"cl\nocks","#,
            r#""message":"they agree","advice":null}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
