//! Checks a solution against the model as submitted, in f64, independently of any solver.
//!
//! With s = 1 when minimising and s = -1 when maximising, rows `L <= A x <= U`, bounds
//! `l <= x <= u`, duals y and reduced costs r:
//!
//! | number | is the worst |
//! | --- | --- |
//! | bound violation | `max(l_j - x_j, x_j - u_j, 0)`; for a semi-continuous or semi-integer variable `abs(x_j)` if that is less |
//! | row violation | `max(L_i - a_i x, a_i x - U_i, 0)` |
//! | integrality violation | `abs(x_j - round(x_j))` of the integer and semi-integer variables |
//! | dual violation | `abs(c_j - sum_i y_i a_ij - r_j)`, and of the duals with a sign that no bound explains: `s y_i` where it is positive and L_i infinite, `-s y_i` where it is positive and U_i infinite; r with l and u alike |
//! | complementarity violation | `abs(y_i)` times the distance of `a_i x` from the bound that its sign names: L_i where `s y_i > 0`, else U_i; r with l and u alike |
//!
//! The last two are the optimality conditions of a linear program (Karush, Kuhn, Tucker),
//! written for y = dz/d rhs in the sense as submitted: where all five numbers are 0 the
//! solution is optimal, and the sum of the products is the distance between the primal
//! and the dual objective. Sums are compensated (Neumaier 1974), so that the reported
//! violations are the solver's rounding errors and not those of the check.
//!
//! Reported violations are absolute numbers. Whether they are acceptable is decided
//! relative to the scale of the model: see [`Tolerances`].
//!
//! Duals also bound the objective by themselves (weak duality): with d = c - Aᵀy, computed
//! here, no solution is better than
//! `sum_i y_i (s y_i > 0 ? L_i : U_i) + sum_j d_j (s d_j > 0 ? l_j : u_j)` plus the offset.
//! See [`Check::bound`].

pub mod claim;
pub mod proof;
mod sum;
#[cfg(test)]
mod tests;
mod worst;

use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind, Verification};

use crate::{
    domain::{Domain, kind},
    matrix::entries,
};
use sum::Sum;
use worst::Worst;

/// A solution to be checked, in the order of the model's variables and constraints.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// `[n]` The value of each variable.
    pub values: &'a [f64],
    /// `[m]` The dual y of each constraint. Where this and `reduced_costs` are both
    /// empty, as for MIPs, duality is not checked.
    pub duals: &'a [f64],
    /// `[n]` c - Aᵀy.
    pub reduced_costs: &'a [f64],
}

impl<'a> Candidate<'a> {
    /// A solution without duals. Duality is not checked.
    pub fn of(values: &'a [f64]) -> Self {
        Self { values, duals: &[], reduced_costs: &[] }
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The objective, offset included.
    pub objective: f64,
    /// The bound on the objective that the duals prove: no solution is below it when
    /// minimising, or above it when maximising, up to the dual violation. `None` without
    /// duals, and where they prove nothing.
    pub bound: Option<f64>,
    /// `[m]` A x.
    pub activities: Vec<f64>,
    /// The worst violations, absolute.
    pub verification: Verification,
    /// Whether every violation is within its tolerance. Otherwise the solution must not be
    /// reported as optimal.
    pub acceptable: bool,
}

impl Check {
    /// The largest of all violations, including those of the duals.
    pub fn worst_violation(&self) -> f64 {
        let Verification { max_violation, dual_violation, complementarity_violation, .. } =
            &self.verification;
        let duals = dual_violation.iter().chain(complementarity_violation);
        max_violation.iter().chain(duals).copied().fold(0.0, f64::max)
    }
}

/// The violations that are acceptable, each multiplied by a scale.
///
/// The scale of a bound is its absolute value; that of a row also a thousandth of its
/// largest term, because cancellation leaves an error in proportion to the terms that
/// cancel. A dual is measured against a thousandth of the largest dual, a reduced cost
/// against its cost and a thousandth of its largest term, a product of complementarity
/// against the objective. No scale is below 1, with one exception: where all costs are below
/// 1, the largest of them takes the place of the 1 for the last three. Otherwise any solution
/// would pass as optimal for an objective of 1e-7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// Of bounds and rows.
    pub primal: f64,
    /// Of integer values; its scale is always 1.
    pub integrality: f64,
    /// Of duals and reduced costs.
    pub dual: f64,
    /// Of the products of duals and slacks.
    pub complementarity: f64,
}

impl Default for Tolerances {
    /// Wide enough for solvers, which apply their own tolerances to the model as they scale
    /// it: unscaling can enlarge a violation. HiGHS's are 1e-7 for LPs and 1e-6 for MIPs.
    fn default() -> Self {
        Tolerances { primal: 1e-6, integrality: 1e-5, dual: 1e-6, complementarity: 1e-6 }
    }
}

/// Why a solution cannot be checked at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// An array has the wrong length.
    #[error("{what} has {got} entries, the model needs {want}")]
    Length {
        /// Which array.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The length it should have.
        want: usize,
    },
    /// An entry, or a number computed from the entries, is NaN or infinite.
    #[error("{what}[{index}] is not a finite number")]
    NotFinite {
        /// Which array.
        what: &'static str,
        /// Which entry.
        index: usize,
    },
}

/// Checks a solution with the default tolerances. The model must be in normal form.
///
/// # Errors
///
/// Fails if an array has the wrong length, or if a number in it, the objective or an activity
/// is not finite.
pub fn verify(model: &LinearModel, candidate: Candidate<'_>) -> Result<Check, VerifyError> {
    verify_within(model, candidate, Tolerances::default())
}

/// Whether values are a feasible solution of a model within the default tolerances. The
/// model must be in normal form.
pub fn is_solution(model: &LinearModel, values: &[f64]) -> bool {
    verify(model, Candidate::of(values)).is_ok_and(|check| check.acceptable)
}

/// Checks a solution with the given tolerances. The model must be in normal form.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_within(
    model: &LinearModel,
    candidate: Candidate<'_>,
    tolerances: Tolerances,
) -> Result<Check, VerifyError> {
    let Candidate { values, duals, reduced_costs } = candidate;
    let with_duals = !(duals.is_empty() && reduced_costs.is_empty());
    well_formed("values", values, model.variable_lower.len())?;
    if with_duals {
        well_formed("duals", duals, model.constraint_lower.len())?;
        well_formed("reduced_costs", reduced_costs, model.variable_lower.len())?;
    }

    let objective = objective(model, values);
    let (activities, largest_terms) = activities(model, values);
    well_formed("objective", &[objective], 1)?;
    well_formed("activities", &activities, model.constraint_lower.len())?;

    // All numbers are finite from here on: `max` would skip a NaN, and a violation with it.
    let bounds = bounds(model, values, tolerances.primal);
    let rows = rows(model, &activities, &largest_terms, tolerances.primal);
    let integrality = integrality(model, values, tolerances.integrality);
    // The smallest scale of the dual checks (see `Tolerances`); 1 for a model without costs.
    let unit = largest_cost(model).min(1.0);
    let unit = if unit == 0.0 { 1.0 } else { unit };
    let prices = with_duals.then(|| prices(model, duals));
    let dual =
        prices.as_deref().map(|prices| dual(model, candidate, prices, tolerances.dual, unit));
    let complementarity = with_duals.then(|| {
        let scale = tolerances.complementarity * objective.abs().max(unit);
        complementarity(model, candidate, &activities, scale)
    });
    let bound = if values.is_empty() {
        // Without variables there are no duals to report, and nothing to improve.
        Some(objective)
    } else {
        prices.as_deref().and_then(|prices| dual_bound(model, duals, prices))
    };

    let primal = [&bounds, &rows, &integrality];
    let acceptable =
        primal.into_iter().chain(&dual).chain(&complementarity).all(|worst| worst.within);
    let verification = Verification {
        bound_violation: Some(bounds.violation),
        row_violation: Some(rows.violation),
        integrality_violation: Some(integrality.violation),
        max_violation: Some(primal.iter().map(|worst| worst.violation).fold(0.0, f64::max)),
        worst: worst::names(model, primal),
        dual_violation: dual.map(|worst| worst.violation),
        complementarity_violation: complementarity.map(|worst| worst.violation),
    };
    Ok(Check { objective, bound, activities, verification, acceptable })
}

/// Checks that an array has the wanted length and only finite numbers.
fn well_formed(what: &'static str, array: &[f64], want: usize) -> Result<(), VerifyError> {
    if array.len() != want {
        return Err(VerifyError::Length { what, got: array.len(), want });
    }
    match array.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(VerifyError::NotFinite { what, index }),
        None => Ok(()),
    }
}

/// Computes the objective of a solution, offset included, as the check does.
pub fn objective(model: &LinearModel, values: &[f64]) -> f64 {
    let mut sum = Sum::from(model.objective_offset);
    for (cost, value) in model.objective.iter().zip(values) {
        sum.add(cost * value);
    }
    sum.value()
}

/// The largest absolute value of an objective coefficient.
pub fn largest_cost(model: &LinearModel) -> f64 {
    model.objective.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs()))
}

/// Computes c - Aᵀy. `duals` must have an entry for each constraint.
pub fn reduced_costs(model: &LinearModel, duals: &[f64]) -> Vec<f64> {
    let mut reduced_costs = model.objective.clone();
    for (row, &dual) in duals.iter().enumerate() {
        if dual != 0.0 {
            for (column, coefficient) in entries(model, row) {
                reduced_costs[column] -= dual * coefficient;
            }
        }
    }
    reduced_costs
}

/// A x, and the largest absolute value of each row's terms.
fn activities(model: &LinearModel, values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    (0..model.constraint_lower.len())
        .map(|row| {
            let mut sum = Sum::default();
            let mut largest = 0.0_f64;
            for (column, coefficient) in entries(model, row) {
                let term = coefficient * values[column];
                sum.add(term);
                largest = largest.max(term.abs());
            }
            (sum.value(), largest)
        })
        .unzip()
}

fn bounds(model: &LinearModel, values: &[f64], tolerance: f64) -> Worst {
    let mut worst = Worst::of_variables();
    for (column, &value) in values.iter().enumerate() {
        let (lower, upper) = (model.variable_lower[column], model.variable_upper[column]);
        let (mut violation, bound) = range_violation(value, lower, upper);
        if matches!(kind(model, column), VariableKind::SemiContinuous | VariableKind::SemiInteger) {
            // 0 is allowed too, outside of the bounds.
            violation = violation.min(value.abs());
        }
        worst.record(column, violation, tolerance * bound.abs().max(1.0));
    }
    worst
}

fn rows(model: &LinearModel, activities: &[f64], largest_terms: &[f64], tolerance: f64) -> Worst {
    let mut worst = Worst::of_constraints();
    for (row, (&activity, largest)) in activities.iter().zip(largest_terms).enumerate() {
        let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
        let (violation, bound) = range_violation(activity, lower, upper);
        worst.record(row, violation, tolerance * bound.abs().max(1e-3 * largest).max(1.0));
    }
    worst
}

/// How far a value lies outside of [lower, upper], and the bound that it violates; zeros if
/// it lies within. Where the bounds cross it may violate both: then the larger violation.
fn range_violation(value: f64, lower: f64, upper: f64) -> (f64, f64) {
    let (below, above) = (lower - value, value - upper);
    if below <= 0.0 && above <= 0.0 {
        (0.0, 0.0)
    } else if below >= above {
        (below, lower)
    } else {
        (above, upper)
    }
}

fn integrality(model: &LinearModel, values: &[f64], tolerance: f64) -> Worst {
    let mut worst = Worst::of_variables();
    for (column, &value) in values.iter().enumerate() {
        let integer = matches!(
            kind(model, column),
            VariableKind::Integer | VariableKind::Binary | VariableKind::SemiInteger
        );
        if integer {
            worst.record(column, (value - value.round()).abs(), tolerance);
        }
    }
    worst
}

/// The price of a column: c_j - sum_i y_i a_ij.
#[derive(Clone, Copy, Debug)]
struct Price {
    sum: Sum,
    /// The largest absolute value of its terms.
    largest: f64,
    /// How large its terms could be for this y: `max(abs(c_j), max_i abs(a_ij) Y)` with Y the
    /// largest dual, or the largest cost where that is larger. Rounding errors of y have an
    /// effect in proportion to this, and not to the actual terms, which may consist of
    /// nothing but such errors.
    scale: f64,
}

/// The price of each column.
fn prices(model: &LinearModel, duals: &[f64]) -> Vec<Price> {
    let start = |cost: &f64| Price { sum: (*cost).into(), largest: cost.abs(), scale: cost.abs() };
    let mut prices: Vec<Price> = model.objective.iter().map(start).collect();
    let largest_dual = duals.iter().fold(largest_cost(model), |most, dual| most.max(dual.abs()));
    for (row, dual) in duals.iter().enumerate() {
        for (column, coefficient) in entries(model, row) {
            let price = &mut prices[column];
            let term = coefficient * dual;
            price.sum.add(-term);
            price.largest = price.largest.max(term.abs());
            price.scale = price.scale.max(coefficient.abs() * largest_dual);
        }
    }
    prices
}

fn dual(
    model: &LinearModel,
    candidate: Candidate<'_>,
    prices: &[Price],
    tolerance: f64,
    unit: f64,
) -> Worst {
    let minimised = sense(model);
    let mut worst = Worst::of_constraints();
    let largest = candidate.duals.iter().fold(0.0_f64, |largest, dual| largest.max(dual.abs()));
    for (row, dual) in candidate.duals.iter().enumerate() {
        let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
        let violation = sign_violation(minimised * dual, lower, upper);
        worst.record(row, violation, tolerance * (1e-3 * largest).max(unit));
    }
    for (column, &Price { mut sum, largest, .. }) in prices.iter().enumerate() {
        let cost = candidate.reduced_costs[column];
        sum.add(-cost);
        let (lower, upper) = Domain::of(model, column).hull();
        let violation = sum.value().abs().max(sign_violation(minimised * cost, lower, upper));
        let scale = (1e-3 * largest).max(model.objective[column].abs()).max(unit);
        worst.record(column, violation, tolerance * scale);
    }
    worst
}

/// Prices up to this, relative to their scale, are rounding errors: y is computed with a
/// factorised basis and has few more correct digits.
const PRICE_ROUNDING: f64 = 1e-9;

/// Prices above this, relative to their scale, are not excused by a solver's absolute
/// tolerance. Only in a column of very small numbers can such a price be within that
/// tolerance.
const GROSS_PRICE: f64 = 1e-3;

/// The bound that y proves by weak duality: see the module documentation. `None` where a
/// price that is not small for its column has no finite bound to be multiplied with: then y
/// proves nothing. Smaller prices without such a bound are left out, as are duals; they are
/// part of the dual violation.
fn dual_bound(model: &LinearModel, duals: &[f64], prices: &[Price]) -> Option<f64> {
    let minimised = sense(model);
    let better = |price: f64, lower, upper| if minimised * price > 0.0 { lower } else { upper };
    let mut bound = Sum::from(model.objective_offset);
    for (row, &dual) in duals.iter().enumerate() {
        // A dual without its bound is left out here, and is part of the dual violation.
        let at = better(dual, model.constraint_lower[row], model.constraint_upper[row]);
        if at.is_finite() {
            bound.add(dual * at);
        }
    }
    for (column, Price { sum, scale, .. }) in prices.iter().enumerate() {
        let price = sum.value();
        if price.abs() <= PRICE_ROUNDING * scale {
            continue;
        }
        let (lower, upper) = Domain::of(model, column).hull();
        let at = better(price, lower, upper);
        if at.is_finite() {
            bound.add(price * at);
        } else if price.abs() > GROSS_PRICE * scale {
            // Times an infinite bound: y proves nothing.
            return None;
        }
    }
    Some(bound.value()).filter(|bound| bound.is_finite())
}

/// 1 when minimising, -1 when maximising.
fn sense(model: &LinearModel) -> f64 {
    if model.sense() == ObjectiveSense::Maximize { -1.0 } else { 1.0 }
}

/// The violation of the sign condition of a dual, given as if the model were minimised: a
/// positive dual needs a finite lower bound, a negative one a finite upper bound.
fn sign_violation(dual: f64, lower: f64, upper: f64) -> f64 {
    let bound = if dual > 0.0 { lower } else { upper };
    if bound.is_finite() { 0.0 } else { dual.abs() }
}

fn complementarity(
    model: &LinearModel,
    candidate: Candidate<'_>,
    activities: &[f64],
    tolerance: f64,
) -> Worst {
    let minimised = sense(model);
    let mut worst = Worst::of_constraints();
    for (row, (dual, activity)) in candidate.duals.iter().zip(activities).enumerate() {
        let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
        worst.record(
            row,
            complementarity_product(minimised * dual, *activity, lower, upper),
            tolerance,
        );
    }
    for (column, (cost, value)) in candidate.reduced_costs.iter().zip(candidate.values).enumerate()
    {
        let (lower, upper) = Domain::of(model, column).hull();
        worst.record(
            column,
            complementarity_product(minimised * cost, *value, lower, upper),
            tolerance,
        );
    }
    worst
}

/// A dual, given as if the model were minimised, times the distance of the value from the
/// bound that the dual's sign refers to. 0 if there is no such bound: then the dual itself is
/// the violation (see `sign_violation`), and is not counted twice.
fn complementarity_product(dual: f64, value: f64, lower: f64, upper: f64) -> f64 {
    let bound = if dual > 0.0 { lower } else { upper };
    if bound.is_finite() { dual.abs() * (value - bound).abs() } else { 0.0 }
}
