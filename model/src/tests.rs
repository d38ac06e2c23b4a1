#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use solvemesh::v1::{
    FileFormat, LinearModel, Model, ModelFile, NamedConstraint, NamedModel, NamedTerm,
    NamedVariable, ObjectiveSense, VariableKind, model::Form,
};

use crate::{FaultKind, Faults, Limits, Place, ReadModel, read};

const INF: f64 = f64::INFINITY;

fn model(form: Form) -> Model {
    Model { name: String::new(), form: Some(form) }
}

fn linear(linear: LinearModel) -> Result<ReadModel, Faults> {
    read(model(Form::Linear(linear)), &Limits::default())
}

fn named(named: NamedModel) -> Result<ReadModel, Faults> {
    read(model(Form::Named(named)), &Limits::default())
}

/// The fields of the errors.
fn fields(result: Result<ReadModel, Faults>) -> Vec<String> {
    result.unwrap_err().0.into_iter().map(|fault| fault.field).collect()
}

fn one_fault(result: Result<ReadModel, Faults>) -> (String, String) {
    let Faults(mut faults) = result.unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let fault = faults.remove(0);
    (fault.field, fault.message)
}

/// Two variables, two rows, three entries.
fn small() -> LinearModel {
    LinearModel {
        variable_lower: vec![0.0, 0.0],
        variable_names: vec!["a".into(), "b".into()],
        objective: vec![1.0, 2.0],
        constraint_upper: vec![4.0, 5.0],
        constraint_names: vec!["r".into(), "s".into()],
        row_starts: vec![0, 2, 3],
        column_indices: vec![0, 1, 1],
        coefficients: vec![1.0, 2.0, 3.0],
        ..LinearModel::default()
    }
}

const WYNDOR: &str = "NAME wyndor\nOBJSENSE MAX\nROWS\n N profit\n L p1\n L p2\n L p3\nCOLUMNS\n \
                      Doors profit 300 p1 1\n Doors p3 3\n Windows profit 500 p2 2\n Windows p3 \
                      2\nRHS\n R p1 4 p2 12\n R p3 18\nENDATA\n";

#[test]
fn a_model_without_a_form_is_an_error() {
    let (field, _) = one_fault(read(Model::default(), &Limits::default()));
    assert_eq!(field, "form");
}

#[test]
fn absent_arrays_get_defaults() {
    let normal = linear(LinearModel {
        variable_count: Some(2),
        constraint_count: Some(1),
        ..Default::default()
    })
    .unwrap();
    let expected = LinearModel {
        sense: ObjectiveSense::Minimize as i32,
        objective_offset: 0.0,
        variable_count: Some(2),
        variable_lower: vec![0.0; 2],
        variable_upper: vec![INF; 2],
        objective: vec![0.0; 2],
        variable_kinds: vec![VariableKind::Continuous as i32; 2],
        variable_names: vec!["x0".into(), "x1".into()],
        constraint_count: Some(1),
        constraint_lower: vec![-INF],
        constraint_upper: vec![INF],
        constraint_names: vec!["c0".into()],
        row_starts: vec![0, 0],
        column_indices: vec![],
        coefficients: vec![],
    };
    assert_eq!(*normal.model, expected);
    assert_eq!(
        (normal.size.variable_count, normal.size.constraint_count, normal.size.nonzero_count),
        (2, 1, 0)
    );
}

#[test]
fn the_empty_model_is_valid() {
    let normal = linear(LinearModel { objective_offset: 3.0, ..Default::default() }).unwrap();
    assert_eq!(normal.size, Default::default());
    assert_eq!(normal.model.row_starts, [0]);
}

#[test]
fn every_array_of_a_wrong_length_is_reported_with_both_lengths() {
    let faults = linear(LinearModel {
        objective: vec![1.0; 3],
        variable_names: vec!["a".into()],
        constraint_lower: vec![0.0; 3],
        column_indices: vec![0],
        ..small()
    })
    .unwrap_err()
    .0;
    let messages: Vec<String> =
        faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
    assert_eq!(
        messages,
        [
            "linear.objective has 3 entries, but variable_lower has 2",
            "linear.variable_names has 1 entries, but variable_lower has 2",
            "linear.constraint_upper has 2 entries, but constraint_lower has 3",
            "linear.constraint_names has 2 entries, but constraint_lower has 3",
            "linear.column_indices has 1 entries, but coefficients has 3",
            "linear.row_starts has 3 entries, but 3 constraints need 4",
        ]
    );
}

#[test]
fn counts_must_agree_with_the_arrays_and_not_be_negative() {
    let (field, message) = one_fault(
        linear(LinearModel { variable_count: Some(3), ..small() })
            .map_err(|Faults(faults)| Faults(faults.into_iter().take(1).collect())),
    );
    assert_eq!(field, "linear.variable_lower");
    assert_eq!(message, "has 2 entries, but variable_count is 3");
    let negative = LinearModel { variable_count: Some(-1), constraint_count: Some(-9), ..small() };
    assert_eq!(fields(linear(negative)), ["linear.variable_count", "linear.constraint_count"]);
}

#[test]
fn row_starts_must_divide_the_entries() {
    let with = |row_starts: &[i32]| {
        fields(linear(LinearModel { row_starts: row_starts.to_vec(), ..small() }))
    };
    assert_eq!(with(&[]), ["linear.row_starts"]);
    assert_eq!(with(&[0, 3]), ["linear.row_starts"]);
    assert_eq!(with(&[1, 2, 3]), ["linear.row_starts[0]"]);
    assert_eq!(with(&[0, 4, 3]), ["linear.row_starts[2]"]);
    assert_eq!(with(&[0, 2, 2]), ["linear.row_starts[2]"]);
    assert_eq!(with(&[-1, i32::MIN, i32::MAX]).len(), 3);
}

#[test]
fn every_invalid_entry_is_reported() {
    let faults = linear(LinearModel {
        sense: 7,
        objective_offset: f64::NAN,
        variable_lower: vec![f64::NAN, INF],
        variable_upper: vec![-INF, 1.0],
        objective: vec![INF, 1e20],
        variable_kinds: vec![8, -1],
        constraint_lower: vec![1e20, -INF],
        constraint_upper: vec![INF, -1e21],
        column_indices: vec![2, 1, -1],
        ..small()
    });
    assert_eq!(
        fields(faults),
        [
            "linear.sense",
            "linear.objective_offset",
            "linear.objective[0]",
            "linear.objective[1]",
            "linear.variable_lower[0]",
            "linear.variable_upper[0]",
            "linear.variable_kinds[0]",
            "linear.variable_lower[1]",
            "linear.variable_kinds[1]",
            "linear.constraint_lower[0]",
            "linear.constraint_upper[1]",
            "linear.column_indices[0]",
            "linear.column_indices[2]",
        ]
    );
}

#[test]
fn an_unusable_coefficient_is_rejected_by_its_names() {
    for (value, wrong) in [
        (f64::NAN, "not a number"),
        (-INF, "infinite"),
        (-1e15, "-1e15; its absolute value must be below 1e15"),
    ] {
        let coefficients = vec![1.0, value, 3.0];
        let (field, message) = one_fault(linear(LinearModel { coefficients, ..small() }));
        assert_eq!(field, "linear.coefficients[1]");
        let entry = "the coefficient of variable `b` in constraint `r`";
        assert_eq!(message, format!("{entry} is {wrong}"));
    }
}

#[test]
fn a_negligible_coefficient_is_kept_with_a_warning() {
    let normal = linear(LinearModel { coefficients: vec![1.0, -1e-12, 3.0], ..small() }).unwrap();
    assert_eq!(normal.model.coefficients[1], -1e-12);
    assert_eq!(
        normal.warnings,
        ["the coefficient of variable `b` in constraint `r` is -1e-12; solvers drop \
             coefficients of 1e-12 or less"]
    );
}

#[test]
fn zeros_are_removed_without_a_warning() {
    let normal = linear(LinearModel { coefficients: vec![0.0, 2.0, -0.0], ..small() }).unwrap();
    assert_eq!(normal.model.row_starts, [0, 1, 1]);
    assert_eq!(normal.size.nonzero_count, 1);
    assert!(normal.warnings.is_empty());
}

#[test]
fn a_variable_twice_in_a_row_is_rejected() {
    let (field, message) =
        one_fault(linear(LinearModel { column_indices: vec![1, 1, 1], ..small() }));
    assert_eq!(field, "linear.column_indices[1]");
    assert!(message.contains("`b` in constraint `r` is given twice"), "{message}");
}

#[test]
fn bounds_from_1e20_on_are_infinite() {
    let normal = linear(LinearModel {
        variable_lower: vec![-1e20, -9.9e19],
        variable_upper: vec![1e30, 1e19],
        constraint_lower: vec![-1e25, 0.0],
        ..small()
    })
    .unwrap();
    assert_eq!(normal.model.variable_lower, [-INF, -9.9e19]);
    assert_eq!(normal.model.variable_upper, [INF, 1e19]);
    assert_eq!(normal.model.constraint_lower, [-INF, 0.0]);
}

#[test]
fn crossed_bounds_are_a_warning() {
    let normal = linear(LinearModel {
        variable_lower: vec![2.0, 0.0],
        variable_upper: vec![1.0, 1.0],
        constraint_lower: vec![6.0, 0.0],
        ..small()
    })
    .unwrap();
    assert_eq!(
        normal.warnings,
        [
            "the bounds of variable `a` cross (2 above 1): the model is infeasible",
            "the bounds of constraint `r` cross (6 above 4): the model is infeasible",
        ]
    );
}

#[test]
fn binary_is_integer_in_0_to_1_and_may_have_bounds_within() {
    let variable_kinds = vec![VariableKind::Binary as i32, VariableKind::Integer as i32];
    let normal = linear(LinearModel { variable_kinds: variable_kinds.clone(), ..small() }).unwrap();
    assert_eq!(normal.model.variable_kinds, [VariableKind::Integer as i32; 2]);
    assert_eq!(normal.model.variable_upper, [1.0, INF]);
    assert_eq!(normal.size.integer_count, 2);
    let outside = LinearModel {
        variable_lower: vec![-1.0, 0.0],
        variable_upper: vec![2.0, 2.0],
        variable_kinds,
        ..small()
    };
    assert_eq!(fields(linear(outside)), ["linear.variable_lower[0]", "linear.variable_upper[0]"]);
}

#[test]
fn semi_continuous_variables_need_a_finite_upper_bound_and_no_negative_lower_bound() {
    let kinds = vec![VariableKind::SemiContinuous as i32, VariableKind::SemiInteger as i32];
    let of = |lower: f64, upper: f64| {
        linear(LinearModel {
            variable_lower: vec![lower; 2],
            variable_upper: vec![upper; 2],
            variable_kinds: kinds.clone(),
            ..small()
        })
    };
    assert_eq!(of(1.0, 3.0).unwrap().model.variable_kinds, kinds);
    assert_eq!(of(1.0, 3.0).unwrap().size.integer_count, 1);
    assert_eq!(fields(of(0.0, 1e20)), ["linear.variable_upper[0]", "linear.variable_upper[1]"]);
    assert_eq!(fields(of(-1.0, 1.0)), ["linear.variable_lower[0]", "linear.variable_lower[1]"]);
    assert!(of(3.0, 2.0).unwrap().warnings[0].contains("it can only be 0"));
    assert!(of(0.0, 1e6).unwrap().warnings[0].contains("above 1e5"));
}

#[test]
fn names_must_be_unique_within_variables_and_within_constraints() {
    let normal = linear(LinearModel { constraint_names: vec!["a".into(), "b".into()], ..small() });
    assert!(normal.is_ok(), "a constraint may have the name of a variable");
    let twice = LinearModel { variable_names: vec!["a".into(); 2], ..small() };
    assert_eq!(fields(linear(twice)), ["linear.variable_names[1]"]);
}

fn wyndor() -> NamedModel {
    let variable = |name: &str, profit| NamedVariable {
        name: name.into(),
        objective: Some(profit),
        ..Default::default()
    };
    let constraint = |name: &str, terms: &[(&str, f64)], upper| NamedConstraint {
        name: name.into(),
        terms: terms
            .iter()
            .map(|&(name, value)| NamedTerm { variable: name.into(), coefficient: Some(value) })
            .collect(),
        upper: Some(upper),
        ..Default::default()
    };
    NamedModel {
        sense: ObjectiveSense::Maximize as i32,
        variables: vec![variable("Doors", 300.0), variable("Windows", 500.0)],
        constraints: vec![
            constraint("p1", &[("Doors", 1.0)], 4.0),
            constraint("p2", &[("Windows", 2.0)], 12.0),
            constraint("p3", &[("Doors", 3.0), ("Windows", 2.0)], 18.0),
        ],
        ..Default::default()
    }
}

#[test]
fn named_terms_mps_and_files_mean_the_same() {
    let by_hand = named(wyndor()).unwrap();
    let text = read(model(Form::Mps(format!("\u{feff}{WYNDOR}"))), &Limits::default()).unwrap();
    assert_eq!(text.model, by_hand.model);
    assert_eq!(text.name, "wyndor");

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(WYNDOR.as_bytes()).unwrap();
    let file = ModelFile { content: packed.finish().unwrap().into(), ..Default::default() };
    let request = Model { name: "mine".into(), form: Some(Form::File(file)) };
    let file = read(request, &Limits::default()).unwrap();
    assert_eq!((file.model, file.name.as_str()), (by_hand.model, "mine"));
}

#[test]
fn every_error_in_named_terms_has_its_field_path() {
    let mut wrong = wyndor();
    wrong.variables[1].name.clear();
    wrong.constraints[1].terms[0].coefficient = None;
    wrong.constraints[2].terms[0].variable.clear();
    assert_eq!(
        fields(named(wrong)),
        [
            "named.variables[1].name",
            "named.constraints[1].terms[0].variable",
            "named.constraints[1].terms[0].coefficient",
            "named.constraints[2].terms[0].variable",
            "named.constraints[2].terms[1].variable",
        ]
    );
    let mut wrong = wyndor();
    wrong.variables[0].lower = Some(f64::NAN);
    wrong.variables[1].kind = 77;
    wrong.constraints[0].name = "p2".into();
    wrong.constraints[1].upper = Some(-INF);
    wrong.constraints[2].terms[1] = NamedTerm { variable: "Doors".into(), coefficient: Some(1e16) };
    assert_eq!(
        fields(named(wrong)),
        [
            "named.constraints[1].name",
            "named.variables[0].lower",
            "named.variables[1].kind",
            "named.constraints[1].upper",
            "named.constraints[2].terms[1].variable",
            "named.constraints[2].terms[1].coefficient",
        ]
    );
}

#[test]
fn an_error_in_a_text_has_its_position() {
    let text = WYNDOR.replace("p1 4", "p1 four");
    for (form, field) in [
        (Form::Mps(text.clone()), "mps"),
        (Form::File(ModelFile { content: text.into(), ..Default::default() }), "file"),
    ] {
        let Faults(faults) = read(model(form), &Limits::default()).unwrap_err();
        assert_eq!(faults[0].field, field);
        assert_eq!(faults[0].place, Some(Place { line: 14, column: 7 }));
        assert_eq!(faults[0].kind, FaultKind::Syntax);
    }
}

#[test]
fn lp_text_is_read_by_the_lp_reader() {
    let request = model(Form::Lp("max 3 x\nst\n c: x <= 4\nend\n".into()));
    let normal = read(request, &Limits::default()).unwrap();
    assert_eq!(normal.model.variable_names, ["x"]);
    let file =
        ModelFile { content: "min x".into(), format: FileFormat::Mps as i32, ..Default::default() };
    assert_eq!(read(model(Form::File(file)), &Limits::default()).unwrap_err().0[0].field, "file");
}

#[test]
fn errors_of_limits_name_the_limit() {
    let limits =
        Limits { max_variables: 1, max_constraints: 1, max_nonzeros: 2, max_model_bytes: 9 };
    for form in [Form::Linear(small()), Form::Named(wyndor())] {
        let Faults(faults) = read(model(form), &limits).unwrap_err();
        assert_eq!(faults.len(), 3);
        assert!(faults.iter().all(|fault| fault.kind == FaultKind::TooLarge));
        assert!(faults[0].message.contains("max_variables is 1"), "{}", faults[0].message);
    }
    let file = ModelFile { content: WYNDOR.into(), ..Default::default() };
    for form in [Form::Mps(WYNDOR.into()), Form::Lp(WYNDOR.into()), Form::File(file)] {
        let (_, message) = one_fault(read(model(form), &limits));
        assert!(message.contains("max_model_bytes is 9"), "{message}");
    }
    for (limits, text) in [
        (Limits { max_variables: 1, ..Limits::default() }, "min x\n+ y ?"),
        (Limits { max_constraints: 1, ..Limits::default() }, "min\nst x > 1\n x > 2 ?"),
        (Limits { max_nonzeros: 1, ..Limits::default() }, "min\nst\n x + y > 1 ?"),
        (Limits { max_variables: 1, max_nonzeros: 0, ..Limits::default() }, "min x\n - x ?"),
        (
            Limits { max_variables: 1, ..Limits::default() },
            "ROWS\n N o\nCOLUMNS\n x o 1\n y o 1\n?",
        ),
        (Limits { max_constraints: 1, ..Limits::default() }, "ROWS\n L a\n L b\n?"),
        (Limits { max_constraints: 1, ..Limits::default() }, "ROWS\n N a\n N b\n N c\n?"),
        (Limits { max_nonzeros: 0, ..Limits::default() }, "ROWS\n N o\n L a\nCOLUMNS\n x a 1\n?"),
    ] {
        let form =
            if text.starts_with("min") { Form::Lp(text.into()) } else { Form::Mps(text.into()) };
        let Faults(faults) = read(model(form), &limits).unwrap_err();
        assert_eq!(faults[0].kind, FaultKind::TooLarge, "{text}: {faults:?}");
        assert!(faults[0].place.is_some(), "{text}: the reader stops there");
    }
    let huge = LinearModel { variable_count: Some(i32::MAX), ..Default::default() };
    assert_eq!(linear(huge).unwrap_err().0[0].kind, FaultKind::TooLarge);
}
