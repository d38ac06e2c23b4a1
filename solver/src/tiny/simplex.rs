//! The primal simplex method with bounded variables, on a dense dictionary.
//!
//! Phase 1 minimises the sum of the infeasibilities, phase 2 the objective (Chvátal, Linear
//! Programming, chapter 8). The result is only a proposal, so there are no safeguards but a limit on
//! the iterations.

use super::{
    dictionary::{Dictionary, Place, tolerance},
    lp::DenseLp,
};

/// How large an improving reduced cost may be, relative to the largest cost or 1 if that is less.
const OPTIMALITY: f64 = 1e-9;

/// Minimum absolute value of a pivot, and of a rate at which a basic variable changes.
const MIN_PIVOT: f64 = 1e-9;

/// A basis that is optimal up to rounding.
#[derive(Clone, Debug)]
pub(super) struct OptimalBasis {
    /// `[n + m]` The place of each variable.
    pub places: Vec<Place>,
    /// The number of iterations that it took.
    pub iterations: i64,
}

/// An optimal basis of an LP; `None` if the model is infeasible or unbounded, or if this takes too
/// many iterations.
pub(super) fn optimal_basis(lp: &DenseLp) -> Option<OptimalBasis> {
    let mut dictionary = Dictionary::new(lp);
    let size = lp.rows + lp.columns;
    for iteration in 0..20 + 10 * size {
        let infeasible = dictionary.infeasibility_costs();
        let costs = infeasible.as_deref().unwrap_or(&dictionary.costs);
        // After many iterations, perhaps a cycle: Bland's rule ends it.
        let rule = if iteration < 3 * size { Rule::Largest } else { Rule::First };
        let Some(entering) = dictionary.entering(costs, infeasible.is_some(), rule) else {
            return infeasible.is_none().then(|| OptimalBasis {
                places: dictionary.places,
                iterations: i64::try_from(iteration).unwrap_or(i64::MAX),
            });
        };
        dictionary.step(entering, rule)?;
    }
    None
}

/// Which variable enters or leaves the basis, if several may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The one with the largest reduced cost, or the largest pivot (Dantzig).
    Largest,
    /// The first one by its number (Bland 1977), with which the method does not cycle.
    First,
}

/// A nonbasic variable that is to change.
#[derive(Clone, Copy, Debug)]
struct Entering {
    /// Its position among the nonbasic ones.
    position: usize,
    /// 1 if it increases, -1 if it decreases.
    direction: f64,
}

/// What limits the change of an entering variable.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// The position of the basic variable that leaves.
    position: usize,
    /// The bound at which it leaves.
    place: Place,
    /// The size of the change.
    step: f64,
    /// The same, if bounds were wider by their tolerance.
    relaxed_step: f64,
    /// The absolute value of the pivot.
    pivot: f64,
}

impl Dictionary<'_> {
    /// The nonbasic variable whose change improves `costs`; `None` if there is none.
    fn entering(&self, costs: &[f64], is_phase_1: bool, rule: Rule) -> Option<Entering> {
        let largest = self.lp.costs.iter().fold(0.0_f64, |largest, cost| largest.max(cost.abs()));
        let unit = if is_phase_1 { 1.0 } else { largest.min(1.0) };
        let improving = (0..costs.len()).filter_map(|position| {
            let variable = self.nonbasic[position];
            let may_change = match self.places[variable] {
                _ if self.lp.is_fixed(variable) => false,
                Place::Lower => costs[position] < 0.0,
                Place::Upper => costs[position] > 0.0,
                Place::Zero => true,
                Place::Basic => false,
            };
            let is_large = costs[position].abs() > OPTIMALITY * unit;
            let direction = if costs[position] < 0.0 { 1.0 } else { -1.0 };
            (may_change && is_large).then_some(Entering { position, direction })
        });
        match rule {
            Rule::First => improving.min_by_key(|entering| self.nonbasic[entering.position]),
            Rule::Largest => improving.reduce(|best, other| {
                let size = |entering: &Entering| costs[entering.position].abs();
                if size(&other) > size(&best) { other } else { best }
            }),
        }
    }

    /// Changes the entering variable as far as the bounds allow; `None` if nothing limits it.
    fn step(&mut self, entering: Entering, rule: Rule) -> Option<()> {
        let variable = self.nonbasic[entering.position];
        let span = self.lp.upper[variable] - self.lp.lower[variable];
        match self.block(entering, rule) {
            Some(block) if block.step < span => {
                let leaving = self.basic[block.position];
                self.values[variable] += entering.direction * block.step;
                self.pivot(block.position, entering.position);
                self.places[variable] = Place::Basic;
                self.places[leaving] = block.place;
                self.values[leaving] = self.nonbasic_value(leaving);
            }
            _ if span.is_finite() => {
                self.places[variable] =
                    if entering.direction > 0.0 { Place::Upper } else { Place::Lower };
                self.values[variable] = self.nonbasic_value(variable);
            }
            _ => return None,
        }
        self.compute_basic_values();
        Some(())
    }

    /// The basic variable that limits a change. Of those that reach a bound at nearly the same
    /// step, that with the largest pivot (Harris 1973).
    fn block(&self, entering: Entering, rule: Rule) -> Option<Block> {
        let blocks = || (0..self.basic.len()).filter_map(|basic| self.block_by(basic, entering));
        let limit = blocks().map(|block| block.relaxed_step).reduce(f64::min)?;
        let candidates = blocks().filter(|block| block.step <= limit);
        match rule {
            Rule::First => candidates.min_by_key(|block| self.basic[block.position]),
            Rule::Largest => {
                candidates.reduce(|best, other| if other.pivot > best.pivot { other } else { best })
            }
        }
    }

    /// How a basic variable limits a change. An infeasible one does so at the bound that it
    /// violates, where it becomes feasible.
    fn block_by(&self, position: usize, entering: Entering) -> Option<Block> {
        let basic = self.basic[position];
        let entry = self.table[position * self.nonbasic.len() + entering.position];
        let rate = entry * entering.direction;
        if rate.abs() <= MIN_PIVOT {
            return None;
        }
        let place = match (self.violated(basic), rate > 0.0) {
            (None, true) | (Some(Place::Upper), false) => Place::Upper,
            (None, false) | (Some(Place::Lower), true) => Place::Lower,
            // It moves away from the bound that it violates.
            (Some(_), _) => return None,
        };
        let bound = if place == Place::Lower { self.lp.lower[basic] } else { self.lp.upper[basic] };
        if bound.is_infinite() {
            return None;
        }
        let step = ((bound - self.values[basic]) / rate).max(0.0);
        let relaxed_step = step + tolerance(bound) / rate.abs();
        Some(Block { position, place, step, relaxed_step, pivot: rate.abs() })
    }
}
