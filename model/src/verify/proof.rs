//! The check of what a solver says about a model without a solution, or without a best
//! one, outside any solver: see `InfeasibilityProof` and `UnboundedRay` of the contract
//! for what is computed. Integers play no part in it; a semi-continuous variable is one
//! between 0 and its bounds.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use solvemesh::v1::{LinearModel, VariableKind};

use super::{sense, sum::Sum};
use crate::{
    domain::{Domain, kind},
    row::entries,
};

/// What a contradiction must be worth, as the least widening of all bounds that it
/// survives, and what rounding may leave of a number that should be 0, relative to the
/// largest term of its sum.
const TOLERANCE: f64 = 1e-9;

/// What is left of a sum whose terms cancel, relative to the largest of them.
const ROUNDING: f64 = 1e-13;

/// One of the two bounds of a constraint or variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    /// Whose.
    pub of: Of,
    /// Whether it is the upper one.
    pub upper: bool,
}

/// A constraint or a variable, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// A constraint.
    Constraint(usize),
    /// A variable.
    Variable(usize),
}

/// The entries of a proof or a ray as its message has them: indices, each with a number.
pub fn indexed(indices: &[i32], numbers: &[f64]) -> Vec<(usize, f64)> {
    // An index that is none names nothing that a model has.
    let indices = indices.iter().map(|&index| usize::try_from(index).unwrap_or(usize::MAX));
    indices.zip(numbers.iter().copied()).collect()
}

/// A contradiction between bounds, found to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradiction {
    /// The constraints and their multipliers, the largest of absolute value 1, with the
    /// sign of the contract.
    pub multipliers: Vec<(usize, f64)>,
    /// The bounds that contradict each other, ascending: no others are used.
    pub sides: Vec<Side>,
    /// By how much all of them may be widened at once.
    pub distance: f64,
}

/// The bound that a side stands for.
pub fn bound(model: &LinearModel, side: Side) -> f64 {
    match (side.of, side.upper) {
        (Of::Constraint(row), false) => model.constraint_lower[row],
        (Of::Constraint(row), true) => model.constraint_upper[row],
        (Of::Variable(column), upper) => {
            let bounds = range(model, column);
            if upper { bounds.1 } else { bounds.0 }
        }
    }
}

/// Whether these multipliers of constraints, or their opposites, prove that the model,
/// which must be in normal form, has no solution: by its bounds, or by those `among` them.
pub fn contradiction(
    model: &LinearModel,
    multipliers: &[(usize, f64)],
    among: Option<&BTreeSet<Side>>,
) -> Option<Contradiction> {
    let multipliers = scaled(multipliers)?;
    if multipliers.last()?.0 >= model.constraint_lower.len() {
        return None;
    }
    let opposite = multipliers.iter().map(|&(row, y)| (row, -y)).collect();
    let finite = |side| {
        let bound = bound(model, side);
        let taken = bound.is_finite() && among.is_none_or(|among| among.contains(&side));
        taken.then_some(bound)
    };
    weigh(model, multipliers, finite).or_else(|| weigh(model, opposite, finite))
}

/// By how much every bound of a model may be widened that contradicts itself without
/// multipliers, before it does not: the bounds of a constraint or variable are crossed, no
/// integer lies between those of an integer variable, or a constraint without terms
/// excludes 0. `None` where none of these is so.
pub fn contradiction_at_sight(model: &LinearModel) -> Option<f64> {
    let rows = (0..model.constraint_lower.len()).map(|row| {
        let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
        let crossed = (lower - upper) / 2.0;
        let empty = entries(model, row).next().is_none();
        if empty { crossed.max(lower).max(-upper) } else { crossed }
    });
    let columns = (0..model.variable_lower.len()).map(|column| {
        let (lower, upper) = range(model, column);
        let domain = Domain::of(model, column);
        if lower <= upper && domain.lower > domain.upper {
            // To the next integer below or above both.
            return (lower - lower.floor()).min(upper.ceil() - upper);
        }
        (lower - upper) / 2.0
    });
    let distance = rows.chain(columns).fold(0.0, f64::max);
    (distance > 0.0).then_some(distance)
}

/// Sums up; `finite` tells the bounds that may be used.
fn weigh(
    model: &LinearModel,
    multipliers: Vec<(usize, f64)>,
    finite: impl Fn(Side) -> Option<f64>,
) -> Option<Contradiction> {
    let mut sides = Vec::new();
    let (mut excess, mut weight) = (Sum::default(), 0.0);
    let mut kept = Vec::with_capacity(multipliers.len());
    for (row, multiplier) in multipliers {
        let side = Side { of: Of::Constraint(row), upper: multiplier < 0.0 };
        match finite(side) {
            Some(bound) => {
                excess.add(multiplier * bound);
                weight += multiplier.abs();
                sides.push(side);
                kept.push((row, multiplier));
            }
            None if multiplier.abs() > TOLERANCE => return None,
            None => {}
        }
    }
    for (column, (sum, largest)) in combined(model, &kept).into_iter().enumerate() {
        let slope = sum.value();
        if slope.abs() <= ROUNDING * largest {
            continue;
        }
        let side = Side { of: Of::Variable(column), upper: slope > 0.0 };
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

/// Aᵀy, with the largest absolute value of each sum's terms.
fn combined(model: &LinearModel, multipliers: &[(usize, f64)]) -> Vec<(Sum, f64)> {
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

/// A direction of the variables, the farthest step being 1, and what the objective
/// changes by along it, if it leaves no bound of the model, which must be in normal
/// form, and improves the objective.
pub fn improving_ray(
    model: &LinearModel,
    ray: &[(usize, f64)],
) -> Option<(Vec<(usize, f64)>, f64)> {
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

/// Whether steps of this size leave a range in the end.
fn leaves(step: f64, (lower, upper): (f64, f64), tolerance: f64) -> bool {
    (step < -tolerance && lower.is_finite()) || (step > tolerance && upper.is_finite())
}

/// The range of a variable's values, gaps in it aside: a proof is one of the relaxation, by
/// the bounds as submitted.
fn range(model: &LinearModel, column: usize) -> (f64, f64) {
    match kind(model, column) {
        VariableKind::SemiContinuous | VariableKind::SemiInteger => {
            Domain::of(model, column).hull()
        }
        _ => (model.variable_lower[column], model.variable_upper[column]),
    }
}

/// The entries in proportion, ascending, the largest of absolute value 1, and without
/// zeros; `None` where no entry is left or one is no number.
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
