//! Proves that a basis of an LP is optimal for other costs and bounds with the same matrix.
//!
//! B has the columns of the basic variables and activities; nonbasic ones are at the bounds given
//! by their status. Then x and y solve B x_B = b - N x_N and Bᵀ y = c_B. If x is within all bounds,
//! and no reduced cost c - Aᵀy and no dual y has a sign that would improve the objective, then x is
//! optimal (Dantzig 1963, the optimality test of the simplex tableau), and y proves it.

use solvemesh::v1::{Basis, BasisStatus as Status, LinearModel, ObjectiveSense};
use solvemesh_model::{
    entries,
    sweep::Target,
    verify::{largest_cost, reduced_costs},
};

use crate::highs::{BasicVariable, Highs};

/// How far a value may be outside of its bounds, and a dual on the wrong side of 0, relative to a
/// scale; the same as HiGHS's own tolerances. The scale of a value is at least 1; that of a dual is
/// at least the largest cost, or 1 if that is less.
const TOLERANCE: f64 = 1e-7;

/// A basis, of which HiGHS holds the factorised matrix.
#[derive(Debug)]
pub(super) struct FactorisedBasis {
    basics: Vec<BasicVariable>,
    statuses: Basis,
    /// Whether scenarios change bounds, on which x depends.
    bounds_change: bool,
    /// Whether scenarios change costs, on which y depends.
    costs_change: bool,
    /// x, once it is known to be within all bounds; only if bounds don't change.
    values: Option<Vec<f64>>,
    /// y and c - Aᵀy, once they are computed; only if costs don't change.
    dual_solution: Option<DualSolution>,
    /// A buffer with an entry for each row.
    rhs: Vec<f64>,
    /// Likewise.
    solution: Vec<f64>,
}

/// y, and c - Aᵀy.
#[derive(Clone, Debug)]
struct DualSolution {
    duals: Vec<f64>,
    reduced_costs: Vec<f64>,
}

impl FactorisedBasis {
    /// The basis with which the last run ended, if there is one. `targets` are the numbers that
    /// scenarios change; none may be in the matrix.
    pub(super) fn of(highs: &mut Highs, model: &LinearModel, targets: &[Target]) -> Option<Self> {
        let statuses = highs.basis()?;
        let basics = highs.basic_variables()?;
        let rows = model.constraint_lower.len();
        let costs_change = targets.iter().any(|target| matches!(target, Target::Objective(_)));
        let bounds_change =
            targets.iter().any(|target| !matches!(target, Target::Objective(_) | Target::Offset));
        Some(Self {
            basics,
            statuses,
            bounds_change,
            costs_change,
            values: None,
            dual_solution: None,
            rhs: vec![0.0; rows],
            solution: vec![0.0; rows],
        })
    }

    /// x and y of a model, if this basis is optimal for it.
    pub(super) fn solution_if_optimal(
        &mut self,
        highs: &mut Highs,
        model: &LinearModel,
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        let dual_solution = match self.dual_solution.take() {
            Some(dual_solution) => dual_solution,
            None => self.dual_solution(highs, model)?,
        };
        let is_dual_feasible = self.is_dual_feasible(model, &dual_solution);
        let duals = dual_solution.duals.clone();
        if !self.costs_change {
            self.dual_solution = Some(dual_solution);
        }
        if !is_dual_feasible {
            return None;
        }
        let values = match &self.values {
            Some(values) => values.clone(),
            None => {
                let values = self.primal_feasible(highs, model)?;
                if !self.bounds_change {
                    self.values = Some(values.clone());
                }
                values
            }
        };
        Some((values, duals))
    }

    /// x, if it is within all bounds.
    fn primal_feasible(&mut self, highs: &mut Highs, model: &LinearModel) -> Option<Vec<f64>> {
        let mut values = vec![0.0; model.variable_lower.len()];
        for (column, &status) in self.statuses.variables.iter().enumerate() {
            if status != Status::Basic as i32 {
                let (lower, upper) = (model.variable_lower[column], model.variable_upper[column]);
                values[column] = nonbasic_value(status, lower, upper)?;
            }
        }
        for (row, &status) in self.statuses.constraints.iter().enumerate() {
            let at = if status == Status::Basic as i32 {
                0.0
            } else {
                nonbasic_value(status, model.constraint_lower[row], model.constraint_upper[row])?
            };
            self.rhs[row] = at - activity(model, row, &values).0;
        }
        if !highs.solve_basis(&self.rhs, &mut self.solution) {
            return None;
        }
        for (basic, &value) in self.basics.iter().zip(&self.solution) {
            if let BasicVariable::Column(column) = *basic {
                let (lower, upper) = (model.variable_lower[column], model.variable_upper[column]);
                if !within(value, lower, upper, 0.0) {
                    return None;
                }
                values[column] = value;
            }
        }
        // Check all rows, the nonbasic ones too: an ill-conditioned basis may have errors in them.
        for row in 0..model.constraint_lower.len() {
            let (value, largest) = activity(model, row, &values);
            let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
            if !within(value, lower, upper, largest) {
                return None;
            }
            let status = self.statuses.constraints[row];
            if status != Status::Basic as i32 {
                let at = nonbasic_value(status, lower, upper)?;
                if !within(value, at, at, largest) {
                    return None;
                }
            }
        }
        Some(values)
    }

    /// y and c - Aᵀy of a model.
    fn dual_solution(&mut self, highs: &mut Highs, model: &LinearModel) -> Option<DualSolution> {
        for (position, basic) in self.basics.iter().enumerate() {
            self.rhs[position] = match *basic {
                BasicVariable::Column(column) => model.objective[column],
                BasicVariable::Row(_) => 0.0,
            };
        }
        let mut duals = vec![0.0; self.rhs.len()];
        if !highs.solve_basis_transposed(&self.rhs, &mut duals) {
            return None;
        }
        Some(DualSolution { reduced_costs: reduced_costs(model, &duals), duals })
    }

    /// Whether no dual and no reduced cost has a sign that would improve the objective.
    fn is_dual_feasible(&self, model: &LinearModel, dual_solution: &DualSolution) -> bool {
        let minimised = if model.sense() == ObjectiveSense::Maximize { -1.0 } else { 1.0 };
        let unit = largest_cost(model).min(1.0);
        let Basis { variables, constraints } = &self.statuses;
        let columns = dual_solution.reduced_costs.iter().zip(variables).enumerate();
        let mut rows = dual_solution.duals.iter().zip(constraints).enumerate();
        columns.into_iter().all(|(column, (&cost, &status))| {
            let bounds = (model.variable_lower[column], model.variable_upper[column]);
            sign_fits(minimised * cost, status, bounds, model.objective[column].abs().max(unit))
        }) && rows.all(|(row, (&dual, &status))| {
            let bounds = (model.constraint_lower[row], model.constraint_upper[row]);
            sign_fits(minimised * dual, status, bounds, unit)
        })
    }
}

/// The value of something nonbasic; `None` if it doesn't have the bound of its status, or crossed
/// ones.
fn nonbasic_value(status: i32, lower: f64, upper: f64) -> Option<f64> {
    if lower > upper {
        return None;
    }
    let at = match Status::try_from(status).ok()? {
        Status::Lower => lower,
        Status::Upper => upper,
        Status::Zero if lower == f64::NEG_INFINITY && upper == f64::INFINITY => 0.0,
        Status::Nonbasic if lower.is_finite() => lower,
        Status::Nonbasic => upper,
        Status::Zero | Status::Basic | Status::Unspecified => return None,
    };
    at.is_finite().then_some(at)
}

/// Whether a dual, with the sign that it has in a minimum, fits the status of its variable or
/// activity: moving away from the bound can only make the objective worse.
///
/// A dual on the wrong side of 0, but within the tolerance, must not gain more than the tolerance
/// on the way to the opposite bound either.
fn sign_fits(dual: f64, status: i32, (lower, upper): (f64, f64), scale: f64) -> bool {
    let tolerance = TOLERANCE * scale;
    let is_negligible = |wrong: f64| {
        let gain = wrong * (upper - lower);
        // Without an opposite bound, the gain is infinite for any rounding error.
        wrong <= 0.0 || wrong <= tolerance && (gain <= tolerance || gain.is_infinite())
    };
    match Status::try_from(status) {
        Ok(Status::Basic | Status::Zero) => dual.abs() <= tolerance,
        Ok(Status::Lower | Status::Upper | Status::Nonbasic) if lower == upper => true,
        Ok(Status::Lower) => is_negligible(-dual),
        Ok(Status::Upper) => is_negligible(dual),
        // The status doesn't say at which bound it is.
        Ok(Status::Nonbasic | Status::Unspecified) | Err(_) => false,
    }
}

/// Whether a value is within its bounds, up to the tolerance. `largest_term` is that of the sum
/// whose rounding errors the value has.
fn within(value: f64, lower: f64, upper: f64, largest_term: f64) -> bool {
    // The scale is that of the worker's check: terms that cancel leave an error in proportion to
    // them.
    let tolerance = |bound: f64| TOLERANCE * bound.abs().max(1e-3 * largest_term).max(1.0);
    value.is_finite()
        && (lower == f64::NEG_INFINITY || value >= lower - tolerance(lower))
        && (upper == f64::INFINITY || value <= upper + tolerance(upper))
}

/// The activity of a row, and the largest absolute value of its terms.
fn activity(model: &LinearModel, row: usize, values: &[f64]) -> (f64, f64) {
    entries(model, row).fold((0.0, 0.0_f64), |(sum, largest), (column, coefficient)| {
        let term = coefficient * values[column];
        (sum + term, largest.max(term.abs()))
    })
}
