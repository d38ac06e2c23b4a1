use proptest::prelude::*;
use solvemesh::v1::{
    GridAxis, LinearModel, Model, ParameterKind, ScenarioGrid, ScenarioParameter, ScenarioReport,
    ScenarioTable, Sweep, model::Form, sweep,
};

use super::*;
use crate::{Faults, Limits, read};

const WYNDOR: &str = "\
Maximize obj: 300 Doors + 500 Windows
Subject To
 Plant_1: Doors <= 4
 Plant_2: 2 Windows <= 12
 Plant_3: 3 Doors + 2 Windows <= 18
End
";

fn wyndor() -> LinearModel {
    let model = Model { form: Some(Form::Lp(WYNDOR.to_owned())), ..Model::default() };
    read(model, &Limits::default()).expect("a model").model.into_inner()
}

fn parameter(kind: ParameterKind, variable: &str, constraint: &str) -> ScenarioParameter {
    ScenarioParameter {
        kind: kind.into(),
        variable: variable.to_owned(),
        constraint: constraint.to_owned(),
        ..ScenarioParameter::default()
    }
}

fn of_table(table: ScenarioTable) -> Sweep {
    Sweep { scenarios: Some(sweep::Scenarios::Table(table)), ..Sweep::default() }
}

fn of_grid(axes: Vec<GridAxis>) -> Sweep {
    let grid = ScenarioGrid { axes };
    Sweep { scenarios: Some(sweep::Scenarios::Grid(grid)), ..Sweep::default() }
}

fn axis(parameter: ScenarioParameter, from: f64, to: f64, points: i32) -> GridAxis {
    GridAxis {
        parameter: Some(parameter),
        first: Some(from),
        last: Some(to),
        point_count: points,
        values: Vec::new(),
    }
}

fn windows() -> ScenarioParameter {
    parameter(ParameterKind::Objective, "Windows", "")
}

fn settled(sweep: &Sweep) -> Scenarios {
    normalise_sweep(sweep, &wyndor(), 1_000_000).expect("a sweep")
}

fn fault(sweep: &Sweep) -> (String, String) {
    let Faults(faults) = normalise_sweep(sweep, &wyndor(), 1000).expect_err("a fault");
    (faults[0].field.clone(), faults[0].message.clone())
}

fn changes(scenarios: &Scenarios, scenario: usize) -> Vec<(Target, f64)> {
    scenarios.changes(scenario).map(|change| (change.target, change.value)).collect()
}

#[test]
fn a_grid_has_all_combinations_and_the_last_axis_is_the_fastest() {
    let doors = parameter(ParameterKind::RightHandSide, "", "Plant_1");
    let scenarios =
        settled(&of_grid(vec![axis(windows(), 100.0, 300.0, 3), axis(doors, 4.0, 5.0, 2)]));
    assert_eq!(scenarios.count(), 6);
    let both = |scenario| {
        let mut both = changes(&scenarios, scenario);
        both.sort_by_key(|(target, _)| *target != Target::Objective(1));
        both
    };
    assert_eq!(both(0), [(Target::Objective(1), 100.0), (Target::ConstraintUpper(0), 4.0)]);
    assert_eq!(both(1), [(Target::Objective(1), 100.0), (Target::ConstraintUpper(0), 5.0)]);
    assert_eq!(both(5), [(Target::Objective(1), 300.0), (Target::ConstraintUpper(0), 5.0)]);
    assert!(changes(&scenarios, 6).is_empty());
}

#[test]
fn the_ends_of_an_axis_are_exact() {
    let scenarios = settled(&of_grid(vec![axis(windows(), 0.1, 0.7, 100_000)]));
    assert_eq!(changes(&scenarios, 0), [(Target::Objective(1), 0.1)]);
    assert_eq!(changes(&scenarios, 99_999), [(Target::Objective(1), 0.7)]);
}

#[test]
fn a_table_may_be_dense_or_sparse() {
    let parameters = vec![windows(), parameter(ParameterKind::VariableUpper, "Doors", "")];
    let dense = ScenarioTable {
        parameters: parameters.clone(),
        values: vec![1.0, 2.0, 3.0, 1e30],
        labels: vec!["a".to_owned(), String::new()],
        ..ScenarioTable::default()
    };
    let scenarios = settled(&of_table(dense));
    assert_eq!((scenarios.count(), scenarios.label(0), scenarios.label(1)), (2, "a", ""));
    let second = [(Target::Objective(1), 3.0), (Target::VariableUpper(0), f64::INFINITY)];
    assert_eq!(changes(&scenarios, 1), second);

    let sparse = ScenarioTable {
        parameters,
        scenario_starts: vec![0, 0, 1],
        parameter_indices: vec![1],
        values: vec![2.0],
        ..ScenarioTable::default()
    };
    let scenarios = settled(&of_table(sparse));
    assert!(changes(&scenarios, 0).is_empty());
    assert_eq!(changes(&scenarios, 1), [(Target::VariableUpper(0), 2.0)]);
}

#[test]
fn errors_name_the_scenario_and_the_field() {
    let table = |values: Vec<f64>| ScenarioTable {
        parameters: vec![windows()],
        values,
        labels: ["low", "high"].map(str::to_owned).to_vec(),
        ..ScenarioTable::default()
    };
    let (field, message) = fault(&of_table(table(vec![1.0, f64::NAN])));
    assert_eq!(field, "table.values[1]");
    assert!(message.contains("scenario 1 (high)") && message.contains("not a number"), "{message}");
    let (field, message) = fault(&of_table(table(vec![1.0])));
    assert_eq!(field, "table.labels");
    assert!(message.contains("has 2 scenarios, but table.values has 1"), "{message}");
}

#[test]
fn invalid_sweeps_are_rejected_at_their_field() {
    let of = |parameter| of_grid(vec![axis(parameter, 1.0, 2.0, 2)]);
    let coefficient = parameter(ParameterKind::Coefficient, "Doors", "Plant_2");
    for (sweep, field) in [
        (Sweep::default(), ""),
        (of_grid(Vec::new()), "grid.axes"),
        (of_table(ScenarioTable::default()), "table.parameters"),
        (of(ScenarioParameter::default()), "grid.axes[0].parameter.kind"),
        (of(parameter(ParameterKind::Objective, "Walls", "")), "grid.axes[0].parameter.variable"),
        (
            of(parameter(ParameterKind::Objective, "Doors", "Plant_1")),
            "grid.axes[0].parameter.constraint",
        ),
        (
            of(ScenarioParameter {
                kind: ParameterKind::Objective.into(),
                variable_index: Some(2),
                ..ScenarioParameter::default()
            }),
            "grid.axes[0].parameter.variable_index",
        ),
        (of_grid(vec![axis(windows(), 1.0, 2.0, 1)]), "grid.axes[0].point_count"),
        (of_grid(vec![axis(windows(), 1.0, f64::INFINITY, 3)]), "grid.axes[0].last"),
        (
            of_grid(vec![axis(windows(), 1.0, 2.0, 2), axis(windows(), 3.0, 4.0, 2)]),
            "grid.axes[1].parameter",
        ),
        (of_grid(vec![axis(windows(), 1.0, 2.0, 1001)]), "grid.axes"),
        (of_grid(vec![axis(coefficient, -1e-13, 1e-13, 2)]), "grid.axes[0].first"),
        (
            of_grid(vec![axis(
                parameter(ParameterKind::RightHandSide, "", "Plant_1"),
                1.0,
                1e30,
                2,
            )]),
            "grid.axes[0].last",
        ),
        (
            Sweep {
                report: Some(ScenarioReport {
                    variables: vec!["Doors".to_owned(), "Walls".to_owned()],
                    ..ScenarioReport::default()
                }),
                ..of(windows())
            },
            "report.variables[1]",
        ),
    ] {
        assert_eq!(fault(&sweep).0, field, "{sweep:?}");
    }
}

#[test]
fn a_patched_model_has_one_scenario_at_a_time_and_then_the_base_again() {
    let base = wyndor();
    let parameters = vec![
        parameter(ParameterKind::Coefficient, "Doors", "Plant_2"),
        parameter(ParameterKind::Coefficient, "Doors", "Plant_3"),
        parameter(ParameterKind::VariableFixed, "Windows", ""),
    ];
    let table = ScenarioTable {
        parameters,
        values: vec![5.0, 6.0, 1.0, 7.0, 8.0, 2.0],
        ..ScenarioTable::default()
    };
    let scenarios = settled(&of_table(table));
    let mut patched = Patched::new(base.clone(), &scenarios);
    for (scenario, [second, third, fixed]) in
        [[5.0, 6.0, 1.0], [7.0, 8.0, 2.0]].into_iter().enumerate()
    {
        patched.apply_scenario(&scenarios, scenario);
        let model = patched.model();
        assert_eq!(model.row_starts, [0, 1, 3, 5]);
        assert_eq!(model.coefficients, [1.0, 2.0, second, third, 2.0]);
        assert_eq!((model.variable_lower[1], model.variable_upper[1]), (fixed, fixed));
    }
    let back = patched.into_base();
    assert_eq!(back.coefficients, [1.0, 2.0, 0.0, 3.0, 2.0]);
    assert_eq!(
        (&back.variable_lower, &back.variable_upper),
        (&base.variable_lower, &base.variable_upper)
    );
}

#[test]
fn a_table_is_ordered_by_its_values() {
    let table = ScenarioTable {
        parameters: vec![windows()],
        values: vec![3.0, 1.0, 2.0],
        ..ScenarioTable::default()
    };
    let mut order = vec![0, 1, 2];
    settled(&of_table(table)).order(&mut order);
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn a_sparse_table_has_a_total_order() {
    // Every third scenario is the base; the others change one of the two parameters.
    let count = 99;
    let mut table = ScenarioTable {
        parameters: vec![windows(), parameter(ParameterKind::VariableUpper, "Doors", "")],
        scenario_starts: vec![0],
        ..ScenarioTable::default()
    };
    for scenario in 0..count {
        if scenario % 3 != 0 {
            table.parameter_indices.push(scenario % 2);
            table.values.push(f64::from(count - scenario));
        }
        table.scenario_starts.push(i32::try_from(table.values.len()).expect("a count"));
    }
    let mut order: Vec<usize> = (0..99).collect();
    settled(&of_table(table)).order(&mut order);
    assert!(order[..33].iter().all(|scenario| scenario % 3 == 0), "{order:?}");
    order.sort_unstable();
    assert!(order.into_iter().eq(0..99));
}

proptest! {
    #[test]
    fn neighbours_in_the_order_of_a_grid_differ_by_one_step(
        points in prop::array::uniform3(1..6_i32),
    ) {
        let parameters = [
            windows(),
            parameter(ParameterKind::Objective, "Doors", ""),
            parameter(ParameterKind::ObjectiveOffset, "", ""),
        ];
        let axes = parameters.into_iter().zip(points).map(|(parameter, points)| GridAxis {
            parameter: Some(parameter),
            values: (0..points).map(f64::from).collect(),
            ..GridAxis::default()
        });
        let scenarios = settled(&of_grid(axes.collect()));
        let mut order: Vec<usize> = (0..scenarios.count()).collect();
        scenarios.order(&mut order);
        let mut all = order.clone();
        all.sort_unstable();
        prop_assert_eq!(all, (0..scenarios.count()).collect::<Vec<_>>());
        for pair in order.windows(2) {
            let steps: f64 = changes(&scenarios, pair[0])
                .iter()
                .zip(changes(&scenarios, pair[1]))
                .map(|((_, one), (_, other))| (one - other).abs())
                .sum();
            prop_assert_eq!(steps, 1.0);
        }
    }
}
