//! Checks the proof of a solver that a model is infeasible or unbounded, independently of any
//! solver. The messages `InfeasibilityProof` and `UnboundedRay` define what is computed.
//! Proofs are about the relaxation: integrality is ignored, and a semi-continuous variable
//! takes all values between 0 and its bounds.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use solvemesh::v1::{LinearModel, VariableKind};

use super::{sense, sum::Sum};
use crate::{
    domain::{Domain, kind},
    matrix::entries,
};

/// Minimum distance of a contradiction: it must hold when all bounds are widened by this
/// much. Also the largest remainder of a sum that should be 0, relative to its largest term.
const TOLERANCE: f64 = 1e-9;

/// Sums up to this, relative to their largest term, are rounding errors of terms that cancel.
const ROUNDING: f64 = 1e-13;

/// One of the two bounds of a constraint or variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    /// The constraint or variable that has the bound.
    pub of: BoundOwner,
    /// Whether it is the upper bound; else the lower one.
    pub upper: bool,
}

/// What a bound belongs to: a constraint or a variable, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoundOwner {
    /// A constraint.
    Constraint(usize),
    /// A variable.
    Variable(usize),
}

/// The entries of a proof or a ray as pairs of index and number, from the two arrays of its
/// message.
pub fn indexed(indices: &[i32], numbers: &[f64]) -> Vec<(usize, f64)> {
    // A negative index becomes one that no model has, so that the checks reject it.
    let indices = indices.iter().map(|&index| usize::try_from(index).unwrap_or(usize::MAX));
    indices.zip(numbers.iter().copied()).collect()
}

/// A verified contradiction between bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradiction {
    /// The constraints and their multipliers, scaled so that the largest absolute value is 1,
    /// with the signs that `InfeasibilityProof` defines.
    pub multipliers: Vec<(usize, f64)>,
    /// The bounds that contradict each other, ascending. No others are used.
    pub sides: Vec<Side>,
    /// How far all of these bounds can be widened at once before the contradiction ends.
    pub distance: f64,
}

/// The value of a bound.
pub fn bound(model: &LinearModel, side: Side) -> f64 {
    match (side.of, side.upper) {
        (BoundOwner::Constraint(row), false) => model.constraint_lower[row],
        (BoundOwner::Constraint(row), true) => model.constraint_upper[row],
        (BoundOwner::Variable(column), upper) => {
            let bounds = range(model, column);
            if upper { bounds.1 } else { bounds.0 }
        }
    }
}

/// Checks whether multipliers of constraints, or their negatives, prove that a model has no
/// solution, and returns the contradiction. With `among`, only those bounds are used. The
/// model must be in normal form.
pub fn contradiction(
    model: &LinearModel,
    multipliers: &[(usize, f64)],
    among: Option<&BTreeSet<Side>>,
) -> Option<Contradiction> {
    let multipliers = scaled(multipliers)?;
    // Sorted: the last index is the largest.
    if multipliers.last()?.0 >= model.constraint_lower.len() {
        return None;
    }
    let opposite = multipliers.iter().map(|&(row, y)| (row, -y)).collect();
    let finite = |side| {
        let bound = bound(model, side);
        let taken = bound.is_finite() && among.is_none_or(|among| among.contains(&side));
        taken.then_some(bound)
    };
    // Multipliers may follow the opposite sign convention.
    combine(model, multipliers, finite).or_else(|| combine(model, opposite, finite))
}

/// Detects a model whose bounds contradict each other without multipliers: the bounds of a
/// constraint or variable cross, no integer lies between the bounds of an integer variable, or
/// a constraint without terms excludes 0. Returns how far all bounds can be widened before
/// the last such contradiction ends; `None` if there is none.
pub fn trivial_contradiction(model: &LinearModel) -> Option<f64> {
    let rows = (0..model.constraint_lower.len()).map(|row| {
        let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
        // Half of the distance, because both bounds are widened.
        let crossed = (lower - upper) / 2.0;
        let empty = entries(model, row).next().is_none();
        if empty { crossed.max(lower).max(-upper) } else { crossed }
    });
    let columns = (0..model.variable_lower.len()).map(|column| {
        let (lower, upper) = range(model, column);
        let domain = Domain::of(model, column);
        if lower <= upper && domain.lower > domain.upper {
            // Until a bound reaches the next integer, below or above.
            return (lower - lower.floor()).min(upper.ceil() - upper);
        }
        (lower - upper) / 2.0
    });
    let distance = rows.chain(columns).fold(0.0, f64::max);
    (distance > 0.0).then_some(distance)
}

/// Adds up the constraints with their multipliers, and checks that no values within the
/// bounds of the variables satisfy the sum. `finite` returns a bound if it is finite and may
/// be used.
fn combine(
    model: &LinearModel,
    multipliers: Vec<(usize, f64)>,
    finite: impl Fn(Side) -> Option<f64>,
) -> Option<Contradiction> {
    let mut sides = Vec::new();
    let (mut excess, mut weight) = (Sum::default(), 0.0);
    let mut kept = Vec::with_capacity(multipliers.len());
    for (row, multiplier) in multipliers {
        let side = Side { of: BoundOwner::Constraint(row), upper: multiplier < 0.0 };
        match finite(side) {
            Some(bound) => {
                excess.add(multiplier * bound);
                weight += multiplier.abs();
                sides.push(side);
                kept.push((row, multiplier));
            }
            // A multiplier that is not negligible needs a bound. Others are left out.
            None if multiplier.abs() > TOLERANCE => return None,
            None => {}
        }
    }
    for (column, (sum, largest)) in transposed_product(model, &kept).into_iter().enumerate() {
        let slope = sum.value();
        // Terms that cancel: a nonzero rest would need a bound that the proof does not use.
        if slope.abs() <= ROUNDING * largest {
            continue;
        }
        let side = Side { of: BoundOwner::Variable(column), upper: slope > 0.0 };
        match finite(side) {
            Some(bound) => {
                excess.add(-slope * bound);
                weight += slope.abs();
                sides.push(side);
            }
            None if slope.abs() > TOLERANCE * largest => return None,
            None => {}
        }
    }
    let distance = excess.value() / weight;
    (distance >= TOLERANCE).then_some(Contradiction { multipliers: kept, sides, distance })
}

/// Computes Aᵀy, with the largest absolute value of each sum's terms.
fn transposed_product(model: &LinearModel, multipliers: &[(usize, f64)]) -> Vec<(Sum, f64)> {
    let mut sums = vec![(Sum::default(), 0.0_f64); model.variable_lower.len()];
    for &(row, multiplier) in multipliers {
        for (column, coefficient) in entries(model, row) {
            let (sum, largest) = &mut sums[column];
            let term = multiplier * coefficient;
            sum.add(term);
            *largest = largest.max(term.abs());
        }
    }
    sums
}

/// Checks that a direction of the variables never leaves a bound, however far it is followed,
/// and improves the objective. Returns it, scaled so that the largest step is 1, and the
/// change of the objective along it; `None` if it is no such direction. The model must be in
/// normal form.
pub fn improving_ray(
    model: &LinearModel,
    ray: &[(usize, f64)],
) -> Option<(Vec<(usize, f64)>, f64)> {
    // A ray has any length, but tolerances are absolute.
    let ray = scaled(ray)?;
    let mut steps = vec![0.0; model.variable_lower.len()];
    let (mut rate, mut largest) = (Sum::default(), 0.0_f64);
    for &(column, step) in &ray {
        *steps.get_mut(column)? = step;
        if leaves(step, range(model, column), TOLERANCE) {
            return None;
        }
        let term = model.objective[column] * step;
        rate.add(term);
        largest = largest.max(term.abs());
    }
    for row in 0..model.constraint_lower.len() {
        let (mut sum, mut largest) = (Sum::default(), 0.0_f64);
        for (column, coefficient) in entries(model, row) {
            let term = coefficient * steps[column];
            sum.add(term);
            largest = largest.max(term.abs());
        }
        let bounds = (model.constraint_lower[row], model.constraint_upper[row]);
        if leaves(sum.value(), bounds, TOLERANCE * largest) {
            return None;
        }
    }
    let rate = rate.value();
    (-sense(model) * rate > TOLERANCE * largest).then_some((ray, rate))
}

/// Whether steps of this size, repeated without end, leave a range.
fn leaves(step: f64, (lower, upper): (f64, f64), tolerance: f64) -> bool {
    (step < -tolerance && lower.is_finite()) || (step > tolerance && upper.is_finite())
}

/// The range of a variable's values without its gaps, because a proof is about the
/// relaxation. Bounds of integer variables are used as submitted, not rounded.
fn range(model: &LinearModel, column: usize) -> (f64, f64) {
    match kind(model, column) {
        VariableKind::SemiContinuous | VariableKind::SemiInteger => {
            Domain::of(model, column).hull()
        }
        _ => (model.variable_lower[column], model.variable_upper[column]),
    }
}

/// Scales entries so that the largest absolute value is 1, removes zeros, and sorts them by
/// index. `None` if no entry is left, a number is not finite, or an index occurs twice.
fn scaled(entries: &[(usize, f64)]) -> Option<Vec<(usize, f64)>> {
    let largest = entries.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
    if largest == 0.0 || entries.iter().any(|(_, value)| !value.is_finite()) {
        return None;
    }
    let mut scaled: Vec<_> = entries
        .iter()
        .map(|&(index, value)| (index, value / largest))
        .filter(|(_, value)| *value != 0.0)
        .collect();
    scaled.sort_by_key(|(index, _)| *index);
    scaled.windows(2).all(|pair| pair[0].0 != pair[1].0).then_some(scaled)
}
