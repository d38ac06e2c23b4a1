//! The vertex and the duals of a basis, computed from the numbers of the model.

use super::{dictionary::Place, lp::DenseLp};

/// Minimum pivot of the factorisation, relative to the largest entry of the matrix.
const MIN_PIVOT: f64 = 1e-9;

/// Maximum distance by which a value is moved onto its bound, relative to the bound and at least
/// 1: the rounding error of a variable that is basic at its bound.
const ROUNDING: f64 = 1e-12;

/// A vertex with its duals, in the sense as submitted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vertex {
    /// x.
    pub values: Vec<f64>,
    /// y.
    pub duals: Vec<f64>,
    /// c - Aᵀy.
    pub reduced_costs: Vec<f64>,
}

impl Vertex {
    /// The vertex of a basis; `None` if its matrix is nearly singular.
    ///
    /// With C the basic columns, N the others, and S the rows whose activity is not basic, there
    /// are as many of C as of S, and
    ///
    /// - `A[S,C] x[C] = r[S] - A[S,N] x[N]`, where nonbasic variables are at their bounds,
    /// - `A[S,C]ᵀ y[S] = c[C]`, and y is 0 in all other rows,
    ///
    /// which are the systems of the basis (Dantzig 1963) without the unit columns of the basic
    /// activities. So reduced costs and duals of basic variables are 0 by construction.
    pub(super) fn of(lp: &DenseLp, places: &[Place]) -> Option<Self> {
        let (of_columns, of_rows) = places.split_at(lp.columns);
        let at = |(variable, place): (usize, &Place)| match place {
            Place::Basic | Place::Zero => 0.0,
            Place::Lower => lp.lower[variable],
            Place::Upper => lp.upper[variable],
        };
        let mut values: Vec<f64> = of_columns.iter().enumerate().map(at).collect();
        let basic: Vec<usize> =
            (0..lp.columns).filter(|&column| of_columns[column] == Place::Basic).collect();
        let active: Vec<usize> = (0..lp.rows).filter(|&row| of_rows[row] != Place::Basic).collect();
        let matrix = active.iter().flat_map(|&row| basic.iter().map(move |&c| lp.row(row)[c]));
        let factors = Factors::of(matrix.collect(), basic.len())?;

        let right_hand_side = |&row: &usize| {
            let rest: f64 = lp.row(row).iter().zip(&values).map(|(a, x)| a * x).sum();
            at((lp.columns + row, &of_rows[row])) - rest
        };
        let solution = factors.solve(active.iter().map(right_hand_side).collect());
        for (&column, value) in basic.iter().zip(solution) {
            values[column] = onto_bound(value, lp.lower[column], lp.upper[column]);
        }

        let sign = if lp.maximizes { -1.0 } else { 1.0 };
        let basic_costs = basic.iter().map(|&column| sign * lp.costs[column]).collect();
        let mut duals = vec![0.0; lp.rows];
        for (&row, dual) in active.iter().zip(factors.solve_transposed(basic_costs)) {
            duals[row] = dual;
        }
        let mut reduced_costs: Vec<f64> = lp.costs.iter().map(|cost| sign * cost).collect();
        for &row in &active {
            for (cost, coefficient) in reduced_costs.iter_mut().zip(lp.row(row)) {
                *cost -= duals[row] * coefficient;
            }
        }
        for &column in &basic {
            reduced_costs[column] = 0.0;
        }
        Some(Self { values, duals, reduced_costs })
    }
}

/// A value, moved onto a bound that it differs from by rounding only.
fn onto_bound(value: f64, lower: f64, upper: f64) -> f64 {
    let is_at =
        |bound: &f64| bound.is_finite() && (value - bound).abs() <= ROUNDING * bound.abs().max(1.0);
    [lower, upper].into_iter().find(is_at).unwrap_or(value)
}

/// P M = L U by Gaussian elimination with partial pivoting (Golub and Van Loan, Matrix
/// Computations, section 3.4).
struct Factors {
    size: usize,
    /// L below the diagonal, whose own diagonal is 1, and U; row by row.
    matrix: Vec<f64>,
    /// The row of M that each row is.
    order: Vec<usize>,
}

impl Factors {
    /// Factorises a square matrix; `None` if it is nearly singular.
    fn of(mut matrix: Vec<f64>, size: usize) -> Option<Self> {
        let largest = matrix.iter().fold(0.0_f64, |largest, entry| largest.max(entry.abs()));
        let mut order: Vec<usize> = (0..size).collect();
        for step in 0..size {
            let entry = |row: usize| matrix[row * size + step].abs();
            let pivot_row = (step..size).max_by(|&a, &b| entry(a).total_cmp(&entry(b)))?;
            let size_of_pivot = entry(pivot_row);
            if size_of_pivot.is_nan() || size_of_pivot <= MIN_PIVOT * largest {
                return None;
            }
            if pivot_row != step {
                order.swap(step, pivot_row);
                for column in 0..size {
                    matrix.swap(step * size + column, pivot_row * size + column);
                }
            }
            let (above, below) = matrix.split_at_mut((step + 1) * size);
            let pivot = &above[step * size..];
            for row in below.chunks_exact_mut(size) {
                row[step] /= pivot[step];
                let factor = row[step];
                for column in step + 1..size {
                    row[column] -= factor * pivot[column];
                }
            }
        }
        Some(Self { size, matrix, order })
    }

    fn entry(&self, row: usize, column: usize) -> f64 {
        self.matrix[row * self.size + column]
    }

    /// Solves M z = b.
    fn solve(&self, b: Vec<f64>) -> Vec<f64> {
        let mut z: Vec<f64> = self.order.iter().map(|&row| b[row]).collect();
        for row in 0..self.size {
            z[row] -= (0..row).map(|column| self.entry(row, column) * z[column]).sum::<f64>();
        }
        for row in (0..self.size).rev() {
            let rest = row + 1..self.size;
            z[row] -= rest.map(|column| self.entry(row, column) * z[column]).sum::<f64>();
            z[row] /= self.entry(row, row);
        }
        z
    }

    /// Solves Mᵀ z = b.
    fn solve_transposed(&self, b: Vec<f64>) -> Vec<f64> {
        let mut w = b;
        for row in 0..self.size {
            w[row] -= (0..row).map(|above| self.entry(above, row) * w[above]).sum::<f64>();
            w[row] /= self.entry(row, row);
        }
        for row in (0..self.size).rev() {
            let rest = row + 1..self.size;
            w[row] -= rest.map(|below| self.entry(below, row) * w[below]).sum::<f64>();
        }
        let mut z = vec![0.0; self.size];
        for (&row, value) in self.order.iter().zip(w) {
            z[row] = value;
        }
        z
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn factors_solve_both_systems() {
        // The first pivot is 0, so rows are exchanged.
        let matrix = vec![0.0, 2.0, 1.0, 4.0, 0.0, 1.0, 2.0, 1.0, 8.0];
        let factors = Factors::of(matrix.clone(), 3).unwrap();
        let z = [1.0, -2.0, 3.0];
        let product = |entry: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..3).map(|i| (0..3).map(|j| entry(i, j) * z[j]).sum()).collect()
        };
        let close = |found: Vec<f64>| found.iter().zip(z).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(factors.solve(product(&|i, j| matrix[3 * i + j]))));
        assert!(close(factors.solve_transposed(product(&|i, j| matrix[3 * j + i]))));
    }

    #[test]
    fn a_singular_matrix_has_no_factors() {
        assert!(Factors::of(vec![1.0, 2.0, 2.0, 4.0], 2).is_none());
        assert!(Factors::of(vec![1.0, 2.0, f64::NAN, 4.0], 2).is_none());
        assert!(Factors::of(Vec::new(), 0).is_some());
    }
}
