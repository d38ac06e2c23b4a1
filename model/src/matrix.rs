use solvemesh::v1::LinearModel;

use crate::{
    domain::Domain,
    findings::Findings,
    form::{Entry, Form, Part},
};

/// Coefficients of this absolute value or more are rejected, as HiGHS rejects them.
pub(crate) const MAX_COEFFICIENT: f64 = 1e15;

/// HiGHS drops coefficients of this absolute value or less: it is the smallest value of its
/// option `small_matrix_value`.
pub const NEGLIGIBLE: f64 = 1e-12;

/// Iterates over the entries of a row as pairs of variable index and coefficient. The
/// model must be in normal form.
pub fn entries(model: &LinearModel, row: usize) -> impl Iterator<Item = (usize, f64)> {
    let range = match model.row_starts.get(row..row + 2) {
        Some(&[start, end]) => start as usize..end as usize,
        _ => 0..0, // a model without entries may have no starts
    };
    let columns = model.column_indices[range.clone()].iter().map(|column| *column as usize);
    columns.zip(model.coefficients[range].iter().copied())
}

/// Validates every coefficient: its variable exists and occurs once in its row, and a
/// solver can use its value. `row_starts` must be valid already (see `arrays::fill`).
pub(crate) fn check(form: Form, model: &LinearModel, findings: &mut Findings) {
    let n = model.variable_lower.len();
    // For each variable, the last row that contains it, counted from 1; 0 for none. It finds
    // duplicates without a set for each row.
    let mut last_seen = vec![0; n];
    for (row, ends) in model.row_starts.windows(2).enumerate() {
        let (start, end) = (ends[0] as usize, ends[1] as usize);
        for position in start..end {
            let entry = Entry { row, term: position - start, position };
            let index = model.column_indices[position];
            let Some(column) = usize::try_from(index).ok().filter(|&column| column < n) else {
                findings.fault(
                    || form.field(Part::EntryVariable(entry)),
                    || format!("is {index}, but there are {n} variables, counted from 0"),
                );
                continue;
            };
            let names = || {
                let (row, column) = (&model.constraint_names[row], &model.variable_names[column]);
                format!("the coefficient of variable `{column}` in constraint `{row}`")
            };
            if last_seen[column] == row + 1 {
                findings.fault(
                    || form.field(Part::EntryVariable(entry)),
                    || format!("{} is given twice", names()),
                );
            }
            last_seen[column] = row + 1;
            let value = model.coefficients[position];
            if let Some(wrong) = why_unusable(value) {
                findings.fault(
                    || form.field(Part::EntryValue(entry)),
                    || format!("{} is {wrong}", names()),
                );
            } else if value != 0.0 && value.abs() <= NEGLIGIBLE {
                findings.warn(|| {
                    format!("{} is {value:e}; solvers drop coefficients of 1e-12 or less", names())
                });
            }
        }
    }
}

/// A dropped coefficient is harmless if it contributes no more than this to its row: a
/// thousandth of the tolerance of a solver.
const HARMLESS_CONTRIBUTION: f64 = 1e-9;

/// Finds an entry that a solver which drops coefficients up to `threshold` would drop,
/// although it can change the value of its row by more than rounding. Returns its row and
/// column. The model must be in normal form.
pub fn dropped_entry(model: &LinearModel, threshold: f64) -> Option<(usize, usize)> {
    let matters = |row: usize, column: usize, value: f64| {
        // A free row constrains nothing, with or without the entry.
        let free =
            model.constraint_lower[row].is_infinite() && model.constraint_upper[row].is_infinite();
        let (lower, upper) = Domain::of(model, column).hull();
        let largest = lower.abs().max(upper.abs());
        !free && largest > 0.0 && value.abs() * largest > HARMLESS_CONTRIBUTION
    };
    (0..model.constraint_lower.len()).find_map(|row| {
        let small = |&(column, value): &(usize, f64)| {
            value != 0.0 && value.abs() <= threshold && matters(row, column, value)
        };
        entries(model, row).find(small).map(|(column, _)| (row, column))
    })
}

/// Describes why a solver cannot use a coefficient; `None` if it can.
#[inline]
pub(crate) fn why_unusable(value: f64) -> Option<String> {
    if value.abs() < MAX_COEFFICIENT {
        None
    } else if value.is_nan() {
        Some("not a number".to_owned())
    } else if value.is_infinite() {
        Some("infinite".to_owned())
    } else {
        Some(format!("{value:e}; its absolute value must be below 1e15"))
    }
}

/// Removes zero coefficients, in place.
pub(crate) fn drop_zeros(model: &mut LinearModel) {
    // The usual case: nothing is moved.
    if model.coefficients.iter().all(|&value| value != 0.0) {
        return;
    }
    let mut kept = 0;
    let mut start = 0;
    for row in 1..model.row_starts.len() {
        let end = model.row_starts[row] as usize;
        for position in start..end {
            if model.coefficients[position] != 0.0 {
                model.coefficients[kept] = model.coefficients[position];
                model.column_indices[kept] = model.column_indices[position];
                kept += 1;
            }
        }
        start = end;
        model.row_starts[row] = kept as i32;
    }
    model.coefficients.truncate(kept);
    model.column_indices.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_removed_and_row_starts_adjusted() {
        let mut model = LinearModel {
            row_starts: vec![0, 2, 2, 5],
            column_indices: vec![0, 1, 0, 1, 2],
            coefficients: vec![0.0, 1.0, 2.0, -0.0, 3.0],
            ..LinearModel::default()
        };
        drop_zeros(&mut model);
        assert_eq!(model.row_starts, [0, 1, 1, 3]);
        assert_eq!(model.column_indices, [1, 0, 2]);
        assert_eq!(model.coefficients, [1.0, 2.0, 3.0]);
    }
}
