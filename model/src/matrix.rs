use solvemesh::v1::LinearModel;

use crate::{
    domain::Domain,
    findings::Findings,
    form::{Entry, Form, Part},
    row::entries,
};

/// A coefficient of this absolute value or more is refused, as HiGHS refuses it.
pub(crate) const TOO_LARGE: f64 = 1e15;

/// A coefficient other than 0 of this absolute value or less is dropped by HiGHS, whose
/// `small_matrix_value` can't be set below.
pub const NEGLIGIBLE: f64 = 1e-12;

/// Checks every coefficient: its variable exists and comes once in its row, its value
/// is one that can be solved with. The rows are cut already (see `arrays::fill`).
pub(crate) fn check(form: Form, model: &LinearModel, findings: &mut Findings) {
    let n = model.variable_lower.len();
    // The row, counted from 1, in which each variable was last seen.
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
            if let Some(wrong) = unsolvable(value) {
                findings.fault(
                    || form.field(Part::EntryValue(entry)),
                    || format!("{} is {wrong}", names()),
                );
            } else if value != 0.0 && value.abs() <= NEGLIGIBLE {
                findings.warn(|| {
                    format!("{} is {value:e}; a solver drops what is 1e-12 or less", names())
                });
            }
        }
    }
}

/// What a dropped coefficient may contribute to its row without being missed: a thousandth
/// of the tolerance of a solver.
const UNNOTICED: f64 = 1e-9;

/// The row and column of an entry that a solver which drops coefficients up to `threshold`
/// would leave out, and whose row it could change by more than rounding. The model must be
/// in normal form.
pub fn dropped_entry(model: &LinearModel, threshold: f64) -> Option<(usize, usize)> {
    let matters = |row: usize, column: usize, value: f64| {
        let free =
            model.constraint_lower[row].is_infinite() && model.constraint_upper[row].is_infinite();
        let (lower, upper) = Domain::of(model, column).hull();
        let most = lower.abs().max(upper.abs());
        !free && most > 0.0 && value.abs() * most > UNNOTICED
    };
    (0..model.constraint_lower.len()).find_map(|row| {
        let small = |&(column, value): &(usize, f64)| {
            value != 0.0 && value.abs() <= threshold && matters(row, column, value)
        };
        entries(model, row).find(small).map(|(column, _)| (row, column))
    })
}

/// What makes a coefficient one that can't be solved with, if anything does.
pub(crate) fn unsolvable(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("not a number".to_owned())
    } else if value.is_infinite() {
        Some("infinite".to_owned())
    } else if value.abs() >= TOO_LARGE {
        Some(format!("{value:e}; its absolute value must be below 1e15"))
    } else {
        None
    }
}

/// Removes the coefficients that are 0, in place.
pub(crate) fn drop_zeros(model: &mut LinearModel) {
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
    fn zeros_go_and_the_rows_close_up() {
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
