use solvemesh::v1::LinearModel;

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
