//! A large model file, the same in every run: no file of this size is part of the project.

use std::fmt::Write as _;

/// Entries of each column.
const ENTRIES_PER_COLUMN: usize = 5;
/// One row for this number of columns.
const COLUMNS_PER_ROW: usize = 4;
/// Every row with an index divisible by this is binding; the others bound more than all their
/// columns together reach, so that presolve removes them. The solve is then short, and the
/// measurement one of reading, transport and checking.
const BINDING: usize = 100;

/// A model in the MPS format: minimise the cost of columns between 0 and 1, many of which are
/// profitable, under rows that limit weighted sums. 400,000 columns make 70 MiB.
pub(crate) fn large(columns: usize) -> String {
    let rows = columns.div_ceil(COLUMNS_PER_ROW);
    let mut text = String::from("NAME large\nROWS\n N cost\n");
    for row in 0..rows {
        let _ = writeln!(text, " L row{row:06}");
    }
    text.push_str("COLUMNS\n");
    let mut totals = vec![0.0; rows];
    for column in 0..columns {
        // A cost from -5 to 4.99.
        let cost = (column * 7_919 % 1_000) as f64 / 100.0 - 5.0;
        let _ = writeln!(text, " col{column:06} cost {cost:.4}");
        for entry in 0..ENTRIES_PER_COLUMN {
            // Steps that differ by entry, so that a column has no row twice.
            let row = (column + entry * (rows / ENTRIES_PER_COLUMN)) % rows;
            let coefficient = 1.0 + ((column * 31 + entry * 17) % 997) as f64 / 1e3;
            totals[row] += coefficient;
            let _ = writeln!(text, " col{column:06} row{row:06} {coefficient:.4}");
        }
    }
    text.push_str("RHS\n");
    for (row, total) in totals.iter().enumerate() {
        let limit = if row.is_multiple_of(BINDING) { total / 4.0 } else { total + 1.0 };
        let _ = writeln!(text, " rhs row{row:06} {limit:.9}");
    }
    text.push_str("BOUNDS\n");
    for column in 0..columns {
        let _ = writeln!(text, " UP bnd col{column:06} 1");
    }
    text.push_str("ENDATA\n");
    text
}

#[cfg(test)]
mod tests {
    use solvemesh_model::{Limits, read};
    use solvemesh_tests::models;

    use super::large;

    #[test]
    fn the_large_model_is_read_with_all_its_entries() {
        let model = read(models::mps(&large(1_000)), &Limits::default()).unwrap();
        let model = model.model.into_inner();
        assert_eq!(model.objective.len(), 1_000);
        assert_eq!(model.constraint_upper.len(), 250);
        assert_eq!(model.coefficients.len(), 5_000);
    }
}
