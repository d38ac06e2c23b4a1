//! Sensitivity ranges: adds the objective at the ends of each range, computed from the model as
//! submitted.

use solvemesh::{
    solver::v1::RangeEnds,
    v1::{SensitivityRanges, Solution},
};

/// Adds the ranges that the solver reported to a solution. `costs` are the objective coefficients,
/// `objective` is the objective of the solution.
///
/// # Errors
///
/// If the number of ranges does not match the solution, or an end is NaN.
pub(crate) fn add_ranges(
    solution: &mut Solution,
    ends: RangeEnds,
    costs: &[f64],
    objective: f64,
) -> Result<(), &'static str> {
    let RangeEnds { cost_lower, cost_upper, bound_lower, bound_upper, row_lower, row_upper } = ends;
    let Solution { values, reduced_costs, activities, duals, .. } = &*solution;
    let of = |lower, upper, at: &[f64], rates: &[f64]| ranges(objective, lower, upper, at, rates);
    let cost_ranges = of(cost_lower, cost_upper, costs, values)?;
    let bound_ranges = of(bound_lower, bound_upper, values, reduced_costs)?;
    let right_hand_side_ranges = of(row_lower, row_upper, activities, duals)?;
    solution.cost_ranges = Some(cost_ranges);
    solution.bound_ranges = Some(bound_ranges);
    solution.right_hand_side_ranges = Some(right_hand_side_ranges);
    Ok(())
}

/// Ranges of the numbers whose current values are `at`. `rates` are the changes of the objective
/// per unit of each.
fn ranges(
    objective: f64,
    mut lower: Vec<f64>,
    mut upper: Vec<f64>,
    at: &[f64],
    rates: &[f64],
) -> Result<SensitivityRanges, &'static str> {
    let lengths = [lower.len(), upper.len(), rates.len()];
    if lengths.iter().any(|&length| length != at.len()) {
        return Err("the solver reported the wrong number of them");
    }
    if lower.iter().chain(&upper).any(|end| end.is_nan()) {
        return Err("the solver reported NaN in some of them");
    }
    // A range contains the current value: corrects rounding errors, and makes the range of a
    // basic variable, which the solver encodes as lower > upper, that value alone.
    lower.iter_mut().zip(at).for_each(|(end, at)| *end = end.min(*at) + 0.0);
    upper.iter_mut().zip(at).for_each(|(end, at)| *end = end.max(*at) + 0.0);
    let objective_at = |ends: &[f64]| {
        let steps = ends.iter().zip(at).zip(rates);
        steps.map(|((end, at), rate)| objective + change(end - at, *rate)).collect()
    };
    let (objective_at_lower, objective_at_upper) = (objective_at(&lower), objective_at(&upper));
    Ok(SensitivityRanges { lower, upper, objective_at_lower, objective_at_upper })
}

/// The change of the objective. An infinite step at rate 0 is no change, and not NaN.
fn change(step: f64, rate: f64) -> f64 {
    if rate == 0.0 { 0.0 } else { step * rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn the_objective_at_an_end_is_computed_from_the_rate() {
        let computed =
            ranges(10.0, vec![1.0, -INF, -INF], vec![5.0, INF, INF], &[2.0; 3], &[3.0, 0.0, -1.0])
                .expect("ranges");
        assert_eq!(computed.objective_at_lower, [7.0, 10.0, INF]);
        assert_eq!(computed.objective_at_upper, [19.0, 10.0, -INF]);
    }

    #[test]
    fn a_basic_variable_has_a_range_of_its_value_alone() {
        let computed = ranges(10.0, vec![INF], vec![-INF], &[2.0], &[0.0]).expect("ranges");
        assert_eq!((computed.lower, computed.upper), (vec![2.0], vec![2.0]));
        assert_eq!(
            (computed.objective_at_lower, computed.objective_at_upper),
            (vec![10.0], vec![10.0])
        );
    }

    #[test]
    fn invalid_ranges_are_rejected() {
        assert!(ranges(0.0, vec![0.0], vec![0.0], &[0.0; 2], &[0.0; 2]).is_err());
        assert!(ranges(0.0, vec![f64::NAN], vec![0.0], &[0.0], &[0.0]).is_err());
    }
}
