//! The dictionary of the simplex method: a basis, and all variables by its nonbasic ones.
//!
//! It expresses each basic variable as `basic_i = sum_j t_ij nonbasic_j`, without constants, because
//! the activities of rows are variables with bounds of their own (Chvátal, Linear Programming,
//! chapters 2 and 8).

use super::lp::DenseLp;

/// How far a basic variable may be outside of its bounds, relative to the bound and at least 1.
const FEASIBILITY: f64 = 1e-10;

/// The place of a variable in a basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Basic.
    Basic,
    /// At its lower bound.
    Lower,
    /// At its upper bound.
    Upper,
    /// At 0, without bounds.
    Zero,
}

/// A basis, with all variables expressed by the nonbasic ones.
#[derive(Debug)]
pub(super) struct Dictionary<'a> {
    pub(super) lp: &'a DenseLp,
    /// `[m * n]` t, row by row.
    pub(super) table: Vec<f64>,
    /// `[n]` The reduced costs of the nonbasic variables.
    pub(super) costs: Vec<f64>,
    /// `[m]` The basic variables.
    pub(super) basic: Vec<usize>,
    /// `[n]` The nonbasic variables.
    pub(super) nonbasic: Vec<usize>,
    /// `[n + m]` The place of each variable.
    pub(super) places: Vec<Place>,
    /// `[n + m]` The value of each variable.
    pub(super) values: Vec<f64>,
}

impl<'a> Dictionary<'a> {
    /// The basis of the activities, with each column at the bound that its cost prefers.
    pub(super) fn new(lp: &'a DenseLp) -> Self {
        let size = lp.rows + lp.columns;
        let mut places = vec![Place::Basic; size];
        for (column, place) in places.iter_mut().take(lp.columns).enumerate() {
            *place = match (lp.lower[column].is_finite(), lp.upper[column].is_finite()) {
                (true, true) if lp.costs[column] < 0.0 => Place::Upper,
                (true, _) => Place::Lower,
                (false, true) => Place::Upper,
                (false, false) => Place::Zero,
            };
        }
        let mut dictionary = Self {
            lp,
            table: lp.matrix.clone(),
            costs: lp.costs.clone(),
            basic: (lp.columns..size).collect(),
            nonbasic: (0..lp.columns).collect(),
            places,
            values: vec![0.0; size],
        };
        for column in 0..lp.columns {
            dictionary.values[column] = dictionary.nonbasic_value(column);
        }
        dictionary.compute_basic_values();
        dictionary
    }

    /// The value of a nonbasic variable.
    pub(super) fn nonbasic_value(&self, variable: usize) -> f64 {
        match self.places[variable] {
            Place::Lower => self.lp.lower[variable],
            Place::Upper => self.lp.upper[variable],
            Place::Zero | Place::Basic => 0.0,
        }
    }

    /// Computes the values of the basic variables. Anew in each iteration, so that errors do not
    /// add up.
    pub(super) fn compute_basic_values(&mut self) {
        for (line, &basic) in self.table.chunks_exact(self.nonbasic.len()).zip(&self.basic) {
            let terms = line.iter().zip(&self.nonbasic);
            self.values[basic] = terms.map(|(t, &nonbasic)| t * self.values[nonbasic]).sum();
        }
    }

    /// The side on which a variable is outside of its bounds: the bound that it violates.
    pub(super) fn violated(&self, variable: usize) -> Option<Place> {
        let value = self.values[variable];
        let (lower, upper) = (self.lp.lower[variable], self.lp.upper[variable]);
        if value < lower - tolerance(lower) {
            Some(Place::Lower)
        } else if value > upper + tolerance(upper) {
            Some(Place::Upper)
        } else {
            None
        }
    }

    /// The costs of phase 1, which minimise the sum of the infeasibilities; `None` if there are
    /// none.
    pub(super) fn infeasibility_costs(&self) -> Option<Vec<f64>> {
        let mut costs = None;
        for (line, &basic) in self.table.chunks_exact(self.nonbasic.len()).zip(&self.basic) {
            let sign = match self.violated(basic) {
                Some(Place::Lower) => -1.0,
                Some(_) => 1.0,
                None => continue,
            };
            let costs = costs.get_or_insert_with(|| vec![0.0; line.len()]);
            for (cost, t) in costs.iter_mut().zip(line) {
                *cost += sign * t;
            }
        }
        costs
    }

    /// Exchanges a basic and a nonbasic variable.
    pub(super) fn pivot(&mut self, basic: usize, nonbasic: usize) {
        let width = self.nonbasic.len();
        let mut line = self.table[basic * width..(basic + 1) * width].to_vec();
        let pivot = line[nonbasic];
        for t in &mut line {
            *t /= -pivot;
        }
        line[nonbasic] = 1.0 / pivot;
        let substitute = |into: &mut [f64]| {
            let factor = into[nonbasic];
            if factor == 0.0 {
                return;
            }
            into[nonbasic] = 0.0;
            for (entry, t) in into.iter_mut().zip(&line) {
                *entry += factor * t;
            }
        };
        for (row, into) in self.table.chunks_exact_mut(width).enumerate() {
            if row == basic {
                into.copy_from_slice(&line);
            } else {
                substitute(into);
            }
        }
        substitute(&mut self.costs);
        std::mem::swap(&mut self.basic[basic], &mut self.nonbasic[nonbasic]);
    }
}

/// The tolerance of a bound; 0 for an infinite one.
pub(super) fn tolerance(bound: f64) -> f64 {
    if bound.is_finite() { FEASIBILITY * bound.abs().max(1.0) } else { 0.0 }
}
