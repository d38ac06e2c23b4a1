#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Write;

use proptest::prelude::*;
use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};

use crate::{
    Limits,
    generated::linear_model,
    reading::{ReadError, Reading},
};

fn read(text: &str) -> Result<Reading, ReadError> {
    super::read(text, &Limits::default())
}

/// Writes a model as LP text. `style` selects the separator between terms.
fn write(model: &LinearModel, style: u8) -> String {
    let blank = ["\n  ", " ", "\t", " \\ note\n "][usize::from(style % 4)];
    let mut text = String::new();
    let sense = if model.sense() == ObjectiveSense::Maximize { "Maximize" } else { "min" };
    write!(text, "{sense}\n obj: {:e}", model.objective_offset).unwrap();
    for (name, cost) in model.variable_names.iter().zip(&model.objective) {
        write!(text, "{blank}+ {cost} {name}").unwrap();
    }
    text.push_str("\nSubject To\n");
    for (index, name) in model.constraint_names.iter().enumerate() {
        let (lower, upper) = (model.constraint_lower[index], model.constraint_upper[index]);
        let mut terms = String::from("0");
        for entry in model.row_starts[index]..model.row_starts[index + 1] {
            let column = model.column_indices[entry as usize] as usize;
            let (value, name) = (model.coefficients[entry as usize], &model.variable_names[column]);
            write!(terms, "{blank}+ {value:e} {name}").unwrap();
        }
        let has_terms = model.row_starts[index] < model.row_starts[index + 1];
        if lower == upper {
            writeln!(text, "{name}: {terms} = {lower:?}").unwrap();
        } else if lower == f64::NEG_INFINITY {
            writeln!(text, "{name}: {terms} <= {upper:?}").unwrap();
        } else if upper == f64::INFINITY && has_terms {
            writeln!(text, "{name}: {lower:?} <= {terms}").unwrap();
        } else if upper == f64::INFINITY {
            writeln!(text, "{name}: {terms} >= {lower:?}").unwrap();
        } else {
            writeln!(text, "{name}: {lower:?} <= {terms} <= {upper:?}").unwrap();
        }
    }
    text.push_str("Bounds\n");
    for (index, name) in model.variable_names.iter().enumerate() {
        let (lower, upper) = (model.variable_lower[index], model.variable_upper[index]);
        writeln!(text, " {lower:?} <= {name} <= {upper:?}").unwrap();
    }
    for (keyword, kinds) in [
        ("General", [VariableKind::Integer, VariableKind::SemiInteger]),
        ("semi-continuous", [VariableKind::SemiContinuous, VariableKind::SemiInteger]),
    ] {
        writeln!(text, "{keyword}").unwrap();
        for (name, kind) in model.variable_names.iter().zip(&model.variable_kinds) {
            if kinds.iter().any(|of| i32::from(*of) == *kind) {
                write!(text, "{blank}{name}").unwrap();
            }
        }
        text.push('\n');
    }
    text.push_str("End\n");
    text
}

/// Asserts that an error has a position within the text, or right after it.
fn refused_within(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = read(text) {
        let line = text.split('\n').nth(error.place.line.wrapping_sub(1));
        let columns = line.map(|line| line.chars().count() + 1);
        prop_assert!(
            columns.is_some_and(|columns| (1..=columns).contains(&error.place.column)),
            "{error:?}"
        );
        prop_assert!(!error.message.is_empty());
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_written_model_reads_back_the_same(model in linear_model(), style: u8) {
        let text = write(&model, style);
        let reading = read(&text).map_err(|e| TestCaseError::fail(format!("{e:?} in\n{text}")))?;
        prop_assert_eq!(reading.model, model, "{}", text);
    }

    #[test]
    fn any_text_is_read_or_rejected_at_a_position_within(text in "\\PC{0,60}") {
        refused_within(&text)?;
        refused_within(&format!("min x\nst\n{text}"))?;
        refused_within(&format!("min x\nst\nbounds\n{text}"))?;
    }

    #[test]
    fn any_sequence_of_tokens_is_read_or_rejected_at_a_position_within(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "min", "st", "bounds", "gen", "bin", "semi", "end", "x", "y", "é", "free", "inf", "nan",
            "c:", ":", "1", "2e1", "1.", ".5", "1_0", "+", "-", "*", "^", "/", "[", "]", "->", "!=",
            "<=", ">=", "=", "<", "\\", "\\*", "*\\", "\n", "\r\n", "\t", "(", "≤", "\u{0}",
        ]), 0..40),
        separator in prop::sample::select(vec!["", " "]),
    ) {
        let text = tokens.join(separator);
        refused_within(&text)?;
        refused_within(&format!("min x + y\nst\n{text}"))?;
    }

    #[test]
    fn a_damaged_model_is_read_or_rejected_at_a_position_within(
        model in linear_model(),
        at: prop::sample::Index,
        length in 0..9_usize,
        patch in "[-+<>=:.\\\\*/\\[\\]a-e0-9 \n]{0,4}",
    ) {
        let mut chars: Vec<char> = write(&model, 1).chars().collect();
        let start = at.index(chars.len());
        let end = (start + length).min(chars.len());
        chars.splice(start..end, patch.chars());
        refused_within(&chars.into_iter().collect::<String>())?;
    }
}
