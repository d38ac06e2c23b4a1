/// Computes `|bound - objective| / |objective|`. 0 if they are equal; `None` if only the
/// objective is 0, or if one of them is unknown or not finite.
pub fn relative_gap(objective: Option<f64>, bound: Option<f64>) -> Option<f64> {
    let (objective, bound) = (objective?, bound?);
    // Also where both are 0, which the quotient below can't express.
    if objective == bound {
        return Some(0.0);
    }
    finite((bound - objective).abs() / objective.abs())
}

/// Returns a number unless it is NaN or infinite, which solvers report for unknown values.
pub fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_relative_to_the_objective() {
        assert_eq!(relative_gap(Some(-4.0), Some(-5.0)), Some(0.25));
        assert_eq!(relative_gap(Some(0.0), Some(0.0)), Some(0.0));
        assert_eq!(relative_gap(Some(0.0), Some(-1.0)), None);
        assert_eq!(relative_gap(Some(1.0), Some(f64::INFINITY)), None);
        assert_eq!(relative_gap(Some(1.0), None), None);
    }
}
