//! Models to submit.

use bytes::Bytes;
use solvemesh::v1::{
    FileFormat, GridAxis, LinearModel, Model, ModelFile, NamedConstraint, NamedModel, NamedTerm,
    NamedVariable, ObjectiveSense, ParameterKind, ScenarioGrid, ScenarioParameter, Sweep,
    VariableKind, model::Form, sweep::Scenarios,
};

/// The optimum of [`wyndor`] for a profit rate of windows: objective, doors, windows.
///
/// One of two vertices is optimal: (2, 6) at rates of 200 and more, (4, 3) below.
pub fn wyndor_optimum(rate: f64) -> (f64, f64, f64) {
    let (doors, windows) = if rate >= 200.0 { (2.0, 6.0) } else { (4.0, 3.0) };
    (300.0 * doors + rate * windows, doors, windows)
}

/// The product mix of Wyndor Glass, as arrays.
pub fn wyndor(rate: f64) -> Model {
    form(Form::Linear(LinearModel {
        sense: ObjectiveSense::Maximize.into(),
        objective: vec![300.0, rate],
        variable_names: vec!["Doors".into(), "Windows".into()],
        constraint_upper: vec![4.0, 12.0, 18.0],
        constraint_names: vec!["plant1".into(), "plant2".into(), "plant3".into()],
        row_starts: vec![0, 1, 2, 4],
        column_indices: vec![0, 1, 0, 1],
        coefficients: vec![1.0, 2.0, 3.0, 2.0],
        ..LinearModel::default()
    }))
}

/// A sweep of [`wyndor`] over this number of profit rates of windows, from 100 to 1000.
pub fn wyndor_rates(count: i32) -> Sweep {
    let parameter = ScenarioParameter {
        kind: ParameterKind::Objective.into(),
        variable: "Windows".to_owned(),
        ..ScenarioParameter::default()
    };
    let axis = GridAxis {
        parameter: Some(parameter),
        first: Some(100.0),
        last: Some(1000.0),
        point_count: count,
        ..GridAxis::default()
    };
    let grid = ScenarioGrid { axes: vec![axis] };
    Sweep { scenarios: Some(Scenarios::Grid(grid)), ..Sweep::default() }
}

/// [`wyndor`] with named terms.
pub fn wyndor_named(rate: f64) -> Model {
    let variable = |name: &str, objective| NamedVariable {
        name: name.to_owned(),
        objective: Some(objective),
        ..NamedVariable::default()
    };
    let plant = |name: &str, terms: &[(&str, f64)], hours| NamedConstraint {
        name: name.to_owned(),
        terms: terms
            .iter()
            .map(|&(variable, coefficient)| NamedTerm {
                variable: variable.to_owned(),
                coefficient: Some(coefficient),
            })
            .collect(),
        upper: Some(hours),
        ..NamedConstraint::default()
    };
    form(Form::Named(NamedModel {
        sense: ObjectiveSense::Maximize.into(),
        variables: vec![variable("Doors", 300.0), variable("Windows", rate)],
        constraints: vec![
            plant("plant1", &[("Doors", 1.0)], 4.0),
            plant("plant2", &[("Windows", 2.0)], 12.0),
            plant("plant3", &[("Doors", 3.0), ("Windows", 2.0)], 18.0),
        ],
        ..NamedModel::default()
    }))
}

/// Wyndor as a person types it, at a rate of 500.
pub const WYNDOR_LP: &str = "Maximize
 profit: 300 Doors + 500 Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End
";

/// A model as LP text.
pub fn lp(text: &str) -> Model {
    form(Form::Lp(text.to_owned()))
}

/// A model as MPS text.
pub fn mps(text: &str) -> Model {
    form(Form::Mps(text.to_owned()))
}

/// A model as a file.
pub fn file(name: &str, content: impl Into<Bytes>) -> Model {
    form(Form::File(ModelFile {
        content: content.into(),
        name: name.to_owned(),
        format: FileFormat::Unspecified.into(),
    }))
}

/// A market split problem: choose among `columns` binaries so that each of `rows`
/// random sums comes as close to one half of its total as possible. Every choice is
/// feasible, but with 5 rows and 40 columns optimality is not proven within hours.
pub fn market_split(rows: usize, columns: usize) -> Model {
    // Xorshift with a fixed seed: the same model in every run.
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 100) as f64
    };
    // Each row: sum of chosen + shortfall - excess = half of the total.
    let width = columns + 2 * rows;
    let mut model = LinearModel {
        sense: ObjectiveSense::Minimize.into(),
        objective: (0..width).map(|j| if j < columns { 0.0 } else { 1.0 }).collect(),
        variable_kinds: (0..width)
            .map(|j| match j < columns {
                true => VariableKind::Binary.into(),
                false => VariableKind::Continuous.into(),
            })
            .collect(),
        row_starts: vec![0],
        ..LinearModel::default()
    };
    for row in 0..rows {
        let weights: Vec<f64> = (0..columns).map(|_| random()).collect();
        let half = (weights.iter().sum::<f64>() / 2.0).floor();
        let slacks = [(columns + 2 * row, 1.0), (columns + 2 * row + 1, -1.0)];
        for (column, weight) in weights.into_iter().enumerate().chain(slacks) {
            if weight != 0.0 {
                model.column_indices.push(index(column));
                model.coefficients.push(weight);
            }
        }
        model.row_starts.push(index(model.coefficients.len()));
        model.constraint_lower.push(half);
        model.constraint_upper.push(half);
    }
    form(Form::Linear(model))
}

/// An easy LP of any size: `groups` rows of ten variables each, whose sum is at least 1, at
/// minimum cost. The cheapest variable of each row costs 1, so the optimum is `groups`.
pub fn wide(groups: usize) -> Model {
    let columns = groups * 10;
    form(Form::Linear(LinearModel {
        objective: (0..columns).map(|j| 1.0 + (j % 10) as f64).collect(),
        constraint_lower: vec![1.0; groups],
        row_starts: (0..=groups).map(|i| index(i * 10)).collect(),
        column_indices: (0..columns).map(index).collect(),
        coefficients: vec![1.0; columns],
        ..LinearModel::default()
    }))
}

/// An LP of `columns` variables. Variable j is between 1 and 2 + j % 7 and costs 1, or -1
/// where j is odd. Its few rows are never binding, so each variable is at a bound.
pub fn separable(columns: usize) -> Model {
    const ROWS: usize = 8;
    form(Form::Linear(LinearModel {
        objective: (0..columns).map(|j| if j.is_multiple_of(2) { 1.0 } else { -1.0 }).collect(),
        variable_lower: vec![1.0; columns],
        variable_upper: (0..columns).map(|j| 2.0 + (j % 7) as f64).collect(),
        constraint_upper: vec![100.0; ROWS],
        row_starts: (0..=ROWS).map(|i| index(2 * i)).collect(),
        column_indices: (0..2 * ROWS).map(index).collect(),
        coefficients: vec![1.0; 2 * ROWS],
        ..LinearModel::default()
    }))
}

/// The value of one variable in the optimum of [`separable`].
pub fn separable_optimum(column: usize) -> f64 {
    if column.is_multiple_of(2) { 1.0 } else { 2.0 + (column % 7) as f64 }
}

fn index(value: usize) -> i32 {
    i32::try_from(value).expect("an index")
}

fn form(form: Form) -> Model {
    Model { name: String::new(), form: Some(form) }
}
