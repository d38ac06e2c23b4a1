//! Judges a solver's claim by evidence from outside of the solver: a pure function of the claim
//! and the evidence. A job reports OPTIMAL, INFEASIBLE or UNBOUNDED only if this module accepts
//! the claim.

use solvemesh::v1::{LinearModel, SolveOptions, TerminationReason as Reason};
use solvemesh_model::{
    Domain, NEGLIGIBLE, dropped_entry, is_linear_program,
    verify::{
        Check,
        claim::{self, Gaps},
    },
};

/// Relative difference up to which the bound of an LP is reported as equal to its objective. The
/// duals, from which the bound is computed, are exact to about as many digits.
const BOUND_TOLERANCE: f64 = 1e-9;

/// The raw option of HiGHS for the largest absolute value of coefficients that it drops.
const SMALL_MATRIX_VALUE: &str = "small_matrix_value";

/// The options of a solve by which its claims are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tolerances {
    gaps: Gaps,
    /// The solver drops coefficients up to this absolute value.
    dropped: f64,
}

impl Tolerances {
    /// Takes them from the options of a job.
    pub(crate) fn of(options: &SolveOptions) -> Self {
        let requested = options.solver_options.get(SMALL_MATRIX_VALUE);
        let requested = requested.and_then(|text| text.parse().ok());
        Self { gaps: Gaps::of(options), dropped: requested.unwrap_or(NEGLIGIBLE) }
    }
}

impl Default for Tolerances {
    fn default() -> Self {
        Self::of(&SolveOptions::default())
    }
}

/// The evidence for a claim, from outside of the solver.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence<'a> {
    /// The check of the solution that came with it.
    pub(crate) check: Option<&'a Check>,
    /// The bound that the solver claims.
    pub(crate) bound: Option<f64>,
    /// Whether a proof of infeasibility is verified.
    pub(crate) infeasible: bool,
    /// Whether a ray, a direction that improves the objective without limit, is verified.
    pub(crate) ray: bool,
}

/// What is reported to the submitter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// The termination reason.
    pub(crate) reason: Reason,
    /// The bound.
    pub(crate) bound: Option<f64>,
    /// Why the claim was not accepted, as a warning for the submitter; `None` if it was.
    pub(crate) objection: Option<String>,
}

/// Judges a claim about a model in normal form.
pub(crate) fn judge(
    model: &LinearModel,
    claimed: Reason,
    evidence: Evidence<'_>,
    tolerances: Tolerances,
) -> Verdict {
    let accepted = Verdict { reason: claimed, bound: evidence.bound, objection: None };
    match claimed {
        Reason::Optimal => judge_optimum(model, evidence, tolerances, accepted),
        Reason::Feasible => match evidence.check {
            Some(check) if !check.acceptable => {
                let rejection = claim::Rejection::Violation(check.worst_violation());
                accepted.with_objection(
                    Reason::Imprecise,
                    format!("the solver accepts its solution; {rejection}"),
                )
            }
            _ => accepted,
        },
        Reason::Infeasible if evidence.infeasible => accepted,
        Reason::Infeasible if evidence.check.is_some_and(|check| check.acceptable) => {
            let why = "the solver calls the model infeasible, but has found a solution";
            accepted.with_objection(Reason::Imprecise, why.to_owned())
        }
        Reason::Infeasible if is_linear_program(model) => {
            let why = "the solver calls the model infeasible, but no proof of it could be verified";
            accepted.with_objection(Reason::Imprecise, why.to_owned())
        }
        // With integers there is no certificate that could be checked. The claim is accepted,
        // unless the solver has solved another model.
        Reason::Infeasible => match dropped_coefficient(model, tolerances) {
            Some(why) => {
                let why = format!("the solver calls the model infeasible, but {why}");
                accepted.with_objection(Reason::Imprecise, why)
            }
            None => accepted,
        },
        Reason::Unbounded => judge_unbounded(model, evidence, accepted),
        _ => accepted,
    }
}

impl Verdict {
    /// Replaces the claimed reason, with an objection.
    fn with_objection(self, reason: Reason, objection: String) -> Self {
        Self { reason, objection: Some(objection), ..self }
    }
}

fn judge_optimum(
    model: &LinearModel,
    evidence: Evidence<'_>,
    tolerances: Tolerances,
    mut accepted: Verdict,
) -> Verdict {
    let Some(check) = evidence.check else {
        let why = "the solver claims an optimum but reported no solution".to_owned();
        return accepted.with_objection(Reason::Imprecise, why);
    };
    let lp = is_linear_program(model);
    if lp {
        // Computed from the duals; the solver's own bound proves nothing.
        accepted.bound = check.bound.map(|bound| {
            let scale = bound.abs().max(check.objective.abs());
            let is_equal = (bound - check.objective).abs() <= BOUND_TOLERANCE * scale;
            if is_equal { check.objective } else { bound }
        });
    }
    if let Some(rejection) = claim::why_rejected(model, check, accepted.bound, tolerances.gaps) {
        let why = format!("the solver calls its solution optimal; {rejection}");
        return accepted.with_objection(Reason::Imprecise, why);
    }
    // For an LP, the check of the duals has covered every coefficient, dropped ones too.
    match dropped_coefficient(model, tolerances).filter(|_| !lp) {
        Some(why) => {
            let why = format!("the solver calls its solution optimal, but {why}");
            accepted.with_objection(Reason::Imprecise, why)
        }
        None => accepted,
    }
}

/// Describes a coefficient that the solver has dropped although it matters, if there is one: the
/// solver has then solved another model than the one submitted.
fn dropped_coefficient(model: &LinearModel, tolerances: Tolerances) -> Option<String> {
    let (row, column) = dropped_entry(model, tolerances.dropped)?;
    let name = |names: &[String], index: usize| names.get(index).cloned().unwrap_or_default();
    let row = name(&model.constraint_names, row);
    let column = name(&model.variable_names, column);
    Some(format!("it leaves out the coefficient of variable `{column}` in constraint `{row}`"))
}

fn judge_unbounded(model: &LinearModel, evidence: Evidence<'_>, accepted: Verdict) -> Verdict {
    // UNBOUNDED requires both: a ray, and a solution from which to follow it.
    let feasible = evidence.check.is_some_and(|check| check.acceptable);
    let bounded = || {
        (0..model.variable_lower.len()).all(|column| {
            let (lower, upper) = Domain::of(model, column).hull();
            lower.is_finite() && upper.is_finite()
        })
    };
    let claim = "the solver calls the model unbounded, but ";
    match (evidence.ray, feasible) {
        (true, true) => accepted,
        (true, false) => {
            let why = format!("{claim}no solution of it is known");
            accepted.with_objection(Reason::InfeasibleOrUnbounded, why)
        }
        (false, _) if bounded() => accepted
            .with_objection(Reason::Imprecise, format!("{claim}every variable has finite bounds")),
        (false, _) => {
            let why = format!("{claim}no ray that proves it could be verified");
            accepted.with_objection(Reason::InfeasibleOrUnbounded, why)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::VariableKind;
    use solvemesh_model::verify::{Candidate, verify};

    use super::*;

    /// Minimise x in [1, upper], with a coefficient of it in a free row.
    fn model(kind: VariableKind, upper: f64, coefficient: f64) -> LinearModel {
        LinearModel {
            objective: vec![1.0],
            variable_lower: vec![1.0],
            variable_upper: vec![upper],
            variable_kinds: vec![kind.into()],
            variable_names: vec!["x".to_owned()],
            constraint_lower: vec![f64::NEG_INFINITY],
            constraint_upper: vec![f64::INFINITY],
            constraint_names: vec!["c".to_owned()],
            row_starts: vec![0, 1],
            column_indices: vec![0],
            coefficients: vec![coefficient],
            ..LinearModel::default()
        }
    }

    fn lp() -> LinearModel {
        model(VariableKind::Continuous, 9.0, 1.0)
    }

    fn mip() -> LinearModel {
        model(VariableKind::Integer, 9.0, 1.0)
    }

    fn check(model: &LinearModel, value: f64, duals: Option<f64>) -> Check {
        let reduced_costs: Vec<f64> = duals.into_iter().collect();
        let duals = vec![0.0; reduced_costs.len()];
        let candidate =
            Candidate { values: &[value], duals: &duals, reduced_costs: &reduced_costs };
        verify(model, candidate).unwrap()
    }

    fn verdict(model: &LinearModel, claimed: Reason, evidence: Evidence<'_>) -> Verdict {
        judge(model, claimed, evidence, Tolerances::default())
    }

    #[test]
    fn an_optimum_of_an_lp_is_proven_by_its_duals() {
        let (best, poor) = (check(&lp(), 1.0, Some(1.0)), check(&lp(), 2.0, Some(1.0)));
        let bare = check(&lp(), 1.0, None);
        let of = |check| Evidence { check: Some(check), bound: Some(1.0), ..Default::default() };
        let proven = verdict(&lp(), Reason::Optimal, of(&best));
        assert_eq!((proven.reason, proven.bound), (Reason::Optimal, Some(1.0)));
        for check in [&poor, &bare] {
            let verdict = verdict(&lp(), Reason::Optimal, of(check));
            assert_eq!(verdict.reason, Reason::Imprecise, "{verdict:?}");
        }
    }

    #[test]
    fn an_optimum_of_a_mip_is_within_the_gaps_of_its_bound() {
        let found = check(&mip(), 2.0, None);
        let of = |bound| Evidence { check: Some(&found), bound, ..Default::default() };
        assert_eq!(verdict(&mip(), Reason::Optimal, of(Some(2.0))).reason, Reason::Optimal);
        let wrong = verdict(&mip(), Reason::Optimal, of(Some(1.0)));
        assert_eq!((wrong.reason, wrong.bound), (Reason::Imprecise, Some(1.0)));
        let objection = wrong.objection.unwrap();
        assert!(objection.contains("objective is 2") && objection.contains("is 1"), "{objection}");
        assert_eq!(verdict(&mip(), Reason::Optimal, of(None)).reason, Reason::Imprecise);
        let options = SolveOptions { relative_gap: Some(0.5), ..SolveOptions::default() };
        let wide = judge(&mip(), Reason::Optimal, of(Some(1.0)), Tolerances::of(&options));
        assert_eq!(wide.reason, Reason::Optimal);
    }

    #[test]
    fn an_optimum_without_a_solution_is_imprecise() {
        let verdict = verdict(&mip(), Reason::Optimal, Evidence::default());
        assert_eq!(verdict.reason, Reason::Imprecise);
    }

    #[test]
    fn an_optimum_of_a_mip_with_a_dropped_coefficient_is_imprecise() {
        for (coefficient, upper, expected) in [
            (1e-13, f64::INFINITY, Reason::Imprecise),
            (1e-13, 9.0, Reason::Optimal),
            (1e-11, f64::INFINITY, Reason::Optimal),
        ] {
            let mut model = model(VariableKind::Integer, upper, coefficient);
            let found = check(&model, 1.0, None);
            let evidence = Evidence { check: Some(&found), bound: Some(1.0), ..Default::default() };
            // A dropped coefficient in a free row does not matter.
            assert_eq!(verdict(&model, Reason::Optimal, evidence).reason, Reason::Optimal);
            model.constraint_lower[0] = -1.0;
            let verdict = verdict(&model, Reason::Optimal, evidence);
            assert_eq!(verdict.reason, expected, "{coefficient:e} {upper}");
            assert!(verdict.objection.is_none_or(|why| why.contains("`x`") && why.contains("`c`")));
        }
    }

    #[test]
    fn infeasible_needs_a_proof_for_lps_only() {
        let proven = Evidence { infeasible: true, ..Evidence::default() };
        assert_eq!(verdict(&lp(), Reason::Infeasible, proven).reason, Reason::Infeasible);
        let bare = Evidence::default();
        assert_eq!(verdict(&lp(), Reason::Infeasible, bare).reason, Reason::Imprecise);
        assert_eq!(verdict(&mip(), Reason::Infeasible, bare).reason, Reason::Infeasible);
    }

    #[test]
    fn unbounded_needs_a_solution_and_a_ray() {
        let open = model(VariableKind::Continuous, f64::INFINITY, 1.0);
        let place = check(&open, 1.0, None);
        let nowhere = check(&open, 0.0, None);
        for (ray, check, expected) in [
            (true, Some(&place), Reason::Unbounded),
            (true, Some(&nowhere), Reason::InfeasibleOrUnbounded),
            (true, None, Reason::InfeasibleOrUnbounded),
            (false, Some(&place), Reason::InfeasibleOrUnbounded),
        ] {
            let evidence = Evidence { ray, check, ..Evidence::default() };
            assert_eq!(verdict(&open, Reason::Unbounded, evidence).reason, expected);
        }
        let verdict = verdict(&lp(), Reason::Unbounded, Evidence::default());
        assert_eq!(verdict.reason, Reason::Imprecise, "every variable is bounded");
    }

    #[test]
    fn feasible_needs_no_bound_but_an_acceptable_solution() {
        let (good, bad) = (check(&mip(), 2.0, None), check(&mip(), 2.5, None));
        for (check, expected) in [(&good, Reason::Feasible), (&bad, Reason::Imprecise)] {
            let evidence = Evidence { check: Some(check), ..Evidence::default() };
            assert_eq!(verdict(&mip(), Reason::Feasible, evidence).reason, expected);
        }
    }
}
