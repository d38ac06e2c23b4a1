//! Irreducible infeasible subsets, found with a deletion filter (Chinneck and Dravnieks 1991).
//!
//! The filter starts with the bounds that a proof of infeasibility uses, and drops each bound
//! without which the others are still infeasible. The support of a ray that is a vertex, as those
//! of the simplex method are, usually has no superfluous bound (Gleeson and Ryan 1990), so most
//! of the work is to confirm that.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solvemesh::v1::{BoundSide, InfeasibleSubset, LinearModel, SubsetBound, VariableKind};
use solvemesh_model::verify::proof::{BoundOwner, Contradiction, Side, bound, contradiction};

use super::{
    arrays::Arrays,
    highs::{CallbackEvent, Highs, ModelStatus, Scale, Value},
    highs_solver::run_within,
    report::Monitor,
    settings::PRIMAL_SIMPLEX,
};

/// Drops bounds from a contradiction until every bound is needed. Returns false with the result
/// if that is not known for all of them: the time ran out, or a solve was inconclusive.
pub(super) fn reduce(
    arrays: &Arrays<'_>,
    mut found: Contradiction,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> (Contradiction, bool) {
    let mut highs = Highs::new();
    let mut irreducible = true;
    let mut needed = BTreeSet::new();
    while let Some(&candidate) = found.sides.iter().find(|side| !needed.contains(*side)) {
        let rest: BTreeSet<_> =
            found.sides.iter().copied().filter(|side| *side != candidate).collect();
        let submodel = Submodel::of(arrays.model(), &rest);
        match submodel.solve(&mut highs, time_limit, monitor) {
            // Feasible without the candidate.
            Some(ModelStatus::Optimal) => {
                needed.insert(candidate);
            }
            Some(ModelStatus::Infeasible) => {
                match submodel.contradiction(&mut highs, arrays.model(), &rest, monitor) {
                    Some(smaller) => found = smaller,
                    // Infeasible without the candidate, but no proof of it holds.
                    None => {
                        irreducible = false;
                        needed.insert(candidate);
                    }
                }
            }
            _ => return (found, false),
        }
    }
    (found, irreducible)
}

/// Bounds that contradict each other without any multipliers: the crossed bounds of a variable or
/// constraint, or the bound of an empty constraint that excludes 0.
pub(super) fn trivial(arrays: &Arrays<'_>) -> Option<Vec<Side>> {
    let model = arrays.model();
    let crossed = |lower: &[f64], upper: &[f64]| lower.iter().zip(upper).position(|(l, u)| l > u);
    let both = |of| vec![Side { of, upper: false }, Side { of, upper: true }];
    if let Some(column) = crossed(arrays.lower(), arrays.upper()) {
        // Bounds that cross only after rounding to integers don't contradict each other in the
        // relaxation.
        let crossed_as_submitted = model.variable_lower[column] > model.variable_upper[column];
        return crossed_as_submitted.then(|| both(BoundOwner::Variable(column)));
    }
    if let Some(row) = crossed(&model.constraint_lower, &model.constraint_upper) {
        return Some(both(BoundOwner::Constraint(row)));
    }
    let bounds = model.constraint_lower.iter().zip(&model.constraint_upper);
    let empty = |row: &usize| arrays.row(*row).next().is_none();
    bounds.enumerate().find_map(|(row, (&lower, &upper))| {
        let excludes_zero = (lower > 0.0 || upper < 0.0) && empty(&row);
        excludes_zero.then(|| vec![Side { of: BoundOwner::Constraint(row), upper: upper < 0.0 }])
    })
}

/// The message for a subset. The worker adds the names and verifies it.
pub(super) fn to_message(
    model: &LinearModel,
    sides: &[Side],
    irreducible: bool,
) -> InfeasibleSubset {
    let mut subset = InfeasibleSubset { irreducible, ..InfeasibleSubset::default() };
    for &side in sides {
        let (index, bounds) = match side.of {
            BoundOwner::Constraint(row) => (row, &mut subset.constraints),
            BoundOwner::Variable(column) => (column, &mut subset.variables),
        };
        bounds.push(SubsetBound {
            index: index as i32,
            side: if side.upper { BoundSide::Upper } else { BoundSide::Lower } as i32,
            bound: Some(bound(model, side)),
            ..SubsetBound::default()
        });
    }
    subset
}

/// The constraints of some sides and the variables in them, with these sides as their only bounds.
/// It has no objective.
struct Submodel {
    model: LinearModel,
    /// For each row, the index of its constraint in the whole model.
    rows: Vec<usize>,
}

impl Submodel {
    fn of(whole: &LinearModel, sides: &BTreeSet<Side>) -> Self {
        // A bound that is not among the sides is infinite.
        const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut rows = BTreeMap::new();
        let mut bounds = BTreeMap::new();
        for &side in sides {
            let range = match side.of {
                BoundOwner::Constraint(row) => rows.entry(row).or_insert(FREE),
                BoundOwner::Variable(column) => bounds.entry(column).or_insert(FREE),
            };
            let end = if side.upper { &mut range.1 } else { &mut range.0 };
            *end = bound(whole, side);
        }
        let mut submodel = Self {
            model: LinearModel { row_starts: vec![0], ..LinearModel::default() },
            rows: rows.keys().copied().collect(),
        };
        let mut columns = BTreeMap::new();
        for (row, (lower, upper)) in rows {
            let entries = whole.row_starts[row] as usize..whole.row_starts[row + 1] as usize;
            for entry in entries {
                let column = whole.column_indices[entry] as usize;
                let range = bounds.get(&column).copied().unwrap_or(FREE);
                let next = columns.len() as i32;
                let index = *columns.entry(column).or_insert_with(|| {
                    submodel.model.variable_lower.push(range.0);
                    submodel.model.variable_upper.push(range.1);
                    next
                });
                submodel.model.column_indices.push(index);
                submodel.model.coefficients.push(whole.coefficients[entry]);
            }
            submodel.model.row_starts.push(submodel.model.coefficients.len() as i32);
            submodel.model.constraint_lower.push(lower);
            submodel.model.constraint_upper.push(upper);
        }
        submodel.model.objective = vec![0.0; columns.len()];
        submodel.model.variable_kinds = vec![VariableKind::Continuous as i32; columns.len()];
        submodel
    }

    /// Solves the submodel; an optimum means that it has a solution. `None` if no time is left.
    fn solve(
        &self,
        highs: &mut Highs,
        time_limit: Option<Duration>,
        monitor: &Monitor<'_>,
    ) -> Option<ModelStatus> {
        if self.model.objective.is_empty() {
            // All rows are empty, so their activities are 0.
            let bounds = self.model.constraint_lower.iter().zip(&self.model.constraint_upper);
            let holds = bounds.into_iter().all(|(&lower, &upper)| lower <= 0.0 && upper >= 0.0);
            return Some(if holds { ModelStatus::Optimal } else { ModelStatus::Infeasible });
        }
        // The last submodel may have changed options, see below.
        highs.reset();
        highs.pass(&Arrays::of(&self.model).ok()?, Scale::default()).ok()?;
        match run_within(highs, time_limit, monitor)? {
            ModelStatus::Unknown => {
                // The dual simplex method failed numerically: try the primal one, without small
                // coefficients, which make the basis ill-conditioned.
                highs.set("simplex_strategy", &Value::Int(PRIMAL_SIMPLEX)).ok()?;
                highs.set("small_matrix_value", &Value::Double(1e-9)).ok()?;
                highs.pass(&Arrays::of(&self.model).ok()?, Scale::default()).ok()?;
                run_within(highs, time_limit, monitor)
            }
            status => Some(status),
        }
    }

    /// The contradiction in this submodel, in terms of the whole model, after HiGHS found it
    /// infeasible. `None` if no ray proves that.
    fn contradiction(
        &self,
        highs: &mut Highs,
        whole: &LinearModel,
        sides: &BTreeSet<Side>,
        monitor: &Monitor<'_>,
    ) -> Option<Contradiction> {
        let proven = |ray: Vec<f64>| {
            let multipliers: Vec<_> = self.rows.iter().copied().zip(ray).collect();
            contradiction(whole, &multipliers, Some(sides))
        };
        let observe = |event: CallbackEvent<'_>| monitor.observe(event);
        highs.dual_ray(&observe).and_then(proven).or_else(|| {
            // There is no ray, or it is too inexact: the primal simplex method may find another.
            highs.set("simplex_strategy", &Value::Int(PRIMAL_SIMPLEX)).ok()?;
            highs.set("presolve", &Value::Text("off".to_owned())).ok()?;
            highs.clear_basis();
            highs.run(&observe);
            highs.dual_ray(&observe).and_then(proven)
        })
    }
}
