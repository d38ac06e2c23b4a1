//! Models for property tests.

use proptest::prelude::*;
use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};

/// Numbers of different magnitudes, which are read back exactly.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1000_i32..1000).prop_map(f64::from),
        (-1000_i32..1000).prop_map(|n| f64::from(n) / 8.0),
        -1e19_f64..1e19,
        -1e-3_f64..1e-3,
    ]
}

fn coefficient() -> impl Strategy<Value = f64> {
    number().prop_filter("a coefficient is not zero", |value| *value != 0.0)
}

/// lower <= upper, each infinite now and then.
fn interval() -> impl Strategy<Value = (f64, f64)> {
    let end = || (number(), prop::bool::weighted(0.25));
    (end(), end()).prop_map(|((a, below), (b, above))| {
        let lower = if below { f64::NEG_INFINITY } else { a.min(b) };
        (lower, if above { f64::INFINITY } else { a.max(b) })
    })
}

/// A kind, and bounds that are valid for it.
fn variable() -> impl Strategy<Value = (VariableKind, (f64, f64))> {
    let whole = prop::sample::select(vec![VariableKind::Continuous, VariableKind::Integer]);
    let semi = prop::sample::select(vec![VariableKind::SemiContinuous, VariableKind::SemiInteger]);
    prop_oneof![
        3 => (whole, interval()),
        1 => (semi, (0.0..5.0, 5.0..9.0)),
    ]
}

type Row = ((f64, f64), Vec<Option<f64>>);

/// A model in normal form, with ascending columns in each row.
pub(crate) fn linear_model() -> impl Strategy<Value = LinearModel> {
    (0..6_usize).prop_flat_map(|columns| {
        let rows = prop::collection::vec(row(columns), 0..6);
        let variables = prop::collection::vec((variable(), number()), columns);
        (variables, rows, any::<bool>(), number()).prop_map(
            |(variables, rows, maximised, offset)| {
                let mut model = LinearModel {
                    objective_offset: offset,
                    variable_count: Some(variables.len() as i32),
                    constraint_count: Some(rows.len() as i32),
                    row_starts: vec![0],
                    ..LinearModel::default()
                };
                model.set_sense(match maximised {
                    true => ObjectiveSense::Maximize,
                    false => ObjectiveSense::Minimize,
                });
                for (index, ((kind, (lower, upper)), objective)) in variables.iter().enumerate() {
                    model.variable_names.push(format!("x#{index}"));
                    model.variable_kinds.push((*kind).into());
                    model.variable_lower.push(*lower);
                    model.variable_upper.push(*upper);
                    model.objective.push(*objective);
                }
                for (index, ((lower, upper), coefficients)) in rows.iter().enumerate() {
                    model.constraint_names.push(format!("end{index}"));
                    model.constraint_lower.push(*lower);
                    model.constraint_upper.push(*upper);
                    for (column, coefficient) in coefficients.iter().enumerate() {
                        if let Some(coefficient) = coefficient {
                            model.column_indices.push(column as i32);
                            model.coefficients.push(*coefficient);
                        }
                    }
                    model.row_starts.push(model.coefficients.len() as i32);
                }
                model
            },
        )
    })
}

fn row(columns: usize) -> impl Strategy<Value = Row> {
    (interval(), prop::collection::vec(prop::option::of(coefficient()), columns))
}
