//! Properties of the NL reader: a model that is written in the format reads back the same, and
//! nothing that is read is trusted.

use std::io::Write as _;

use proptest::{collection::vec, prelude::*};
use solvemesh::v1::{FileFormat, LinearModel, ObjectiveSense, VariableKind};
use solvemesh_model::Faults;

use crate::properties::{config, damaged, file, model, normal};

/// A model that the format can express: without names, without semi-continuous variables, and with
/// its integers behind the others.
fn nl_model() -> impl Strategy<Value = LinearModel> {
    model("[a-z]{1,8}").prop_map(|mut model| {
        for kind in &mut model.variable_kinds {
            *kind = match VariableKind::try_from(*kind) {
                Ok(VariableKind::Integer | VariableKind::SemiInteger) => VariableKind::Integer,
                _ => VariableKind::Continuous,
            } as i32;
        }
        model.variable_kinds.sort_unstable();
        for (names, letter) in
            [(&mut model.variable_names, 'x'), (&mut model.constraint_names, 'c')]
        {
            for (index, name) in names.iter_mut().enumerate() {
                *name = format!("{letter}{index}");
            }
        }
        model
    })
}

/// Writes one of the forms of the format.
struct Writer {
    bytes: Vec<u8>,
    binary: bool,
}

impl Writer {
    /// A record: a letter (or none), then integers, then numbers.
    fn record(&mut self, letter: &str, ints: &[usize], reals: &[f64]) {
        let ints = ints.iter().map(|&int| i32::try_from(int).unwrap());
        if self.binary {
            self.bytes.extend(letter.as_bytes());
            ints.for_each(|int| self.bytes.extend(int.to_le_bytes()));
            reals.iter().for_each(|real| self.bytes.extend(real.to_le_bytes()));
            return;
        }
        let numbers = ints.map(|int| int.to_string()).chain(reals.iter().map(f64::to_string));
        let numbers: Vec<String> = numbers.collect();
        // A digit that says which bounds follow is separated from them.
        let blank = if letter.starts_with(|it: char| it.is_ascii_digit()) { " " } else { "" };
        writeln!(self.bytes, "{letter}{blank}{}", numbers.join(" ")).unwrap();
    }

    fn bounds(&mut self, lower: f64, upper: f64) {
        match (lower.is_finite(), upper.is_finite()) {
            (true, true) if lower == upper => self.record("4", &[], &[lower]),
            (true, true) => self.record("0", &[], &[lower, upper]),
            (false, true) => self.record("1", &[], &[upper]),
            (true, false) => self.record("2", &[], &[lower]),
            (false, false) => self.record("3", &[], &[]),
        }
    }

    /// A constant plus these terms, as an expression.
    fn expression(&mut self, constant: f64, terms: &[(usize, f64)]) {
        if terms.is_empty() {
            return self.record("n", &[], &[constant]);
        }
        self.record("o", &[54], &[]);
        self.record("", &[terms.len() + 1], &[]);
        for (position, &(column, value)) in terms.iter().enumerate() {
            match position % 3 {
                0 => {
                    self.record("o", &[2], &[]);
                    self.record("n", &[], &[value]);
                    self.record("v", &[column], &[]);
                }
                1 => {
                    self.record("o", &[16], &[]);
                    self.record("o", &[2], &[]);
                    self.record("v", &[column], &[]);
                    self.record("n", &[], &[-value]);
                }
                _ => {
                    self.record("o", &[3], &[]);
                    self.record("o", &[2], &[]);
                    self.record("n", &[], &[4.0 * value]);
                    self.record("v", &[column], &[]);
                    self.record("n", &[], &[4.0]);
                }
            }
        }
        self.record("n", &[], &[constant]);
    }
}

/// Writes a model. In row `i`, `shift[i]` is a constant that the expression has, and the first
/// `folded[i]` terms are in the expression as well.
fn written(model: &LinearModel, binary: bool, shift: &[f64], folded: &[usize]) -> Vec<u8> {
    let (n, m) = (model.variable_lower.len(), model.constraint_lower.len());
    let (form, k) = (if binary { "b" } else { "g" }, model.coefficients.len());
    let gradient: Vec<(usize, f64)> =
        model.objective.iter().copied().enumerate().filter(|it| it.1 != 0.0).collect();
    let integers = model.variable_kinds.iter().filter(|&&it| it == VariableKind::Integer as i32);
    let (integers, g) = (integers.count(), gradient.len());
    let header = format!(
        "{form}3 1 1 0\t# problem unknown\n {n} {m} 1 0 0\n 0 0\n 0 0\n 0 0 0\n 0 0 1 1\n \
         0 {integers} 0 0 0\n {k} {g}\n 0 0\n 0 0 0 0 0\n"
    );
    let mut out = Writer { bytes: header.into_bytes(), binary };
    let terms = |row: usize| -> Vec<(usize, f64)> {
        (model.row_starts[row] as usize..model.row_starts[row + 1] as usize)
            .map(|it| (model.column_indices[it] as usize, model.coefficients[it]))
            .collect()
    };
    for row in 0..m {
        let terms = terms(row);
        out.record("C", &[row], &[]);
        out.expression(shift[row], &terms[..folded[row].min(terms.len())]);
    }
    let maximize = model.sense == ObjectiveSense::Maximize as i32;
    out.record("O", &[0, usize::from(maximize)], &[]);
    out.expression(model.objective_offset, &[]);
    if m > 0 {
        out.record("r", &[], &[]);
        for ((lower, upper), shift) in
            model.constraint_lower.iter().zip(&model.constraint_upper).zip(shift)
        {
            out.bounds(lower + shift, upper + shift);
        }
    }
    out.record("b", &[], &[]);
    for (lower, upper) in model.variable_lower.iter().zip(&model.variable_upper) {
        out.bounds(*lower, *upper);
    }
    for (row, &folded) in folded.iter().enumerate().take(m) {
        let terms = terms(row);
        out.record("J", &[row, terms.len()], &[]);
        for (position, &(column, value)) in terms.iter().enumerate() {
            let linear = if position < folded { 0.0 } else { value };
            out.record("", &[column], &[linear]);
        }
    }
    out.record("G", &[0, g], &[]);
    gradient.iter().for_each(|&(column, value)| out.record("", &[column], &[value]));
    out.bytes
}

fn seed(binary: bool) -> Vec<u8> {
    let model = LinearModel {
        sense: ObjectiveSense::Maximize as i32,
        objective_offset: 7.0,
        variable_lower: vec![0.0, 1.0, -2.0],
        variable_upper: vec![4.0, f64::INFINITY, 9.0],
        objective: vec![1.5, 0.0, -2.0],
        variable_kinds: vec![1, 1, 2],
        constraint_lower: vec![f64::NEG_INFINITY, 3.0, 2.0],
        constraint_upper: vec![8.0, 3.0, 12.0],
        row_starts: vec![0, 2, 3, 5],
        column_indices: vec![0, 1, 2, 0, 2],
        coefficients: vec![1.0, 2.5, -1.0, 4.0, 0.5],
        ..LinearModel::default()
    };
    written(&model, binary, &[0.0, 1.0, -2.5], &[0, 1, 2])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_model_written_as_nl_reads_back_the_same(
        model in nl_model(),
        binary in any::<bool>(),
        shift in vec(-40..40i32, 8),
        folded in vec(0..4usize, 8),
    ) {
        let m = model.constraint_lower.len();
        prop_assume!(m <= 8);
        let shift: Vec<f64> = shift.iter().map(|it| f64::from(*it) / 4.0).collect();
        let bytes = written(&model, binary, &shift, &folded);
        let read = normal(file(bytes.clone(), FileFormat::Unspecified as i32));
        let text = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(read.as_ref().map(|read| &*read.model), Ok(&model), "{}", text);
    }

    #[test]
    fn a_damaged_nl_file_is_read_or_rejected_at_a_position_within_it(bytes in damaged(seed(false))) {
        if let Err(Faults(faults)) = normal(file(bytes.clone(), FileFormat::Nl as i32)) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(!faults.is_empty());
            for place in faults.iter().filter_map(|fault| fault.place) {
                prop_assert!((1..=lines).contains(&place.line) && place.column >= 1);
            }
        }
    }

    #[test]
    fn a_damaged_binary_nl_file_is_read_or_rejected(bytes in damaged(seed(true))) {
        if let Err(Faults(faults)) = normal(file(bytes, FileFormat::Nl as i32)) {
            prop_assert!(faults.iter().all(|fault| fault.field == "file"));
        }
    }

    #[test]
    fn arbitrary_segments_are_read_or_rejected(
        tail in vec(any::<u8>(), 0..120),
        binary in any::<bool>(),
    ) {
        let whole = seed(binary);
        let header = whole.iter().enumerate().filter(|it| *it.1 == b'\n').nth(9).unwrap().0 + 1;
        let bytes = [&whole[..header], &tail].concat();
        prop_assert!(normal(file(bytes, FileFormat::Nl as i32)).is_err());
    }
}
