//! Compares ranges with their definition, by solves inside and outside of them.

use solvemesh::{
    solver::v1::Outcome,
    v1::{BasisStatus, LinearModel, ObjectiveSense, SolveOptions, TerminationReason as Reason},
};

use solvemesh_testkit::models::instance;

use super::{assert_close, reason, solve, solve_with, termination};
use crate::samples::wyndor;

const INF: f64 = f64::INFINITY;
/// Maximum number of columns, and of rows, of a model that are moved.
const MAX_MOVED: usize = 12;

fn wanted() -> SolveOptions {
    SolveOptions { return_sensitivity: true, return_basis: true, ..SolveOptions::default() }
}

/// A number that is moved, the rate at which the optimum changes with it, and its range.
#[derive(Clone, Copy, Debug)]
struct Mover {
    at: f64,
    rate: f64,
    lower: f64,
    upper: f64,
}

/// Counts of solves with a number inside or outside of its range.
#[derive(Debug, Default)]
struct Count {
    inside: usize,
    outside: usize,
    /// Those outside whose optimum is not the predicted one, or that have none.
    changed: usize,
}

impl Mover {
    /// Moves the number to both sides, inside and outside of its range. The optimum of a minimum
    /// is concave in a cost and convex in a bound; `bend` is the sign of its curvature.
    fn check(
        self,
        name: &str,
        objective: f64,
        bend: f64,
        count: &mut Count,
        moved: impl Fn(f64) -> Outcome,
    ) {
        let predicted = |to: f64| objective + self.rate * (to - self.at);
        let tolerance = |to: f64| 1e-6 * (1.0 + objective.abs().max(predicted(to).abs()));
        for end in [self.lower, self.upper] {
            let direction = if end == self.lower { -1.0 } else { 1.0 };
            let inside = match end.is_finite() {
                true => self.at + 0.9 * (end - self.at),
                false => self.at + direction * (1.0 + self.at.abs()),
            };
            let outcome = moved(inside);
            assert_eq!(reason(&outcome), Reason::Optimal, "{name}: {self:?} at {inside}");
            let found = termination(&outcome).objective.unwrap();
            let off = (found - predicted(inside)).abs();
            assert!(off <= tolerance(inside), "{name}: {self:?}: {found} at {inside}");
            count.inside += 1;
            if !end.is_finite() {
                continue;
            }
            let outside = end + direction * 0.1 * (1.0 + end.abs());
            let outcome = moved(outside);
            count.outside += 1;
            let Some(found) = termination(&outcome).objective else {
                count.changed += 1;
                continue;
            };
            let bent = (found - predicted(outside)) * bend;
            assert!(bent >= -tolerance(outside), "{name}: {self:?}: {found} at {outside}");
            count.changed += usize::from(bent > tolerance(outside));
        }
    }
}

/// The status of a variable or row that is at a bound.
fn status_at_bound(status: i32) -> Option<BasisStatus> {
    BasisStatus::try_from(status)
        .ok()
        .filter(|status| matches!(status, BasisStatus::Lower | BasisStatus::Upper))
}

/// Moves the bound that a variable or row is at; both, if they are equal.
fn move_bound(lower: &mut f64, upper: &mut f64, status: BasisStatus, to: f64) {
    let both = lower == upper;
    if both || status == BasisStatus::Lower {
        *lower = to;
    }
    if both || status == BasisStatus::Upper {
        *upper = to;
    }
}

fn sample(count: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(count.div_ceil(MAX_MOVED).max(1))
}

/// Checks costs, bounds and right-hand sides.
fn check(name: &str, model: &LinearModel) -> [Count; 3] {
    let outcome = solve_with(model.clone(), wanted());
    assert_eq!(reason(&outcome), Reason::Optimal, "{name}");
    let objective = termination(&outcome).objective.unwrap();
    let ranges = outcome.ranges.as_ref().unwrap_or_else(|| panic!("{name}: no ranges"));
    let basis = outcome.result.as_ref().unwrap().basis.clone().unwrap();
    let sign = if model.sense() == ObjectiveSense::Maximize { -1.0 } else { 1.0 };
    let [mut costs, mut bounds, mut rows] = <[Count; 3]>::default();
    for column in sample(model.objective.len()) {
        let (at, rate) = (model.objective[column], outcome.values[column]);
        let (lower, upper) = (ranges.cost_lower[column], ranges.cost_upper[column]);
        assert!(lower <= at + 1e-7 && upper >= at - 1e-7, "{name}: {at} in {lower}, {upper}");
        let mover = Mover { at, rate, lower: lower.min(at), upper: upper.max(at) };
        mover.check(&format!("{name}, cost {column}"), objective, -sign, &mut costs, |to| {
            let mut model = model.clone();
            model.objective[column] = to;
            solve(model)
        });
        let Some(status) = status_at_bound(basis.variables[column]) else {
            assert!(ranges.bound_lower[column] > ranges.bound_upper[column]);
            continue;
        };
        let (at, rate) = (outcome.values[column], outcome.reduced_costs[column]);
        let (lower, upper) = (ranges.bound_lower[column], ranges.bound_upper[column]);
        let mover = Mover { at, rate, lower: lower.min(at), upper: upper.max(at) };
        mover.check(&format!("{name}, bound {column}"), objective, sign, &mut bounds, |to| {
            let mut model = model.clone();
            let bounds = (&mut model.variable_lower[column], &mut model.variable_upper[column]);
            move_bound(bounds.0, bounds.1, status, to);
            solve(model)
        });
    }
    for row in sample(model.constraint_lower.len()) {
        let Some(status) = status_at_bound(basis.constraints[row]) else {
            assert!(ranges.row_lower[row] > ranges.row_upper[row]);
            continue;
        };
        let upper_holds = status == BasisStatus::Upper;
        let at =
            if upper_holds { model.constraint_upper[row] } else { model.constraint_lower[row] };
        let (lower, upper) = (ranges.row_lower[row].min(at), ranges.row_upper[row].max(at));
        let mover = Mover { at, rate: outcome.duals[row], lower, upper };
        mover.check(&format!("{name}, row {row}"), objective, sign, &mut rows, |to| {
            let mut model = model.clone();
            let bounds = (&mut model.constraint_lower[row], &mut model.constraint_upper[row]);
            move_bound(bounds.0, bounds.1, status, to);
            solve(model)
        });
    }
    [costs, bounds, rows]
}

#[test]
fn ranges_of_wyndor_are_those_of_the_textbook() {
    let outcome = solve_with(wyndor(), wanted());
    let ranges = outcome.ranges.unwrap();
    assert_close(&ranges.cost_lower, &[0.0, 200.0]);
    assert_close(&ranges.cost_upper[..1], &[750.0]);
    assert_eq!(ranges.cost_upper[1], INF);
    // The first plant has time to spare; both products are made.
    assert_close(&ranges.row_lower[1..], &[6.0, 12.0]);
    assert_close(&ranges.row_upper[1..], &[18.0, 24.0]);
    assert!(ranges.row_lower[0] > ranges.row_upper[0]);
    assert!(ranges.bound_lower[0] > ranges.bound_upper[0]);
    check("wyndor", &wyndor());
}

#[test]
fn ranges_of_public_lps_predict_the_optimum() {
    let names =
        ["afiro", "adlittle", "blend", "kb2", "recipe", "stocfor1", "israel", "boeing2", "scsd1"];
    let [mut costs, mut bounds, mut rows] = <[Count; 3]>::default();
    for name in names {
        let Some(model) = instance(&format!("lp/{name}.mps")) else { return };
        let counts = check(name, &model);
        eprintln!("{name}: {counts:?}");
        for (sum, count) in [&mut costs, &mut bounds, &mut rows].into_iter().zip(counts) {
            sum.inside += count.inside;
            sum.outside += count.outside;
            sum.changed += count.changed;
        }
    }
    // A degenerate optimum may stay optimal outside of the range of its basis.
    for count in [costs, bounds, rows] {
        assert!(count.changed * 2 > count.outside, "{count:?}");
    }
}

#[test]
fn ranges_are_returned_on_request_after_any_method_or_a_warning_says_why_not() {
    assert_eq!(solve(wyndor()).ranges, None);
    for method in ["ipm", "pdlp"] {
        let solver_options = [("solver", method), ("run_crossover", "off")];
        let solver_options =
            solver_options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let outcome = solve_with(wyndor(), SolveOptions { solver_options, ..wanted() });
        assert_close(&outcome.values, &[2.0, 6.0]);
        assert_close(&outcome.ranges.unwrap().cost_lower, &[0.0, 200.0]);
    }
    let free = LinearModel {
        constraint_lower: vec![],
        constraint_upper: vec![],
        row_starts: vec![0],
        column_indices: vec![],
        coefficients: vec![],
        variable_upper: vec![1.0; 2],
        ..wyndor()
    };
    let outcome = solve_with(free, wanted());
    assert_eq!(outcome.ranges, None);
    assert!(termination(&outcome).warnings[0].contains("without constraints"));
}
