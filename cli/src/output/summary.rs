//! The summary of a sweep, as text and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use solvemesh_client::v1::{ScenarioExtreme, SweepSummary};

use crate::output::{
    names,
    text::{number, printable},
};

/// The value of the JSON key `sweep`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'a> {
    answered: i32,
    best: Option<Extreme<'a>>,
    /// The number of scenarios for each termination reason.
    counts: BTreeMap<&'static str, i32>,
    iterations: i64,
    scenarios: i32,
    stopped_by: Option<i32>,
    worst: Option<Extreme<'a>>,
}

#[derive(Serialize)]
struct Extreme<'a> {
    label: Option<&'a str>,
    objective: Option<f64>,
    scenario: i32,
}

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

/// Builds the value of the JSON key `sweep`.
pub(crate) fn object(summary: &SweepSummary) -> Object<'_> {
    let named = summary.counts.iter().filter_map(|it| Some((names::reason(it.reason())?, it)));
    Object {
        answered: summary.answered_count,
        best: summary.best.as_ref().map(extreme),
        counts: named.map(|(name, it)| (name, it.count)).collect(),
        iterations: summary.iteration_count,
        scenarios: summary.scenario_count,
        stopped_by: summary.stopped_by,
        worst: summary.worst.as_ref().map(extreme),
    }
}

fn extreme(of: &ScenarioExtreme) -> Extreme<'_> {
    let label = Some(of.label.as_str()).filter(|label| !label.is_empty());
    Extreme { label, objective: of.objective, scenario: of.index }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
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
        let summary = SweepSummary { worst: None, ..summary() };
        assert_eq!(json!(object(&summary)), expected);
    }
}
