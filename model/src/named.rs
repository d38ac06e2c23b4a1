use solvemesh::v1::{LinearModel, NamedModel, NamedTerm};

use crate::{
    Faults,
    arrays::default_upper,
    findings::Findings,
    form::{Entry, Form, Part},
    limits::{Counts, Limits},
    name_map::NameMap,
};

/// Converts a model with named terms to arrays. Terms keep their order.
pub(crate) fn arrays(named: &NamedModel, limits: &Limits) -> Result<LinearModel, Faults> {
    let nonzeros = named.constraints.iter().map(|constraint| constraint.terms.len()).sum();
    let (variables, constraints) = (named.variables.len(), named.constraints.len());
    // Before anything of this size is allocated.
    limits.check_counts("named", Counts { variables, constraints, nonzeros })?;

    let mut findings = Findings::default();
    let indices = indices(named, &mut findings);
    let matrix = matrix(named, &indices, nonzeros, &mut findings);
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
        row_starts: matrix.row_starts,
        column_indices: matrix.column_indices,
        coefficients: matrix.coefficients,
    })
}

/// The index of each variable by its name. Reports variables without a name.
fn indices<'a>(named: &'a NamedModel, findings: &mut Findings) -> NameMap<'a, i32> {
    let mut indices = NameMap::default();
    for (j, variable) in named.variables.iter().enumerate() {
        if variable.name.is_empty() {
            findings.fault(
                || Form::Named.field(Part::VariableName(j)),
                || "is missing; a variable needs one".to_owned(),
            );
        }
        // Duplicate names are reported by `names::complete`; terms refer to the first one.
        indices.get_or_insert(&variable.name, j as i32);
    }
    indices
}

/// The matrix by rows, as in [`LinearModel`].
struct Matrix {
    row_starts: Vec<i32>,
    column_indices: Vec<i32>,
    coefficients: Vec<f64>,
}

/// Builds the matrix from the terms, and reports what is wrong with them.
fn matrix(
    named: &NamedModel,
    indices: &NameMap<'_, i32>,
    nonzeros: usize,
    findings: &mut Findings,
) -> Matrix {
    let mut row_starts = Vec::with_capacity(named.constraints.len() + 1);
    let mut column_indices = Vec::with_capacity(nonzeros);
    let mut coefficients = Vec::with_capacity(nonzeros);
    row_starts.push(0);
    for (row, constraint) in named.constraints.iter().enumerate() {
        for (term, written) in constraint.terms.iter().enumerate() {
            let entry = Entry { row, term, position: column_indices.len() };
            let index = indices.get(&written.variable);
            check_term(written, entry, index.is_some(), findings);
            // Any entry will do after an error: the arrays are dropped.
            column_indices.push(index.unwrap_or_default());
            coefficients.push(written.coefficient.unwrap_or_default());
        }
        row_starts.push(column_indices.len() as i32);
    }
    Matrix { row_starts, column_indices, coefficients }
}

/// Reports what is missing or unknown in a term.
fn check_term(term: &NamedTerm, entry: Entry, is_variable: bool, findings: &mut Findings) {
    let name = term.variable.as_str();
    if name.is_empty() {
        findings
            .fault(|| Form::Named.field(Part::EntryVariable(entry)), || "is missing".to_owned());
    } else if !is_variable {
        findings.fault(
            || Form::Named.field(Part::EntryVariable(entry)),
            || format!("there is no variable `{name}`"),
        );
    }
    if term.coefficient.is_none() {
        findings.fault(
            || Form::Named.field(Part::EntryValue(entry)),
            || "is missing; a term needs one".to_owned(),
        );
    }
}
