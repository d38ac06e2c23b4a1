use solvemesh::v1::LinearModel;

/// The entries of a row of a model in normal form: variable and coefficient.
pub fn entries(model: &LinearModel, row: usize) -> impl Iterator<Item = (usize, f64)> {
    let range = match model.row_starts.get(row..row + 2) {
        Some(&[start, end]) => start as usize..end as usize,
        _ => 0..0, // a model without entries may have no starts
    };
    let columns = model.column_indices[range.clone()].iter().map(|column| *column as usize);
    columns.zip(model.coefficients[range].iter().copied())
}
