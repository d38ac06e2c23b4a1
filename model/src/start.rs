//! Where a solve begins, held against the model it is for.

use std::collections::HashMap;

use solvemesh::v1::{Basis, BasisStatus, LinearModel, Start};

use crate::{Fault, FaultKind, Faults, domain::is_submitted_as_lp, findings::clip};

/// The start in normal form: by ascending index, without names. One that says nothing is
/// none.
///
/// # Errors
///
/// The first fault.
pub(crate) fn settle(start: &Start, model: &LinearModel) -> Result<Option<Start>, Faults> {
    let discrete = !is_submitted_as_lp(model);
    let values = values(start, model)?;
    if !values.is_empty() && !discrete {
        let wrong = "is for models with integers; an LP begins from a basis";
        return Err(fault("start.values", wrong));
    }
    if let Some(basis) = &start.basis {
        if discrete {
            let wrong = "is for LPs; a model with integers begins from values";
            return Err(fault("start.basis", wrong));
        }
        check(basis, model)?;
    }
    let (variable_indices, values): (Vec<i32>, Vec<f64>) = values.into_iter().unzip();
    let basis = start.basis.clone();
    let says_something = basis.is_some() || !values.is_empty();
    let settled = Start { variable_indices, values, basis, ..Start::default() };
    Ok(says_something.then_some(settled))
}

/// The values that are given, by ascending index.
fn values(start: &Start, model: &LinearModel) -> Result<Vec<(i32, f64)>, Faults> {
    let Start { variable_names, variable_indices, values, .. } = start;
    let count = match (variable_names.len(), variable_indices.len()) {
        (names, 0) => names,
        (0, indices) => indices,
        _ => return Err(fault("start", "has variables by name or by index, not both")),
    };
    if count != values.len() {
        let wrong = format!("has {} entries for {count} variables", values.len());
        return Err(fault("start.values", wrong));
    }
    let mut found: Vec<(i32, f64)> = Vec::with_capacity(count);
    if variable_names.is_empty() {
        let n = model.variable_lower.len();
        for (position, &index) in variable_indices.iter().enumerate() {
            if usize::try_from(index).is_ok_and(|index| index < n) {
                found.push((index, values[position]));
            } else {
                let field = format!("start.variable_indices[{position}]");
                let wrong = format!("is {index}, but there are {n} variables, counted from 0");
                return Err(fault(field, wrong));
            }
        }
    } else {
        let names = model.variable_names.iter().map(String::as_str);
        let indices: HashMap<&str, i32> = names.zip(0..).collect();
        for (position, name) in variable_names.iter().enumerate() {
            let field = || format!("start.variable_names[{position}]");
            let index = indices.get(name.as_str());
            let Some(&index) = index else {
                return Err(fault(field(), clip(format!("there is no variable `{name}`"))));
            };
            found.push((index, values[position]));
        }
    }
    if let Some(position) = values.iter().position(|value| !value.is_finite()) {
        let wrong = format!("is {}, which is no value", values[position]);
        return Err(fault(format!("start.values[{position}]"), wrong));
    }
    found.sort_by_key(|(index, _)| *index);
    if let Some(twice) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let name = &model.variable_names[twice[0].0 as usize];
        return Err(fault("start", clip(format!("has two values of variable `{name}`"))));
    }
    Ok(found)
}

/// A basis has a status for each variable and constraint, and as many of them are basic
/// as there are constraints.
fn check(basis: &Basis, model: &LinearModel) -> Result<(), Faults> {
    let of = [
        ("variables", &basis.variables, model.variable_lower.len()),
        ("constraints", &basis.constraints, model.constraint_lower.len()),
    ];
    for (array, statuses, want) in of {
        if statuses.len() != want {
            let wrong = format!("has {} entries, the model needs {want}", statuses.len());
            return Err(fault(format!("start.basis.{array}"), wrong));
        }
        let unknown = |status: &i32| {
            matches!(BasisStatus::try_from(*status), Err(_) | Ok(BasisStatus::Unspecified))
        };
        if let Some(position) = statuses.iter().position(unknown) {
            let wrong = format!("{} is no status that we know", statuses[position]);
            return Err(fault(format!("start.basis.{array}[{position}]"), wrong));
        }
    }
    let basic = |statuses: &[i32]| {
        statuses.iter().filter(|&&status| status == BasisStatus::Basic as i32).count()
    };
    let (found, want) =
        (basic(&basis.variables) + basic(&basis.constraints), model.constraint_lower.len());
    if found == want {
        return Ok(());
    }
    Err(fault("start.basis", format!("has {found} basic entries, the model needs {want}")))
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

    fn named(names: &[&str], values: &[f64]) -> Start {
        let variable_names = names.iter().map(|&name| name.to_owned()).collect();
        Start { variable_names, values: values.to_vec(), ..Start::default() }
    }

    fn based(variables: &[BasisStatus], constraints: &[BasisStatus]) -> Start {
        let wire = |statuses: &[BasisStatus]| statuses.iter().map(|&of| of.into()).collect();
        let basis = Basis { variables: wire(variables), constraints: wire(constraints) };
        Start { basis: Some(basis), ..Start::default() }
    }

    fn wrong(start: &Start, kind: VariableKind) -> String {
        settle(start, &model(kind)).unwrap_err().0.remove(0).field
    }

    #[test]
    fn names_become_indices_and_what_is_missing_stays_unknown() {
        let settled = settle(&named(&["c", "a"], &[3.0, 1.0]), &model(VariableKind::Integer));
        let settled = settled.unwrap().unwrap();
        assert_eq!((settled.variable_indices, settled.values), (vec![0, 2], vec![1.0, 3.0]));
        assert!(settled.variable_names.is_empty());
        assert_eq!(settle(&Start::default(), &model(VariableKind::Integer)), Ok(None));
    }

    #[test]
    fn values_that_fit_no_variable_are_refused() {
        let integer = VariableKind::Integer;
        assert_eq!(wrong(&named(&["a", "d"], &[1.0; 2]), integer), "start.variable_names[1]");
        assert_eq!(wrong(&named(&["a", "b"], &[1.0]), integer), "start.values");
        assert_eq!(wrong(&named(&["a", "a"], &[1.0; 2]), integer), "start");
        assert_eq!(wrong(&named(&["a"], &[f64::NAN]), integer), "start.values[0]");
        let mut by_index = Start { values: vec![1.0], ..Start::default() };
        by_index.variable_indices = vec![3];
        assert_eq!(wrong(&by_index, integer), "start.variable_indices[0]");
        by_index.variable_names = vec!["a".to_owned()];
        assert_eq!(wrong(&by_index, integer), "start");
        assert_eq!(wrong(&named(&["a"], &[1.0]), VariableKind::Continuous), "start.values");
    }

    #[test]
    fn a_basis_fits_its_lp() {
        use BasisStatus::{Basic, Lower, Unspecified, Upper};
        let lp = VariableKind::Continuous;
        let start = based(&[Basic, Lower, Upper], &[Upper]);
        assert_eq!(settle(&start, &model(lp)), Ok(Some(start.clone())));
        assert_eq!(wrong(&start, VariableKind::Integer), "start.basis");
        assert_eq!(wrong(&based(&[Basic, Lower], &[Upper]), lp), "start.basis.variables");
        assert_eq!(wrong(&based(&[Basic; 3], &[Upper]), lp), "start.basis");
        let unknown = based(&[Basic, Lower, Upper], &[Unspecified]);
        assert_eq!(wrong(&unknown, lp), "start.basis.constraints[0]");
    }
}
