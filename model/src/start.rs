//! Validates a start (values or a basis from which a solve begins) against its model.

use std::collections::HashMap;

use solvemesh::v1::{Basis, BasisStatus, LinearModel, StartingPoint};

use crate::{Fault, FaultKind, Faults, domain::is_submitted_as_lp, findings::truncate_message};

/// Converts a start to normal form: values by ascending index, without names. Returns `None`
/// for one that has neither values nor a basis. `model` must be in normal form.
///
/// # Errors
///
/// Returns the first error found.
pub fn normalise_start(
    start: &StartingPoint,
    model: &LinearModel,
) -> Result<Option<StartingPoint>, Faults> {
    let discrete = !is_submitted_as_lp(model);
    let values = values(start, model)?;
    if !values.is_empty() && !discrete {
        let wrong = "applies only to models with integers; an LP starts from a basis";
        return Err(fault("starts[0].values", wrong));
    }
    if let Some(basis) = &start.basis {
        if discrete {
            let wrong = "applies only to LPs; a model with integers starts from values";
            return Err(fault("starts[0].basis", wrong));
        }
        check(basis, model)?;
    }
    let (variable_indices, values): (Vec<i32>, Vec<f64>) = values.into_iter().unzip();
    let basis = start.basis.clone();
    // An empty start is the same as none.
    let has_content = basis.is_some() || !values.is_empty();
    let normal = StartingPoint { variable_indices, values, basis, ..StartingPoint::default() };
    Ok(has_content.then_some(normal))
}

/// Resolves names to indices and returns the given values by ascending index.
fn values(start: &StartingPoint, model: &LinearModel) -> Result<Vec<(i32, f64)>, Faults> {
    let StartingPoint { variable_names, variable_indices, values, .. } = start;
    let count = match (variable_names.len(), variable_indices.len()) {
        (names, 0) => names,
        (0, indices) => indices,
        _ => {
            return Err(fault(
                "starts[0]",
                "names variables both by name and by index; use one of them",
            ));
        }
    };
    if count != values.len() {
        let wrong = format!("has {} entries for {count} variables", values.len());
        return Err(fault("starts[0].values", wrong));
    }
    let mut found: Vec<(i32, f64)> = Vec::with_capacity(count);
    if variable_names.is_empty() {
        let n = model.variable_lower.len();
        for (position, &index) in variable_indices.iter().enumerate() {
            if usize::try_from(index).is_ok_and(|index| index < n) {
                found.push((index, values[position]));
            } else {
                let field = format!("starts[0].variable_indices[{position}]");
                let wrong = format!("is {index}, but there are {n} variables, counted from 0");
                return Err(fault(field, wrong));
            }
        }
    } else {
        let names = model.variable_names.iter().map(String::as_str);
        let indices: HashMap<&str, i32> = names.zip(0..).collect();
        for (position, name) in variable_names.iter().enumerate() {
            let field = || format!("starts[0].variable_names[{position}]");
            let index = indices.get(name.as_str());
            let Some(&index) = index else {
                return Err(fault(
                    field(),
                    truncate_message(format!("there is no variable `{name}`")),
                ));
            };
            found.push((index, values[position]));
        }
    }
    if let Some(position) = values.iter().position(|value| !value.is_finite()) {
        let wrong = format!("is {}, but a value must be finite", values[position]);
        return Err(fault(format!("starts[0].values[{position}]"), wrong));
    }
    // Sorted, so that two values of one variable are neighbours.
    found.sort_by_key(|(index, _)| *index);
    if let Some(twice) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let name = &model.variable_names[twice[0].0 as usize];
        return Err(fault(
            "starts[0]",
            truncate_message(format!("has two values of variable `{name}`")),
        ));
    }
    Ok(found)
}

/// Checks that a basis has a status for each variable and constraint, and that the number
/// of basic ones is the number of constraints.
fn check(basis: &Basis, model: &LinearModel) -> Result<(), Faults> {
    let of = [
        ("variables", &basis.variables, model.variable_lower.len()),
        ("constraints", &basis.constraints, model.constraint_lower.len()),
    ];
    for (array, statuses, want) in of {
        if statuses.len() != want {
            let wrong = format!("has {} entries, the model needs {want}", statuses.len());
            return Err(fault(format!("starts[0].basis.{array}"), wrong));
        }
        let unknown = |status: &i32| {
            matches!(BasisStatus::try_from(*status), Err(_) | Ok(BasisStatus::Unspecified))
        };
        if let Some(position) = statuses.iter().position(unknown) {
            let wrong = format!("unknown basis status {}", statuses[position]);
            return Err(fault(format!("starts[0].basis.{array}[{position}]"), wrong));
        }
    }
    let basic = |statuses: &[i32]| {
        statuses.iter().filter(|&&status| status == BasisStatus::Basic as i32).count()
    };
    let (found, want) =
        (basic(&basis.variables) + basic(&basis.constraints), model.constraint_lower.len());
    // A basis matrix is square: one basic variable or activity for each row.
    if found == want {
        return Ok(());
    }
    Err(fault("starts[0].basis", format!("has {found} basic entries, the model needs {want}")))
}

fn fault(field: impl Into<String>, message: impl Into<String>) -> Faults {
    let (field, message) = (field.into(), message.into());
    Faults(vec![Fault { field, place: None, kind: FaultKind::Invalid, message }])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use solvemesh::v1::VariableKind;

    use super::*;

    /// Three variables `a`, `b` and `c`, and one constraint.
    fn model(kind: VariableKind) -> LinearModel {
        LinearModel {
            variable_lower: vec![0.0; 3],
            variable_kinds: vec![kind.into(); 3],
            variable_names: ["a", "b", "c"].map(str::to_owned).to_vec(),
            constraint_lower: vec![0.0],
            ..LinearModel::default()
        }
    }

    fn named(names: &[&str], values: &[f64]) -> StartingPoint {
        let variable_names = names.iter().map(|&name| name.to_owned()).collect();
        StartingPoint { variable_names, values: values.to_vec(), ..StartingPoint::default() }
    }

    fn based(variables: &[BasisStatus], constraints: &[BasisStatus]) -> StartingPoint {
        let wire = |statuses: &[BasisStatus]| statuses.iter().map(|&of| of.into()).collect();
        let basis = Basis { variables: wire(variables), constraints: wire(constraints) };
        StartingPoint { basis: Some(basis), ..StartingPoint::default() }
    }

    fn wrong(start: &StartingPoint, kind: VariableKind) -> String {
        normalise_start(start, &model(kind)).unwrap_err().0.remove(0).field
    }

    #[test]
    fn names_become_indices_and_other_variables_stay_unset() {
        let normal =
            normalise_start(&named(&["c", "a"], &[3.0, 1.0]), &model(VariableKind::Integer));
        let normal = normal.unwrap().unwrap();
        assert_eq!((normal.variable_indices, normal.values), (vec![0, 2], vec![1.0, 3.0]));
        assert!(normal.variable_names.is_empty());
        assert_eq!(
            normalise_start(&StartingPoint::default(), &model(VariableKind::Integer)),
            Ok(None)
        );
    }

    #[test]
    fn values_that_do_not_fit_the_model_are_rejected() {
        let integer = VariableKind::Integer;
        assert_eq!(wrong(&named(&["a", "d"], &[1.0; 2]), integer), "starts[0].variable_names[1]");
        assert_eq!(wrong(&named(&["a", "b"], &[1.0]), integer), "starts[0].values");
        assert_eq!(wrong(&named(&["a", "a"], &[1.0; 2]), integer), "starts[0]");
        assert_eq!(wrong(&named(&["a"], &[f64::NAN]), integer), "starts[0].values[0]");
        let mut by_index = StartingPoint { values: vec![1.0], ..StartingPoint::default() };
        by_index.variable_indices = vec![3];
        assert_eq!(wrong(&by_index, integer), "starts[0].variable_indices[0]");
        by_index.variable_names = vec!["a".to_owned()];
        assert_eq!(wrong(&by_index, integer), "starts[0]");
        assert_eq!(wrong(&named(&["a"], &[1.0]), VariableKind::Continuous), "starts[0].values");
    }

    #[test]
    fn a_basis_must_fit_its_lp() {
        use BasisStatus::{Basic, Lower, Unspecified, Upper};
        let lp = VariableKind::Continuous;
        let start = based(&[Basic, Lower, Upper], &[Upper]);
        assert_eq!(normalise_start(&start, &model(lp)), Ok(Some(start.clone())));
        assert_eq!(wrong(&start, VariableKind::Integer), "starts[0].basis");
        assert_eq!(wrong(&based(&[Basic, Lower], &[Upper]), lp), "starts[0].basis.variables");
        assert_eq!(wrong(&based(&[Basic; 3], &[Upper]), lp), "starts[0].basis");
        let unknown = based(&[Basic, Lower, Upper], &[Unspecified]);
        assert_eq!(wrong(&unknown, lp), "starts[0].basis.constraints[0]");
    }
}
