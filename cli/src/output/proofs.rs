//! Proofs that a model has no solution (infeasible) or no optimum (unbounded), as text and as
//! JSON. The JSON also has the report on the start, and the basis.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;
use solvemesh_client::v1::{BoundSide, SolveResult, SubsetBound};

use crate::{args::start_solution, output::text::number};

/// The JSON keys that only some results have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Keys<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    infeasibility_proof: Option<Infeasibility<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    infeasible_subset: Option<Subset<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unbounded_ray: Option<Ray<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Start<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<Statuses>,
}

#[derive(Serialize)]
struct Infeasibility<'a> {
    distance: Option<f64>,
    multipliers: BTreeMap<Cow<'a, str>, f64>,
    verified: bool,
}

#[derive(Serialize)]
struct Subset<'a> {
    constraints: Vec<Bound<'a>>,
    irreducible: bool,
    variables: Vec<Bound<'a>>,
    verified: bool,
}

#[derive(Serialize)]
struct Bound<'a> {
    bound: Option<f64>,
    name: Cow<'a, str>,
    side: &'static str,
}

#[derive(Serialize)]
struct Ray<'a> {
    rate: Option<f64>,
    steps: BTreeMap<Cow<'a, str>, f64>,
    verified: bool,
}

/// The report on the start.
#[derive(Serialize)]
struct Start<'a> {
    detail: &'a str,
    objective: Option<f64>,
    status: &'static str,
}

/// The statuses of a basis.
#[derive(Serialize)]
struct Statuses {
    constraints: Vec<&'static str>,
    variables: Vec<&'static str>,
}

/// Summaries of the proofs, as names and values.
pub(crate) fn facts(result: &SolveResult) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(proof) = &result.infeasibility_proof {
        let of = match (proof.multipliers.len(), proof.verified) {
            (0, false) => "none: the solver's claim is not proven".to_owned(),
            // Bounds contradict each other without multipliers, as in 3 <= x <= 2.
            (0, true) => "trivial, verified".to_owned(),
            (count, verified) => format!("of {count} constraints, {}", checked(verified)),
        };
        facts.push(("proof", of));
    }
    if let Some(subset) = &result.infeasible_subset {
        let count = subset.constraints.len() + subset.variables.len();
        let minimal = if subset.irreducible { "irreducible" } else { "maybe not irreducible" };
        facts.push(("subset", format!("{count} bounds, {minimal}, {}", checked(subset.verified))));
    }
    if let Some(ray) = &result.unbounded_ray {
        let count = ray.values.len();
        facts.push(("ray", format!("of {count} variables, {}", checked(ray.verified))));
    }
    facts
}

fn checked(verified: bool) -> &'static str {
    if verified { "verified" } else { "not verified" }
}

/// The conflicting bounds of an infeasible subset, one per line.
pub(crate) fn lines(result: &SolveResult) -> Vec<String> {
    let Some(subset) = &result.infeasible_subset else { return Vec::new() };
    let line = |what: &str, of: &SubsetBound| {
        let relation = if of.side() == BoundSide::Upper { "<=" } else { ">=" };
        format!("{what} {} {relation} {}", subset_name(of), number(of.bound()))
    };
    let constraints = subset.constraints.iter().map(|of| line("constraint", of));
    constraints.chain(subset.variables.iter().map(|of| line("variable", of))).collect()
}

/// Builds the JSON keys that only some results have.
pub(crate) fn keys(result: &SolveResult) -> Keys<'_> {
    Keys {
        infeasibility_proof: result.infeasibility_proof.as_ref().map(|proof| Infeasibility {
            distance: proof.distance,
            multipliers: by_name(
                &proof.constraint_names,
                &proof.constraint_indices,
                &proof.multipliers,
            ),
            verified: proof.verified,
        }),
        infeasible_subset: result.infeasible_subset.as_ref().map(|subset| Subset {
            constraints: subset.constraints.iter().map(bound).collect(),
            irreducible: subset.irreducible,
            variables: subset.variables.iter().map(bound).collect(),
            verified: subset.verified,
        }),
        unbounded_ray: result.unbounded_ray.as_ref().map(|ray| Ray {
            rate: ray.rate,
            steps: by_name(&ray.variable_names, &ray.variable_indices, &ray.values),
            verified: ray.verified,
        }),
        start: result.start_report.as_ref().map(|start| Start {
            detail: &start.detail,
            objective: start.objective,
            status: start.status().as_str_name().trim_start_matches("START_STATUS_"),
        }),
        basis: result.basis.as_ref().map(|basis| Statuses {
            constraints: statuses(&basis.constraints),
            variables: statuses(&basis.variables),
        }),
    }
}

/// Numbers by name or, if the result has no names, by `#` and the index.
fn by_name<'a>(
    names: &'a [String],
    indices: &[i32],
    numbers: &[f64],
) -> BTreeMap<Cow<'a, str>, f64> {
    let key = |position: usize| match (names.get(position), indices.get(position)) {
        (Some(name), _) => Cow::Borrowed(name.as_str()),
        (None, Some(index)) => Cow::Owned(format!("#{index}")),
        (None, None) => Cow::Owned(format!("#{position}")),
    };
    numbers.iter().enumerate().map(|(position, &number)| (key(position), number)).collect()
}

/// The name of a constraint or variable in a subset, or `#` and its index.
fn subset_name(of: &SubsetBound) -> Cow<'_, str> {
    if of.name.is_empty() { format!("#{}", of.index).into() } else { of.name.as_str().into() }
}

fn bound(of: &SubsetBound) -> Bound<'_> {
    let side = if of.side() == BoundSide::Upper { "UPPER" } else { "LOWER" };
    Bound { bound: of.bound, name: subset_name(of), side }
}

fn statuses(of: &[i32]) -> Vec<&'static str> {
    of.iter().map(|&status| start_solution::name(status)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};
    use solvemesh_client::v1::{InfeasibilityProof, InfeasibleSubset, UnboundedRay};

    use super::*;

    fn infeasible() -> SolveResult {
        let bound = |name: &str, side: BoundSide, bound| SubsetBound {
            index: 0,
            name: name.into(),
            side: side.into(),
            bound,
        };
        SolveResult {
            infeasibility_proof: Some(InfeasibilityProof {
                constraint_indices: vec![4],
                constraint_names: vec!["demand".into()],
                multipliers: vec![1.0],
                distance: Some(0.5),
                verified: true,
            }),
            infeasible_subset: Some(InfeasibleSubset {
                constraints: vec![bound("demand", BoundSide::Lower, Some(3.0))],
                variables: vec![bound("x", BoundSide::Upper, Some(2.0))],
                irreducible: true,
                verified: true,
            }),
            ..SolveResult::default()
        }
    }

    #[test]
    fn a_subset_is_listed_bound_by_bound() {
        let facts: Vec<_> = facts(&infeasible()).into_iter().map(|(_, fact)| fact).collect();
        assert_eq!(facts, ["of 1 constraints, verified", "2 bounds, irreducible, verified"]);
        assert_eq!(lines(&infeasible()), ["constraint demand >= 3", "variable x <= 2"]);
    }

    #[test]
    fn without_names_there_are_indices() {
        let mut result = infeasible();
        result.infeasibility_proof.as_mut().unwrap().constraint_names.clear();
        let subset = result.infeasible_subset.as_mut().unwrap();
        subset.constraints[0].name.clear();
        let index = subset.constraints[0].index;
        assert_eq!(lines(&result)[0], format!("constraint #{index} >= 3"));
        let object = json!(keys(&result));
        assert_eq!(object["infeasibilityProof"]["multipliers"], json!({"#4": 1.0}));
        let name = &object["infeasibleSubset"]["constraints"][0]["name"];
        assert_eq!(*name, json!(format!("#{index}")));
    }

    #[test]
    fn json_has_keys_only_for_proofs_that_exist() {
        let object = |result: &SolveResult| json!(keys(result));
        let keys_of = |result: &SolveResult| match object(result) {
            Value::Object(object) => object.into_iter().map(|(key, _)| key).collect(),
            _ => Vec::new(),
        };
        assert_eq!(keys_of(&infeasible()), ["infeasibilityProof", "infeasibleSubset"]);
        let subset = &object(&infeasible())["infeasibleSubset"];
        assert_eq!(subset["variables"][0], json!({"name": "x", "side": "UPPER", "bound": 2.0}));
        let ray = UnboundedRay {
            variable_names: vec!["x".into()],
            values: vec![1.0],
            ..UnboundedRay::default()
        };
        let unbounded = SolveResult { unbounded_ray: Some(ray), ..SolveResult::default() };
        assert_eq!(keys_of(&unbounded), ["unboundedRay"]);
        assert!(keys_of(&SolveResult::default()).is_empty());
    }
}
