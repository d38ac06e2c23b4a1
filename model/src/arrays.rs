use solvemesh::v1::{LinearModel, VariableKind};

use crate::{
    Faults,
    findings::Findings,
    form::Form,
    limits::{Counts, Limits},
};

/// Checks that the lengths of a model's arrays agree, and fills absent arrays with
/// defaults. The entries themselves are validated later, in `normal`.
pub(crate) fn fill(
    form: Form,
    mut model: LinearModel,
    limits: &Limits,
) -> Result<LinearModel, Faults> {
    let root = form.root();
    let mut findings = Findings::default();
    let n = count(
        &mut findings,
        root,
        ("variable_count", model.variable_count),
        &[
            ("variable_lower", model.variable_lower.len()),
            ("variable_upper", model.variable_upper.len()),
            ("objective", model.objective.len()),
            ("variable_kinds", model.variable_kinds.len()),
            ("variable_names", model.variable_names.len()),
        ],
    );
    let m = count(
        &mut findings,
        root,
        ("constraint_count", model.constraint_count),
        &[
            ("constraint_lower", model.constraint_lower.len()),
            ("constraint_upper", model.constraint_upper.len()),
            ("constraint_names", model.constraint_names.len()),
        ],
    )
    // Rows without bounds and names: only `row_starts` gives their number.
    .or(model.row_starts.len().checked_sub(1))
    .unwrap_or(0);
    let n = n.unwrap_or(0);
    let k = model.coefficients.len();
    // Before anything of this size is allocated: a count needs no arrays to be huge.
    limits.check_counts(root, Counts { variables: n, constraints: m, nonzeros: k })?;
    check_rows(&mut findings, root, &model, m);
    findings.finish()?;

    if model.variable_upper.is_empty() {
        model.variable_upper = if model.variable_kinds.is_empty() {
            vec![f64::INFINITY; n]
        } else {
            model.variable_kinds.iter().map(|&kind| default_upper(kind)).collect()
        };
    }
    model.variable_count = Some(n as i32);
    model.variable_lower.resize(n, 0.0);
    model.objective.resize(n, 0.0);
    model.variable_kinds.resize(n, VariableKind::Continuous as i32);
    model.variable_names.resize(n, String::new());
    model.constraint_count = Some(m as i32);
    model.constraint_lower.resize(m, f64::NEG_INFINITY);
    model.constraint_upper.resize(m, f64::INFINITY);
    model.constraint_names.resize(m, String::new());
    model.row_starts.resize(m + 1, 0);
    Ok(model)
}

/// The default upper bound of a variable of this kind: 1 for binary, else infinity.
pub(crate) fn default_upper(kind: i32) -> f64 {
    if kind == VariableKind::Binary as i32 { 1.0 } else { f64::INFINITY }
}

/// The number of variables or constraints: the explicit count if it is valid, else the
/// length of the first array that is not empty; `None` without either. Reports a negative
/// count and every array of another length.
fn count(
    findings: &mut Findings,
    root: &str,
    (count_name, count): (&str, Option<i32>),
    arrays: &[(&str, usize)],
) -> Option<usize> {
    let counted = count.map(usize::try_from);
    if let (Some(Err(_)), Some(count)) = (&counted, count) {
        findings.fault(|| format!("{root}.{count_name}"), || format!("is negative: {count}"));
    }
    // An empty array is an absent one: protobuf can't distinguish them.
    let present = arrays.iter().copied().filter(|(_, length)| *length > 0);
    let (measure, expected) = match counted {
        Some(Ok(count)) => (format!("{count_name} is {count}"), count),
        _ => {
            let (name, length) = present.clone().next()?;
            (format!("{name} has {length}"), length)
        }
    };
    for (name, length) in present.filter(|(_, length)| *length != expected) {
        findings
            .fault(|| format!("{root}.{name}"), || format!("has {length} entries, but {measure}"));
    }
    Some(expected)
}

/// Checks that `row_starts` divides the entries into `m` rows.
fn check_rows(findings: &mut Findings, root: &str, model: &LinearModel, m: usize) {
    let k = model.coefficients.len();
    let starts = &model.row_starts;
    let field = || format!("{root}.row_starts");
    if model.column_indices.len() != k {
        let indices = model.column_indices.len();
        findings.fault(
            || format!("{root}.column_indices"),
            || format!("has {indices} entries, but coefficients has {k}"),
        );
    }
    let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else {
        if k > 0 {
            findings.fault(field, || format!("is absent, but coefficients has {k} entries"));
        }
        return;
    };
    if starts.len() != m + 1 {
        let length = starts.len();
        findings
            .fault(field, || format!("has {length} entries, but {m} constraints need {}", m + 1));
    }
    if first != 0 {
        findings.fault(|| format!("{root}.row_starts[0]"), || format!("is {first}, not 0"));
    }
    for (i, pair) in starts.windows(2).enumerate().filter(|(_, pair)| pair[1] < pair[0]) {
        findings.fault(
            || format!("{root}.row_starts[{}]", i + 1),
            || format!("is {}, below the {} before it", pair[1], pair[0]),
        );
    }
    if usize::try_from(last) != Ok(k) {
        findings.fault(
            || format!("{root}.row_starts[{}]", starts.len() - 1),
            || format!("is {last}, but coefficients has {k} entries"),
        );
    }
}
