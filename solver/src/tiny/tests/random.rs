//! Random tiny LPs, solved by the fast path and by HiGHS.

use solvemesh::{
    solver::v1::Outcome,
    v1::{LinearModel, ObjectiveSense, Solver, TerminationReason as Reason},
};
use solvemesh_model::verify::{
    Candidate,
    claim::{self, Gaps},
    verify,
};

use super::{solve, solved_by, termination};
use crate::{
    highs_solver::HighsSolver,
    samples::dense,
    tiny::eligible::{MAX_COLUMNS, MAX_ROWS},
};

const INF: f64 = f64::INFINITY;

/// Number of models of each family.
const MODELS: u64 = 1_500;

/// A source of random numbers (xorshift64*, Vigna 2016) that is the same in each run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number in [0, 1).
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index below `count`.
    fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count - 1)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

/// What the numbers of a model are like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    /// Small integers; many vertices are degenerate.
    Integers,
    /// Reals.
    Reals,
    /// Reals of very different size.
    BadlyScaled,
}

impl Family {
    /// A coefficient, cost or value.
    fn number(self, random: &mut Random) -> f64 {
        match self {
            Self::Integers => (random.unit() * 9.0).floor() - 4.0,
            Self::Reals => random.unit() * 20.0 - 10.0,
            Self::BadlyScaled => (random.unit() - 0.5) * 10_f64.powf(random.unit() * 8.0 - 4.0),
        }
    }

    /// A distance of 0 or more.
    fn distance(self, random: &mut Random) -> f64 {
        if random.chance(0.3) { 0.0 } else { self.number(random).abs() }
    }
}

/// A model around a point that is a solution of it, except in one case of twenty. Half of the models
/// are bounded by a box.
fn model(random: &mut Random, family: Family) -> LinearModel {
    let is_large = random.chance(0.1);
    let columns = 1 + random.below(if is_large { MAX_COLUMNS } else { 8 });
    let rows = random.below(if is_large { MAX_ROWS + 1 } else { 8 });
    let mut of = |count: usize| -> Vec<f64> {
        (0..count).map(|_| if random.chance(0.3) { 0.0 } else { family.number(random) }).collect()
    };
    let (costs, point) = (of(columns), of(columns));
    let mut lines: Vec<Vec<f64>> = (0..rows).map(|_| of(columns)).collect();
    if rows > 1 && random.chance(0.2) {
        lines[1] = lines[0].clone();
    }
    let has_box = random.chance(0.5);
    let is_broken = random.chance(0.05);
    let bounded = |random: &mut Random, value: f64, has_box: bool| {
        let (below, above) = (family.distance(random), family.distance(random));
        match random.below(if has_box { 4 } else { 10 }) {
            0 => (value, value),
            1..=3 => (value - below, value + above),
            4..=6 => (value - below, INF),
            7..=8 => (-INF, value + above),
            _ => (-INF, INF),
        }
    };
    let bounds: Vec<_> = point.iter().map(|value| bounded(random, *value, has_box)).collect();
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let activity: f64 = line.iter().zip(&point).map(|(a, x)| a * x).sum();
            let shift = if is_broken { family.number(random) } else { 0.0 };
            let (lower, upper) = bounded(random, activity + shift, false);
            (lower, line.as_slice(), upper)
        })
        .collect();
    let maximizes = random.chance(0.5);
    let sense = if maximizes { ObjectiveSense::Maximize } else { ObjectiveSense::Minimize };
    let model = dense(sense, &costs, &rows);
    let (variable_lower, variable_upper) = bounds.into_iter().unzip();
    let objective_offset = family.number(random);
    LinearModel { variable_lower, variable_upper, objective_offset, ..model }
}

/// How the models of a family were solved.
#[derive(Debug, Default)]
struct Shares {
    /// Those with an optimum.
    optimal: u64,
    /// Of these, those that the fast path solved.
    fast: u64,
    /// Of all, those that HiGHS solved and the fast path did not try or prove.
    by_highs: u64,
}

/// Solves a model with the choice left to the mesh, and by HiGHS, and compares the answers.
fn compare(highs_solver: &mut HighsSolver, model: &LinearModel, shares: &mut Shares) {
    let auto = solve(highs_solver, model, Solver::Auto);
    let highs = solve(highs_solver, model, Solver::Highs);
    let reason = termination(&highs).reason();
    if reason == Reason::Optimal {
        shares.optimal += 1;
    }
    if solved_by(&auto) != Solver::DenseSimplex {
        shares.by_highs += 1;
        assert_eq!(solved_by(&auto), Solver::Highs);
        assert_eq!(auto.values, highs.values, "{model:?}");
        assert_eq!(termination(&auto).reason(), reason, "{model:?}");
        return;
    }
    assert_eq!(reason, Reason::Optimal, "{model:?}\n{:?}", termination(&highs));
    shares.fast += 1;
    // The check of the worker, with the optimality conditions.
    let candidate =
        Candidate { values: &auto.values, duals: &auto.duals, reduced_costs: &auto.reduced_costs };
    let check = verify(model, candidate).unwrap();
    assert_eq!(claim::why_rejected(model, &check, None, Gaps::NONE), None, "{model:?}");
    let (one, other) = (check.objective, termination(&highs).objective.unwrap());
    let difference = (one - other).abs() / one.abs().max(other.abs()).max(1.0);
    // HiGHS uses its absolute tolerance of 1e-7, which in a badly scaled model may change the
    // objective by more.
    let is_exact = || check.worst_violation() < 1e-2 * worst_violation(model, &highs);
    assert!(difference <= 1e-7 || is_exact(), "{one} instead of {other}: {model:?}");
    let again = solve(highs_solver, model, Solver::Auto);
    assert_eq!((again.values, again.duals), (auto.values, auto.duals), "not deterministic");
}

/// The worst violation of an outcome.
fn worst_violation(model: &LinearModel, outcome: &Outcome) -> f64 {
    let Outcome { values, duals, reduced_costs, .. } = outcome;
    verify(model, Candidate { values, duals, reduced_costs }).unwrap().worst_violation()
}

fn shares(family: Family) -> Shares {
    let mut highs_solver = HighsSolver::default();
    let mut shares = Shares::default();
    for seed in 0..MODELS {
        let model = model(&mut Random::new(seed + 1), family);
        compare(&mut highs_solver, &model, &mut shares);
    }
    println!("{family:?}: {shares:?} of {MODELS}");
    assert!(shares.optimal >= MODELS / 3, "{shares:?}");
    shares
}

#[test]
fn random_lps_of_integers_agree_with_highs_and_take_the_fast_path() {
    let shares = shares(Family::Integers);
    assert!(shares.fast * 100 >= shares.optimal * 98, "{shares:?}");
}

#[test]
fn random_lps_of_reals_agree_with_highs_and_take_the_fast_path() {
    let shares = shares(Family::Reals);
    assert!(shares.fast * 100 >= shares.optimal * 98, "{shares:?}");
}

#[test]
fn badly_scaled_random_lps_agree_with_highs_or_are_left_to_it() {
    let shares = shares(Family::BadlyScaled);
    assert!(shares.fast * 100 >= shares.optimal * 90, "{shares:?}");
}
