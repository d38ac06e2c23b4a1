//! An LP as a dense matrix, as a minimum, with the activities of its rows as variables.

use solvemesh_model::entries;

use crate::arrays::Arrays;

/// The absolute values that coefficients may have. Others are left to HiGHS, which scales models.
const COEFFICIENTS: std::ops::RangeInclusive<f64> = 1e-6..=1e9;

/// Maximum absolute value of a finite bound. HiGHS regards those from 1e20 on as infinite.
const MAX_BOUND: f64 = 1e12;

/// Minimise c x, with r = A x, where x and r have bounds.
///
/// Variables are numbered: first the columns x, then the activities r of the rows.
#[derive(Clone, Debug)]
pub(super) struct DenseLp {
    /// m, the number of rows.
    pub rows: usize,
    /// n, the number of columns.
    pub columns: usize,
    /// `[m * n]` A, row by row.
    pub matrix: Vec<f64>,
    /// `[n]` c, negated if the model is maximised.
    pub costs: Vec<f64>,
    /// `[n + m]` The lower bounds of x and r.
    pub lower: Vec<f64>,
    /// `[n + m]` The upper bounds of x and r.
    pub upper: Vec<f64>,
    /// Whether the model is maximised.
    pub maximizes: bool,
}

impl DenseLp {
    /// Converts a model; `None` if it has unusual numbers.
    pub(super) fn of(arrays: &Arrays<'_>) -> Option<Self> {
        let model = arrays.model();
        let (rows, columns) = (arrays.constraints(), arrays.variables());
        let mut matrix = vec![0.0; rows * columns];
        for (row, line) in matrix.chunks_exact_mut(columns).enumerate() {
            for (column, coefficient) in entries(model, row) {
                if coefficient != 0.0 && !COEFFICIENTS.contains(&coefficient.abs()) {
                    return None;
                }
                line[column] += coefficient;
            }
        }
        let maximizes = arrays.maximizes();
        let sign = if maximizes { -1.0 } else { 1.0 };
        let costs: Vec<f64> = model.objective.iter().map(|cost| sign * cost).collect();
        let lower = [arrays.lower(), &model.constraint_lower].concat();
        let upper = [arrays.upper(), &model.constraint_upper].concat();
        let is_usual = costs.iter().all(|cost| is_usual_cost(*cost))
            && lower.iter().all(|bound| is_bound(*bound, f64::NEG_INFINITY))
            && upper.iter().all(|bound| is_bound(*bound, f64::INFINITY));
        is_usual.then_some(Self { rows, columns, matrix, costs, lower, upper, maximizes })
    }

    /// A row of A.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.matrix[row * self.columns..(row + 1) * self.columns]
    }

    /// Whether a variable has one value only.
    pub(super) fn is_fixed(&self, variable: usize) -> bool {
        self.lower[variable] == self.upper[variable]
    }
}

/// Whether a cost is 0 or in the range of coefficients.
fn is_usual_cost(cost: f64) -> bool {
    cost == 0.0 || COEFFICIENTS.contains(&cost.abs())
}

/// Whether a bound is usual, or `infinite`, the infinity of its side. NaN is neither.
fn is_bound(bound: f64, infinite: f64) -> bool {
    bound == infinite || bound.abs() <= MAX_BOUND
}
