use solvemesh::v1::{LinearModel, VariableKind};

/// Tolerance when bounds of integer variables are rounded to integers: bounds that were
/// computed have rounding errors, and solvers allow as much.
const ROUNDING: f64 = 1e-6;

/// The values that a variable can take, in the simplest form: semi-continuous and
/// semi-integer variables only where 0 is separate from their other values, and bounds of
/// integers as integers.
///
/// Solvers are given this form, because they get the other cases wrong: HiGHS reports
/// crossed semi-continuous bounds as infeasible, and misses optima where an integer
/// variable has a bound like 1.75.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Domain {
    /// Continuous, integer, semi-continuous or semi-integer; the last two only with
    /// `0 < lower <= upper`, so that 0 is separate from the other values.
    pub kind: VariableKind,
    /// The lower bound.
    pub lower: f64,
    /// The upper bound. Below `lower` only for continuous and integer variables: such a
    /// model is infeasible, perhaps because no integer lies between the bounds.
    pub upper: f64,
}

impl Domain {
    /// Computes the domain of a variable. The model must be in normal form.
    ///
    /// A semi-continuous variable is 0 or within its bounds: with crossed bounds it is 0,
    /// and with 0 within its bounds it is an ordinary variable. The bounds of a semi-integer
    /// variable are rounded to integers first, and with a lower bound of 1 it is an ordinary
    /// integer variable with a lower bound of 0.
    pub fn of(model: &LinearModel, column: usize) -> Self {
        let (lower, upper) = (model.variable_lower[column], model.variable_upper[column]);
        let kind = kind(model, column);
        // `+ 0.0` turns -0.0 into 0.0.
        let whole = || ((lower - ROUNDING).ceil() + 0.0, (upper + ROUNDING).floor() + 0.0);
        match kind {
            VariableKind::SemiContinuous => Self::semi(VariableKind::Continuous, lower, upper),
            VariableKind::SemiInteger => {
                let (lower, upper) = whole();
                // 0 and the integers from 1 on have no gap between them.
                if lower == 1.0 && upper >= 1.0 {
                    return Self { kind: VariableKind::Integer, lower: 0.0, upper };
                }
                Self::semi(VariableKind::Integer, lower, upper)
            }
            VariableKind::Binary | VariableKind::Integer => {
                let (lower, upper) = whole();
                Self { kind: VariableKind::Integer, lower, upper }
            }
            VariableKind::Unspecified | VariableKind::Continuous => {
                Self { kind: VariableKind::Continuous, lower, upper }
            }
        }
    }

    /// The domain of a variable that is 0, or a value of `kind` within the bounds.
    fn semi(kind: VariableKind, lower: f64, upper: f64) -> Self {
        // No value is between the bounds, so only the 0 is left.
        if lower > upper {
            return Self { kind: VariableKind::Continuous, lower: 0.0, upper: 0.0 };
        }
        // Not -0.0, see above.
        let (lower, upper) = (lower + 0.0, upper + 0.0);
        if lower <= 0.0 && upper >= 0.0 {
            return Self { kind, lower, upper };
        }
        let kind = match kind {
            VariableKind::Integer => VariableKind::SemiInteger,
            _ => VariableKind::SemiContinuous,
        };
        Self { kind, lower, upper }
    }

    /// Whether the variable can take every value between its bounds.
    pub fn is_continuous(&self) -> bool {
        self.kind == VariableKind::Continuous
    }

    /// Whether the variable can take the value 0, which is not between its bounds.
    pub fn is_semi(&self) -> bool {
        matches!(self.kind, VariableKind::SemiContinuous | VariableKind::SemiInteger)
    }

    /// The smallest interval that contains all of its values.
    pub fn hull(&self) -> (f64, f64) {
        if self.is_semi() {
            (self.lower.min(0.0), self.upper.max(0.0))
        } else {
            (self.lower, self.upper)
        }
    }
}

/// The declared kind of a variable.
pub(crate) fn kind(model: &LinearModel, column: usize) -> VariableKind {
    let kind = model.variable_kinds.get(column).copied().unwrap_or_default();
    VariableKind::try_from(kind).unwrap_or_default()
}

/// Whether a model in normal form was submitted as a linear program: every variable is
/// declared continuous.
pub fn is_submitted_as_lp(model: &LinearModel) -> bool {
    model.variable_kinds.iter().all(|&kind| kind == VariableKind::Continuous as i32)
}

/// Whether a model in normal form is a linear program: every variable can take every value
/// between its bounds, whatever its declared kind.
pub fn is_linear_program(model: &LinearModel) -> bool {
    (0..model.variable_lower.len()).all(|column| Domain::of(model, column).is_continuous())
}

#[cfg(test)]
mod tests {
    use VariableKind::{Continuous, Integer, SemiContinuous, SemiInteger};

    use super::*;

    fn domain(kind: VariableKind, lower: f64, upper: f64) -> (VariableKind, f64, f64) {
        let model = LinearModel {
            variable_lower: vec![lower],
            variable_upper: vec![upper],
            variable_kinds: vec![kind as i32],
            ..LinearModel::default()
        };
        let Domain { kind, lower, upper } = Domain::of(&model, 0);
        (kind, lower, upper)
    }

    #[test]
    fn continuous_variables_stay_as_they_are_crossed_or_not() {
        assert_eq!(domain(Continuous, 0.5, 0.25), (Continuous, 0.5, 0.25));
        let open = f64::INFINITY;
        assert_eq!(domain(Continuous, -1.5, open), (Continuous, -1.5, open));
    }

    #[test]
    fn bounds_of_integers_are_integers() {
        assert_eq!(domain(Integer, -1.5, 2.75), (Integer, -1.0, 2.0));
        assert_eq!(domain(Integer, 1.000_000_1, 2.999_999_9), (Integer, 1.0, 3.0));
        assert_eq!(domain(Integer, f64::NEG_INFINITY, 1e19), (Integer, f64::NEG_INFINITY, 1e19));
        assert_eq!(domain(Integer, 0.25, 0.75), (Integer, 1.0, 0.0));
    }

    #[test]
    fn a_semi_variable_without_values_between_its_bounds_is_0() {
        let zero = (Continuous, 0.0, 0.0);
        assert_eq!(domain(SemiContinuous, 0.5, 0.25), zero);
        assert_eq!(domain(SemiContinuous, 0.0, -1.0), zero);
        assert_eq!(domain(SemiInteger, 3.0, 2.0), zero);
        assert_eq!(domain(SemiInteger, 2.25, 2.75), zero);
    }

    #[test]
    fn a_semi_variable_with_0_between_its_bounds_is_an_ordinary_one() {
        assert_eq!(domain(SemiContinuous, 0.0, 4.0), (Continuous, 0.0, 4.0));
        assert_eq!(domain(SemiInteger, -0.0, 4.5), (Integer, 0.0, 4.0));
        assert_eq!(domain(SemiInteger, 0.25, 4.0), (Integer, 0.0, 4.0));
    }

    #[test]
    fn the_bounds_of_a_semi_integer_variable_are_integers() {
        assert_eq!(domain(SemiInteger, 1.5, 4.5), (SemiInteger, 2.0, 4.0));
        assert_eq!(domain(SemiInteger, 2.0 + 1e-12, 4.0 - 1e-12), (SemiInteger, 2.0, 4.0));
        assert_eq!(domain(SemiContinuous, 1.5, 4.5), (SemiContinuous, 1.5, 4.5));
    }
}
