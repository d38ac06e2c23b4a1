use std::collections::HashMap;

use solvemesh::v1::{LinearModel, NamedModel};

use crate::{
    Faults,
    arrays::default_upper,
    findings::Findings,
    form::{Entry, Form, Part},
    limits::{Counts, Limits},
};

/// Converts a model with named terms to arrays. Terms keep their order.
pub(crate) fn arrays(named: &NamedModel, limits: &Limits) -> Result<LinearModel, Faults> {
    let nonzeros = named.constraints.iter().map(|constraint| constraint.terms.len()).sum();
    let (variables, constraints) = (named.variables.len(), named.constraints.len());
    limits.check_counts("named", Counts { variables, constraints, nonzeros })?;

    let mut findings = Findings::default();
    let mut index: HashMap<&str, i32> = HashMap::with_capacity(variables);
    for (j, variable) in named.variables.iter().enumerate() {
        if variable.name.is_empty() {
            findings.fault(
                || Form::Named.field(Part::VariableName(j)),
                || "is missing; a variable needs one".to_owned(),
            );
        }
        // Duplicate names are reported by `names::complete`; terms refer to the first one.
        index.entry(&variable.name).or_insert(j as i32);
    }

    let mut row_starts = Vec::with_capacity(constraints + 1);
    let mut column_indices = Vec::with_capacity(nonzeros);
    let mut coefficients = Vec::with_capacity(nonzeros);
    row_starts.push(0);
    for (row, constraint) in named.constraints.iter().enumerate() {
        for (term, written) in constraint.terms.iter().enumerate() {
            let entry = Entry { row, term, position: column_indices.len() };
            let name = written.variable.as_str();
            if name.is_empty() {
                findings.fault(
                    || Form::Named.field(Part::EntryVariable(entry)),
                    || "is missing".to_owned(),
                );
            } else if !index.contains_key(name) {
                findings.fault(
                    || Form::Named.field(Part::EntryVariable(entry)),
                    || format!("there is no variable `{name}`"),
                );
            }
            if written.coefficient.is_none() {
                findings.fault(
                    || Form::Named.field(Part::EntryValue(entry)),
                    || "is missing; a term needs one".to_owned(),
                );
            }
            column_indices.push(index.get(name).copied().unwrap_or_default());
            coefficients.push(written.coefficient.unwrap_or_default());
        }
        row_starts.push(column_indices.len() as i32);
    }
    findings.finish()?;

    let variables = &named.variables;
    let rows = &named.constraints;
    Ok(LinearModel {
        sense: named.sense,
        objective_offset: named.objective_offset,
        variable_count: None,
        variable_lower: variables.iter().map(|v| v.lower.unwrap_or(0.0)).collect(),
        variable_upper: variables
            .iter()
            .map(|v| v.upper.unwrap_or_else(|| default_upper(v.kind)))
            .collect(),
        objective: variables.iter().map(|v| v.objective.unwrap_or(0.0)).collect(),
        variable_kinds: variables.iter().map(|v| v.kind).collect(),
        variable_names: variables.iter().map(|v| v.name.clone()).collect(),
        constraint_count: None,
        constraint_lower: rows.iter().map(|c| c.lower.unwrap_or(f64::NEG_INFINITY)).collect(),
        constraint_upper: rows.iter().map(|c| c.upper.unwrap_or(f64::INFINITY)).collect(),
        constraint_names: rows.iter().map(|c| c.name.clone()).collect(),
        row_starts,
        column_indices,
        coefficients,
    })
}
