//! Proofs that a model has no solution (infeasible) or no optimum (unbounded), as text and as
//! JSON. The JSON also has the report on the start, and the basis.

use serde_json::{Map, Value, json};
use solvemesh_client::v1::{BoundSide, SolveResult, SubsetBound};

use crate::{args::start_solution, output::text::number};

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
        format!("{what} {} {relation} {}", of.name, number(of.bound()))
    };
    let constraints = subset.constraints.iter().map(|of| line("constraint", of));
    constraints.chain(subset.variables.iter().map(|of| line("variable", of))).collect()
}

/// The JSON keys that only some results have, with their values.
pub(crate) fn keys(result: &SolveResult) -> Vec<(&'static str, Value)> {
    let mut keys = Vec::new();
    if let Some(proof) = &result.infeasibility_proof {
        let multipliers = by_name(&proof.constraint_names, &proof.multipliers);
        let (distance, verified) = (proof.distance, proof.verified);
        let proof = json!({"multipliers": multipliers, "distance": distance, "verified": verified});
        keys.push(("infeasibilityProof", proof));
    }
    if let Some(subset) = &result.infeasible_subset {
        let bounds = |bounds: &[SubsetBound]| bounds.iter().map(bound).collect::<Vec<_>>();
        let subset = json!({
            "constraints": bounds(&subset.constraints),
            "variables": bounds(&subset.variables),
            "irreducible": subset.irreducible,
            "verified": subset.verified,
        });
        keys.push(("infeasibleSubset", subset));
    }
    if let Some(ray) = &result.unbounded_ray {
        let steps = by_name(&ray.variable_names, &ray.values);
        let ray = json!({"steps": steps, "rate": ray.rate, "verified": ray.verified});
        keys.push(("unboundedRay", ray));
    }
    if let Some(start) = &result.start_report {
        let status = start.status().as_str_name();
        let status = status.trim_start_matches("START_STATUS_");
        let (detail, objective) = (&start.detail, start.objective);
        let start = json!({"status": status, "detail": detail, "objective": objective});
        keys.push(("start", start));
    }
    if let Some(basis) = &result.basis {
        let names = |of: &[i32]| of.iter().map(|&of| start_solution::name(of)).collect::<Vec<_>>();
        let basis = json!({
            "variables": names(&basis.variables),
            "constraints": names(&basis.constraints),
        });
        keys.push(("basis", basis));
    }
    keys
}

fn by_name(names: &[String], numbers: &[f64]) -> Map<String, Value> {
    names.iter().zip(numbers).map(|(name, number)| (name.clone(), json!(number))).collect()
}

fn bound(of: &SubsetBound) -> Value {
    let side = if of.side() == BoundSide::Upper { "UPPER" } else { "LOWER" };
    json!({"name": of.name, "side": side, "bound": of.bound})
}

#[cfg(test)]
mod tests {
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
    fn json_has_keys_only_for_proofs_that_exist() {
        let keys_of =
            |result: &SolveResult| keys(result).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys_of(&infeasible()), ["infeasibilityProof", "infeasibleSubset"]);
        let subset = &keys(&infeasible())[1].1;
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
