//! A model as arrays whose shapes were checked: the only form in which a model reaches a solver.

use std::borrow::Cow;

use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};
use solvemesh_model::{Domain, ShapeError, check_shape, entries, is_submitted_as_lp, verify};

/// A model in normal form whose shapes were checked: all arrays of variables have the same
/// length, and so have those of constraints; the rows partition the entries; and every entry
/// refers to a variable that exists.
#[derive(Debug)]
pub(super) struct Arrays<'a> {
    model: &'a LinearModel,
    kinds: Vec<VariableKind>,
    /// The bounds of the [`Domain`]s; borrowed from the model if they are the same.
    lower: Cow<'a, [f64]>,
    upper: Cow<'a, [f64]>,
}

impl<'a> Arrays<'a> {
    /// Checks the shapes, and converts kinds and bounds to those of each variable's [`Domain`].
    ///
    /// # Errors
    ///
    /// When the model is not in normal form.
    pub(super) fn of(model: &'a LinearModel) -> Result<Self, ShapeError> {
        check_shape(model)?;
        let (mut lower, mut upper) =
            (Cow::from(&model.variable_lower), Cow::from(&model.variable_upper));
        let mut kinds = Vec::with_capacity(model.variable_kinds.len());
        for variable in 0..model.variable_kinds.len() {
            let domain = Domain::of(model, variable);
            kinds.push(domain.kind);
            // Most models need no change, and then nothing is copied.
            if (domain.lower, domain.upper) != (lower[variable], upper[variable]) {
                lower.to_mut()[variable] = domain.lower;
                upper.to_mut()[variable] = domain.upper;
            }
        }
        Ok(Self { model, kinds, lower, upper })
    }

    /// n, the number of variables.
    pub(super) fn variables(&self) -> usize {
        self.kinds.len()
    }

    /// m, the number of constraints.
    pub(super) fn constraints(&self) -> usize {
        self.model.constraint_lower.len()
    }

    /// The arrays themselves. Kinds and bounds of variables are as submitted: see
    /// [`Self::kinds`], [`Self::lower`] and [`Self::upper`].
    pub(super) fn model(&self) -> &'a LinearModel {
        self.model
    }

    /// The kind of each variable, never unspecified or binary.
    pub(super) fn kinds(&self) -> &[VariableKind] {
        &self.kinds
    }

    /// The lower bound of each variable.
    pub(super) fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// The upper bound of each variable.
    pub(super) fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// Whether the objective is maximised.
    pub(super) fn maximizes(&self) -> bool {
        self.model.sense == ObjectiveSense::Maximize as i32
    }

    /// Whether some variable is not continuous: see [`Self::is_discrete`].
    pub(super) fn is_mip(&self) -> bool {
        self.kinds.iter().any(|&kind| kind != VariableKind::Continuous)
    }

    /// Whether a variable is integer, semi-continuous or semi-integer.
    pub(super) fn is_discrete(&self, variable: usize) -> bool {
        self.kinds[variable] != VariableKind::Continuous
    }

    /// Whether a variable is semi-continuous or semi-integer: 0 or between its bounds.
    pub(super) fn is_semi(&self, variable: usize) -> bool {
        matches!(self.kinds[variable], VariableKind::SemiContinuous | VariableKind::SemiInteger)
    }

    /// Whether every variable was submitted as continuous. Only such a model has duals and a basis.
    pub(super) fn is_lp_as_submitted(&self) -> bool {
        is_submitted_as_lp(self.model)
    }

    /// Whether every variable has two finite bounds.
    #[cfg(any(feature = "cbc", feature = "scip"))]
    pub(super) fn is_bounded(&self) -> bool {
        let finite = |bounds: &[f64]| bounds.iter().all(|bound| bound.is_finite());
        finite(&self.lower) && finite(&self.upper)
    }

    /// The name of a variable, or `#` and its index if names were left out.
    pub(super) fn variable_name(&self, variable: usize) -> String {
        let index = || format!("#{variable}");
        self.model.variable_names.get(variable).cloned().unwrap_or_else(index)
    }

    /// The entries of a row: variable and coefficient.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        entries(self.model, row)
    }

    /// c - Aᵀy.
    pub(super) fn reduced_costs(&self, duals: &[f64]) -> Vec<f64> {
        verify::reduced_costs(self.model, duals)
    }

    /// c·x plus the offset, as a compensated sum.
    pub(super) fn objective_at(&self, values: &[f64]) -> f64 {
        verify::objective(self.model, values)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::samples::wyndor;

    #[test]
    fn model_in_normal_form_is_accepted() {
        let model = wyndor();
        let arrays = Arrays::of(&model).unwrap();
        assert_eq!((arrays.variables(), arrays.constraints()), (2, 3));
        assert_eq!(arrays.row(2).collect::<Vec<_>>(), [(0, 3.0), (1, 2.0)]);
        assert_eq!(arrays.objective_at(&[2.0, 6.0]), 3600.0);
    }

    #[test]
    fn semi_variable_with_crossed_bounds_is_0() {
        let model = LinearModel {
            variable_kinds: vec![VariableKind::SemiContinuous as i32; 2],
            variable_lower: vec![0.5, 2.0],
            variable_upper: vec![0.25, 3.0],
            ..wyndor()
        };
        let arrays = Arrays::of(&model).unwrap();
        assert_eq!(arrays.kinds(), [VariableKind::Continuous, VariableKind::SemiContinuous]);
        assert_eq!((arrays.lower(), arrays.upper()), (&[0.0, 2.0][..], &[0.0, 3.0][..]));
    }

    #[test]
    fn semi_variable_with_lower_bound_0_is_an_ordinary_one() {
        let kinds = [VariableKind::SemiContinuous, VariableKind::SemiInteger];
        let kinds = kinds.map(|kind| kind as i32).to_vec();
        let model = LinearModel { variable_kinds: kinds, ..wyndor() };
        let arrays = Arrays::of(&model).unwrap();
        assert_eq!(arrays.kinds(), [VariableKind::Continuous, VariableKind::Integer]);
        assert!(!arrays.is_lp_as_submitted());
    }
}
