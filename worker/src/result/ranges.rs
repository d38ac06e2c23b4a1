//! What the ends of ranges mean for the objective, computed from the model as submitted.

use solvemesh::{
    solver::v1::RangeEnds,
    v1::{Ranges, Solution},
};

/// A solution gets the ranges that the solver told of it.
///
/// # Errors
///
/// When there are not as many of them as there are numbers, or some are none.
pub(crate) fn tell(
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

/// Ranges around where the numbers are now, with what the objective changes by a unit of
/// each.
fn ranges(
    objective: f64,
    mut lower: Vec<f64>,
    mut upper: Vec<f64>,
    at: &[f64],
    rates: &[f64],
) -> Result<Ranges, &'static str> {
    let lengths = [lower.len(), upper.len(), rates.len()];
    if lengths.iter().any(|&length| length != at.len()) {
        return Err("the solver told too few or too many");
    }
    if lower.iter().chain(&upper).any(|end| end.is_nan()) {
        return Err("the solver told some that are no numbers");
    }
    // Rounding aside, every number is in its range.
    lower.iter_mut().zip(at).for_each(|(end, at)| *end = end.min(*at) + 0.0);
    upper.iter_mut().zip(at).for_each(|(end, at)| *end = end.max(*at) + 0.0);
    let objective_at = |ends: &[f64]| {
        let steps = ends.iter().zip(at).zip(rates);
        steps.map(|((end, at), rate)| objective + change(end - at, *rate)).collect()
    };
    let (objective_at_lower, objective_at_upper) = (objective_at(&lower), objective_at(&upper));
    Ok(Ranges { lower, upper, objective_at_lower, objective_at_upper })
}

/// An infinite step at no rate changes nothing.
fn change(step: f64, rate: f64) -> f64 {
    if rate == 0.0 { 0.0 } else { step * rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn the_objective_at_an_end_follows_from_the_rate() {
        let told =
            ranges(10.0, vec![1.0, -INF, -INF], vec![5.0, INF, INF], &[2.0; 3], &[3.0, 0.0, -1.0])
                .expect("ranges");
        assert_eq!(told.objective_at_lower, [7.0, 10.0, INF]);
        assert_eq!(told.objective_at_upper, [19.0, 10.0, -INF]);
    }

    #[test]
    fn what_no_bound_holds_stays_where_it_is() {
        let told = ranges(10.0, vec![INF], vec![-INF], &[2.0], &[0.0]).expect("ranges");
        assert_eq!((told.lower, told.upper), (vec![2.0], vec![2.0]));
        assert_eq!((told.objective_at_lower, told.objective_at_upper), (vec![10.0], vec![10.0]));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(ranges(0.0, vec![0.0], vec![0.0], &[0.0; 2], &[0.0; 2]).is_err());
        assert!(ranges(0.0, vec![f64::NAN], vec![0.0], &[0.0], &[0.0]).is_err());
    }
}
