//! A basis of an LP, to be proven optimal for other numbers of the same matrix.
//!
//! With B the columns of the basic variables and activities, nonbasic ones at the bounds
//! that their status names: x and y solve B x_B = b - N x_N and Bᵀ y = c_B. Where x is
//! within all bounds, and no reduced cost c - Aᵀy and no dual y has a sign that would
//! improve the objective, x is optimal (Dantzig 1963, on the simplex tableau's optimality
//! test), and y proves it.

use solvemesh::v1::{Basis, BasisStatus as Status, LinearModel, ObjectiveSense};
use solvemesh_model::{
    entries,
    sweep::Target,
    verify::{largest_cost, reduced_costs},
};

use crate::highs::{Basic, Highs};

/// How far outside of its bounds a value, or on the wrong side of 0 a dual, may be, each
/// times a scale: as HiGHS's own tolerances. The scale of a value is at least 1, that of a
/// dual at least the largest cost, up to 1.
const TOLERANCE: f64 = 1e-7;

/// A basis that HiGHS holds, factorised.
#[derive(Debug)]
pub(super) struct Vertex {
    basics: Vec<Basic>,
    statuses: Basis,
    /// Whether scenarios change what x depends on, and what y does.
    bounds_move: bool,
    costs_move: bool,
    /// x, once it is known to be within its bounds, where these don't change.
    values: Option<Vec<f64>>,
    /// y and c - Aᵀy, once they are known, where costs don't change.
    prices: Option<Prices>,
    /// Scratch, an entry for each row.
    rhs: Vec<f64>,
    solution: Vec<f64>,
}

/// y, and c - Aᵀy.
#[derive(Clone, Debug)]
struct Prices {
    duals: Vec<f64>,
    reduced_costs: Vec<f64>,
}

impl Vertex {
    /// The basis that the last run ended with, if it had one. `targets` is what scenarios
    /// change, which must not be the matrix.
    pub(super) fn of(highs: &mut Highs, model: &LinearModel, targets: &[Target]) -> Option<Self> {
        let statuses = highs.basis()?;
        let basics = highs.basics()?;
        let rows = model.constraint_lower.len();
        let costs_move = targets.iter().any(|target| matches!(target, Target::Objective(_)));
        let bounds_move =
            targets.iter().any(|target| !matches!(target, Target::Objective(_) | Target::Offset));
        Some(Self {
            basics,
            statuses,
            bounds_move,
            costs_move,
            values: None,
            prices: None,
            rhs: vec![0.0; rows],
            solution: vec![0.0; rows],
        })
    }

    /// x and y of a model, if this basis is optimal there.
    pub(super) fn prove(
        &mut self,
        highs: &mut Highs,
        model: &LinearModel,
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        let prices = match self.prices.take() {
            Some(prices) => prices,
            None => self.prices(highs, model)?,
        };
        let signs_fit = self.signs_fit(model, &prices);
        let duals = prices.duals.clone();
        if !self.costs_move {
            self.prices = Some(prices);
        }
        if !signs_fit {
            return None;
        }
        let values = match &self.values {
            Some(values) => values.clone(),
            None => {
                let values = self.primal_feasible(highs, model)?;
                if !self.bounds_move {
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
                values[column] = place(status, lower, upper)?;
            }
        }
        for (row, &status) in self.statuses.constraints.iter().enumerate() {
            let at = if status == Status::Basic as i32 {
                0.0
            } else {
                place(status, model.constraint_lower[row], model.constraint_upper[row])?
            };
            self.rhs[row] = at - activity(model, row, &values).0;
        }
        if !highs.solve_basis(&self.rhs, &mut self.solution) {
            return None;
        }
        for (basic, &value) in self.basics.iter().zip(&self.solution) {
            if let Basic::Column(column) = *basic {
                let (lower, upper) = (model.variable_lower[column], model.variable_upper[column]);
                if !within(value, lower, upper, 0.0) {
                    return None;
                }
                values[column] = value;
            }
        }
        // Of all rows, so that it does not matter how well the basis is conditioned.
        for row in 0..model.constraint_lower.len() {
            let (value, largest) = activity(model, row, &values);
            let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
            if !within(value, lower, upper, largest) {
                return None;
            }
            let status = self.statuses.constraints[row];
            if status != Status::Basic as i32 {
                let at = place(status, lower, upper)?;
                if !within(value, at, at, largest) {
                    return None;
                }
            }
        }
        Some(values)
    }

    fn prices(&mut self, highs: &mut Highs, model: &LinearModel) -> Option<Prices> {
        for (place, basic) in self.basics.iter().enumerate() {
            self.rhs[place] = match *basic {
                Basic::Column(column) => model.objective[column],
                Basic::Row(_) => 0.0,
            };
        }
        let mut duals = vec![0.0; self.rhs.len()];
        if !highs.solve_basis_transposed(&self.rhs, &mut duals) {
            return None;
        }
        Some(Prices { reduced_costs: reduced_costs(model, &duals), duals })
    }

    /// Whether no sign of y or of a reduced cost would improve the objective.
    fn signs_fit(&self, model: &LinearModel, prices: &Prices) -> bool {
        let minimised = if model.sense() == ObjectiveSense::Maximize { -1.0 } else { 1.0 };
        let unit = largest_cost(model).min(1.0);
        let Basis { variables, constraints } = &self.statuses;
        let columns = prices.reduced_costs.iter().zip(variables).enumerate();
        let mut rows = prices.duals.iter().zip(constraints).enumerate();
        columns.into_iter().all(|(column, (&cost, &status))| {
            let bounds = (model.variable_lower[column], model.variable_upper[column]);
            optimal(minimised * cost, status, bounds, model.objective[column].abs().max(unit))
        }) && rows.all(|(row, (&dual, &status))| {
            let bounds = (model.constraint_lower[row], model.constraint_upper[row]);
            optimal(minimised * dual, status, bounds, unit)
        })
    }
}

/// Where something nonbasic is; `None` where it has no such bound, or crossed ones.
fn place(status: i32, lower: f64, upper: f64) -> Option<f64> {
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

/// Whether a dual, given as if the model were minimised, fits to where its variable or
/// activity is: from there it can only make the objective worse. One within the tolerance
/// on the wrong side must not gain more than that from a bound that is far away.
fn optimal(dual: f64, status: i32, (lower, upper): (f64, f64), scale: f64) -> bool {
    let tolerance = TOLERANCE * scale;
    let small = |wrong: f64| {
        let gain = wrong * (upper - lower);
        wrong <= 0.0 || wrong <= tolerance && (gain <= tolerance || gain.is_infinite())
    };
    match Status::try_from(status) {
        Ok(Status::Basic | Status::Zero) => dual.abs() <= tolerance,
        Ok(Status::Lower | Status::Upper | Status::Nonbasic) if lower == upper => true,
        Ok(Status::Lower) => small(-dual),
        Ok(Status::Upper) => small(dual),
        // Which bound it is at is not told.
        Ok(Status::Nonbasic | Status::Unspecified) | Err(_) => false,
    }
}

fn within(value: f64, lower: f64, upper: f64, largest_term: f64) -> bool {
    let room = |bound: f64| TOLERANCE * bound.abs().max(1e-3 * largest_term).max(1.0);
    value.is_finite()
        && (lower == f64::NEG_INFINITY || value >= lower - room(lower))
        && (upper == f64::INFINITY || value <= upper + room(upper))
}

/// The activity of a row, and the largest absolute value of its terms.
fn activity(model: &LinearModel, row: usize, values: &[f64]) -> (f64, f64) {
    entries(model, row).fold((0.0, 0.0_f64), |(sum, largest), (column, coefficient)| {
        let term = coefficient * values[column];
        (sum + term, largest.max(term.abs()))
    })
}
