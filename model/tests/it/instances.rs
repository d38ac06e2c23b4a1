//! Tests the readers on real models with known sizes, and on files with edge cases. They are
//! skipped without `SOLVEMESH_INSTANCES`.

use std::{fs, path::Path};

use solvemesh::v1::{LinearModel, Model, ModelFile, ObjectiveSense, VariableKind, model::Form};
use solvemesh_model::{FaultKind, Faults, Limits, ReadModel, read};
use solvemesh_testkit::instances::folder;

const INF: f64 = f64::INFINITY;

fn open(path: &Path) -> Result<ReadModel, Faults> {
    let content = fs::read(path).unwrap().into();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let form = Form::File(ModelFile { content, name, format: 0 });
    read(Model { name: String::new(), form: Some(form) }, &Limits::default())
}

/// A file of the edge collection that must be readable.
fn edge(name: &str) -> Option<ReadModel> {
    let path = folder()?.join("edge").join(name);
    Some(open(&path).unwrap_or_else(|faults| panic!("{name}: {faults}")))
}

fn rows(model: &LinearModel) -> Vec<(f64, f64)> {
    model.constraint_lower.iter().copied().zip(model.constraint_upper.iter().copied()).collect()
}

fn columns(model: &LinearModel) -> Vec<(f64, f64)> {
    model.variable_lower.iter().copied().zip(model.variable_upper.iter().copied()).collect()
}

#[test]
fn every_real_model_has_its_published_size() {
    let Some(folder) = folder() else { return };
    let index = fs::read_to_string(folder.join("index.csv")).unwrap();
    for record in index.lines().skip(1) {
        let field: Vec<&str> = record.split(',').collect();
        let normal =
            open(&folder.join(field[1])).unwrap_or_else(|faults| panic!("{}: {faults}", field[1]));
        let size = normal.size;
        let read =
            [size.constraint_count, size.variable_count, size.nonzero_count, size.integer_count];
        let published = [4, 5, 6, 7].map(|i: usize| field[i].parse::<i32>().unwrap());
        assert_eq!(read, published, "{}", field[1]);
    }
}

#[test]
fn edge_files_are_read_or_rejected_with_the_line() {
    let Some(folder) = folder() else { return };
    let edges = fs::read_to_string(folder.join("edge.csv")).unwrap();
    for record in edges.lines().skip(1) {
        let mut field = record.split(',');
        let (file, class) = (field.next().unwrap(), field.next().unwrap());
        match (class, open(&folder.join(file))) {
            ("accept", result) => {
                result.unwrap_or_else(|faults| panic!("{file}: {faults}"));
            }
            ("reject", result) => {
                let Faults(faults) = result.expect_err(file);
                assert!(faults[0].place.is_some(), "{file}: {faults:?}");
            }
            (class, _) => assert_eq!(class, "dialect", "{file} is tested by name"),
        }
    }
}

#[test]
fn errors_in_edge_files_have_their_lines() {
    let Some(folder) = folder() else { return };
    for (file, line, message) in [
        ("cuopt_bad-mps-1.mps", 2, "before the first section"),
        ("cuopt_bad-mps-3.mps", 6, "row `ROW1` is declared twice"),
        ("cuopt_bad-mps-5.mps", 8, "`x.aa1` is not a number"),
        ("cuopt_bad-mps-6.mps", 8, "row `ROW3` is not declared"),
        ("cuopt_bad-mps-10.mps", 10, "row `ROW3` is not declared"),
        ("cuopt_bad-mps-11.mps", 3, "unknown section `SECTION`"),
        ("cuopt_bad-mps-12.mps", 6, "no objective"),
        ("cuopt_bad-mps-15.mps", 1, "empty"),
        ("moi_bounds_missing_column2.mps", 7, "column `y` is not declared"),
        ("moi_rows_bad_sense.mps", 3, "unknown row type `X`"),
        ("moi_duplicate_coefficient.mps", 8, "given twice"),
        ("highs_garbage.mps", 2, "unknown section"),
    ] {
        let Faults(faults) = open(&folder.join("edge").join(file)).expect_err(file);
        assert_eq!(faults[0].place.map(|place| place.line), Some(line), "{file}: {faults:?}");
        assert!(faults[0].message.contains(message), "{file}: {faults:?}");
    }
}

#[test]
fn a_quadratic_objective_is_rejected_by_name() {
    let Some(folder) = folder() else { return };
    let Faults(faults) = open(&folder.join("edge/highs_qjh.lp")).unwrap_err();
    assert_eq!(faults[0].kind, FaultKind::Unsupported);
    assert!(faults[0].message.contains("quadratic"), "{faults:?}");
}

#[test]
fn an_empty_matrix_keeps_its_bounds() {
    let Some(ReadModel { model, .. }) = edge("cuopt_empty_matrix.mps") else { return };
    assert_eq!(columns(&model), [(-INF, 2.0)]);
    assert_eq!(model.objective, [-3.0]);
    assert!(rows(&model).is_empty());
}

#[test]
fn names_with_blanks_are_read_in_fixed_format() {
    let Some(ReadModel { model, warnings, .. }) = edge("cuopt_good-fixed-mps-2.mps") else {
        return;
    };
    assert_eq!(model.variable_names, ["VA R1", "VAR2"]);
    assert_eq!(model.constraint_names, ["RO W1", "ROW2"]);
    assert_eq!(model.coefficients, [3.0, 4.0, 2.7, 10.1]);
    assert!(warnings[0].contains("fixed-format"), "{warnings:?}");
}

#[test]
fn ranges_give_the_intervals_that_the_file_documents() {
    let Some(ReadModel { model, .. }) = edge("cuopt_good-mps-fixed-ranges.mps") else { return };
    let promised = [(1.2, 5.4), (1.5, 4.9), (7.9, 9.5), (3.5, 6.9), (3.9, 3.9), (4.9, 4.9)];
    for ((lower, upper), (low, up)) in rows(&model).into_iter().zip(promised) {
        assert!((lower - low).abs() < 1e-12 && (upper - up).abs() < 1e-12, "{lower} {upper}");
    }
}

#[test]
fn bounds_of_all_sets_apply() {
    let Some(ReadModel { model, .. }) = edge("cuopt_lp_model_with_var_bounds.mps") else { return };
    assert_eq!(columns(&model), [(0.0, 1.0), (1.0, 2.0)]);
}

#[test]
fn a_free_column_is_free() {
    let Some(ReadModel { model, .. }) = edge("cuopt_good-mps-free-var.mps") else { return };
    assert_eq!(columns(&model), [(-INF, INF), (0.0, INF)]);
}

#[test]
fn the_objective_is_maximised_with_its_constant() {
    let Some(ReadModel { model, .. }) = edge("cuopt_max_offset.mps") else { return };
    assert_eq!(model.sense, ObjectiveSense::Maximize as i32);
    assert_eq!(model.objective_offset, -4.0);
}

#[test]
fn fortran_exponents_are_read() {
    let Some(ReadModel { model, .. }) = edge("highs_dD2e.mps") else { return };
    assert_eq!(model.variable_upper, [1000.0; 2]);
}

#[test]
fn a_semi_continuous_integer_column_is_semi_integer() {
    let Some(ReadModel { model, .. }) = edge("highs_semi-continuous.mps") else { return };
    assert_eq!(model.variable_kinds[2], VariableKind::SemiInteger as i32);
    assert_eq!(columns(&model)[2], (1.1, 10.0));
}

#[test]
fn an_integer_column_without_bounds_is_binary_with_a_warning() {
    let Some(ReadModel { model, warnings, .. }) = edge("moi_integer_default_bounds.mps") else {
        return;
    };
    assert_eq!(columns(&model), [(0.0, 1.0)]);
    assert!(warnings[0].contains("taken as [0, 1]: `x`"), "{warnings:?}");
}
