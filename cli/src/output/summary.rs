//! The summary of a sweep, as text and as JSON.

use serde_json::{Map, Value, json};
use solvemesh_client::v1::{ScenarioExtreme, SweepSummary};

use crate::output::{
    names,
    text::{number, printable},
};

/// Formats the number of finished scenarios and, for each termination reason, its count.
pub(crate) fn line(summary: &SweepSummary) -> String {
    let SweepSummary { scenario_count, answered_count, counts, .. } = summary;
    let counts = counts
        .iter()
        .map(|it| format!("  {} {}", it.count, names::reason(it.reason()).unwrap_or("unknown")));
    format!("{answered_count} of {scenario_count} scenarios{}", counts.collect::<String>())
}

/// The summary as names and values. `parameters` formats the parameter values of a scenario, or
/// returns `None` if they are unknown.
pub(crate) fn facts(
    summary: &SweepSummary,
    parameters: impl Fn(i32) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let scenario = |index: i32, label: &str| {
        let label = if label.is_empty() { String::new() } else { format!(" ({label})") };
        let parameters = parameters(index).map(|it| format!(": {it}")).unwrap_or_default();
        printable(&format!("scenario {index}{label}{parameters}")).into_owned()
    };
    let extreme = |of: &ScenarioExtreme| {
        format!("{} in {}", number(of.objective()), scenario(of.index, &of.label))
    };
    let mut facts = vec![("answered", line(summary))];
    facts.extend(summary.best.as_ref().map(|best| ("best", extreme(best))));
    facts.extend(summary.worst.as_ref().map(|worst| ("worst", extreme(worst))));
    facts.push(("iterations", summary.iteration_count.to_string()));
    facts.extend(summary.stopped_by.map(|index| ("stopped by", scenario(index, ""))));
    facts
}

/// The value of the JSON key `sweep`.
pub(crate) fn object(summary: &SweepSummary) -> Value {
    let named = summary.counts.iter().filter_map(|it| Some((names::reason(it.reason())?, it)));
    let counts: Map<String, Value> =
        named.map(|(name, it)| (name.to_owned(), it.count.into())).collect();
    let extreme = |of: &Option<ScenarioExtreme>| {
        of.as_ref().map(|of| {
            let label = Some(&of.label).filter(|label| !label.is_empty());
            json!({"scenario": of.index, "label": label, "objective": of.objective})
        })
    };
    json!({
        "scenarios": summary.scenario_count,
        "answered": summary.answered_count,
        "counts": counts,
        "best": extreme(&summary.best),
        "worst": extreme(&summary.worst),
        "iterations": summary.iteration_count,
        "stoppedBy": summary.stopped_by,
    })
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{TerminationCount, TerminationReason};

    use super::*;

    fn summary() -> SweepSummary {
        let count =
            |reason: TerminationReason, count| TerminationCount { reason: reason.into(), count };
        let extreme = |index, label: &str, objective| ScenarioExtreme {
            index,
            label: label.into(),
            objective,
        };
        SweepSummary {
            scenario_count: 10,
            answered_count: 4,
            counts: vec![
                count(TerminationReason::Optimal, 3),
                count(TerminationReason::Infeasible, 1),
            ],
            best: Some(extreme(7, "high", Some(3600.0))),
            worst: Some(extreme(0, "", Some(1200.0))),
            iteration_count: 5,
            stopped_by: Some(7),
        }
    }

    #[test]
    fn a_summary_has_the_parameters_of_its_extremes() {
        let parameters = |index| (index == 7).then(|| "obj:Windows=500".to_owned());
        let expected = [
            ("answered", "4 of 10 scenarios  3 OPTIMAL  1 INFEASIBLE"),
            ("best", "3600 in scenario 7 (high): obj:Windows=500"),
            ("worst", "1200 in scenario 0"),
            ("iterations", "5"),
            ("stopped by", "scenario 7: obj:Windows=500"),
        ];
        let facts = facts(&summary(), parameters);
        assert_eq!(facts, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn unknown_values_are_null_in_json() {
        let expected = json!({
            "scenarios": 10,
            "answered": 4,
            "counts": {"OPTIMAL": 3, "INFEASIBLE": 1},
            "best": {"scenario": 7, "label": "high", "objective": 3600.0},
            "worst": null,
            "iterations": 5,
            "stoppedBy": 7,
        });
        assert_eq!(object(&SweepSummary { worst: None, ..summary() }), expected);
    }
}
