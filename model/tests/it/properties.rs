//! Properties that hold for every model, and for arbitrary bytes.

use std::{collections::BTreeSet, fmt::Write as _, io::Write as _, ops::RangeInclusive};

use flate2::{Compression, write::GzEncoder};
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    sample::select,
};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use solvemesh::v1::{LinearModel, Model, ModelFile, ObjectiveSense, VariableKind, model::Form};
use solvemesh_model::{Faults, Limits, ReadModel, read};

const INF: f64 = f64::INFINITY;

pub(crate) fn normal(form: Form) -> Result<ReadModel, Faults> {
    read(Model { name: String::new(), form: Some(form) }, &Limits::default())
}

pub(crate) fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

/// Numbers that add up without rounding and fit a field of the fixed format.
fn number() -> impl Strategy<Value = f64> {
    (-400_000..400_000).prop_map(|quarters| f64::from(quarters) / 4.0)
}

/// Bounds that don't cross.
fn interval() -> impl Strategy<Value = (f64, f64)> {
    (number(), number(), 0..5).prop_map(|(a, b, shape)| match shape {
        0 => (-INF, a),
        1 => (a, INF),
        2 => (a, a),
        3 => (-INF, INF),
        _ => (a.min(b), a.max(b)),
    })
}

fn kind() -> impl Strategy<Value = VariableKind> {
    select(vec![
        VariableKind::Continuous,
        VariableKind::Integer,
        VariableKind::SemiContinuous,
        VariableKind::SemiInteger,
    ])
}

/// Different names of at most 8 characters, as many as `count` allows.
fn names(
    pattern: &'static str,
    count: RangeInclusive<usize>,
) -> impl Strategy<Value = Vec<String>> {
    let tricky = select(vec!["RHS", "RANGES", "BOUNDS", "MARKER", "ENDATA", "NAME", "12", "inf"]);
    let name = prop_oneof![9 => pattern.prop_map(String::from), 1 => tricky.prop_map(String::from)];
    btree_set(name, count).prop_map(|names: BTreeSet<String>| names.into_iter().collect())
}

/// A model in normal form that MPS can express, with names of this pattern.
pub(crate) fn model(pattern: &'static str) -> impl Strategy<Value = LinearModel> {
    (names(pattern, 0..=5), names(pattern, 0..=5)).prop_flat_map(|(columns, rows)| {
        let (n, m) = (columns.len(), rows.len());
        let entry = prop_oneof![Just(0.0), number()];
        let variable = (number(), interval(), kind());
        (
            (any::<bool>(), number(), Just(columns), Just(rows)),
            vec(variable, n),
            vec(interval(), m),
            vec(vec(entry, n), m),
        )
            .prop_map(
                |((maximize, offset, columns, rows), variables, intervals, matrix)| {
                    let mut model = LinearModel {
                        sense: if maximize {
                            ObjectiveSense::Maximize
                        } else {
                            ObjectiveSense::Minimize
                        } as i32,
                        objective_offset: offset,
                        variable_count: Some(columns.len() as i32),
                        constraint_count: Some(rows.len() as i32),
                        variable_names: columns,
                        constraint_names: rows,
                        row_starts: vec![0],
                        ..LinearModel::default()
                    };
                    for (cost, (lower, upper), kind) in variables {
                        let semi = matches!(
                            kind,
                            VariableKind::SemiContinuous | VariableKind::SemiInteger
                        );
                        let (lower, upper) = if semi {
                            let upper = if upper.is_finite() { upper.abs() + 1.0 } else { 7.0 };
                            (if lower.is_finite() { lower.abs() } else { 0.0 }, upper)
                        } else {
                            (lower, upper)
                        };
                        model.objective.push(cost);
                        model.variable_lower.push(lower);
                        model.variable_upper.push(upper);
                        model.variable_kinds.push(kind as i32);
                    }
                    for (lower, upper) in intervals {
                        model.constraint_lower.push(lower);
                        model.constraint_upper.push(upper);
                    }
                    for row in matrix {
                        for (column, value) in
                            row.into_iter().enumerate().filter(|(_, v)| *v != 0.0)
                        {
                            model.column_indices.push(column as i32);
                            model.coefficients.push(value);
                        }
                        model.row_starts.push(model.coefficients.len() as i32);
                    }
                    model
                },
            )
    })
}

/// Writes a model as MPS, with its fields in the columns of the fixed format.
fn mps(model: &LinearModel) -> String {
    let mut text = String::from("NAME          TEST\nOBJSENSE\n    ");
    let maximize = model.sense == ObjectiveSense::Maximize as i32;
    text.push_str(if maximize { "MAX\n" } else { "MIN\n" });
    let objective = "o-b-j";
    let rows = model.constraint_names.iter().zip(&model.constraint_lower);
    let rows: Vec<(&String, f64, f64)> =
        rows.zip(&model.constraint_upper).map(|((name, l), u)| (name, *l, *u)).collect();
    text.push_str("ROWS\n");
    writeln!(text, " N  {objective}").unwrap();
    for (name, lower, upper) in &rows {
        let sense = match (lower, upper) {
            (l, u) if l == u => "E",
            (_, u) if u.is_finite() => "L",
            (l, _) if l.is_finite() => "G",
            _ => "L",
        };
        writeln!(text, " {sense}  {name}").unwrap();
    }
    text.push_str("COLUMNS\n");
    for (j, name) in model.variable_names.iter().enumerate() {
        let kind = model.variable_kinds[j];
        let integer =
            kind == VariableKind::Integer as i32 || kind == VariableKind::SemiInteger as i32;
        if integer {
            text.push_str("    M1        'MARKER'                 'INTORG'\n");
        }
        let mut pairs = vec![(objective, model.objective[j])];
        for (i, (row, ..)) in rows.iter().enumerate() {
            for k in model.row_starts[i] as usize..model.row_starts[i + 1] as usize {
                if model.column_indices[k] as usize == j {
                    pairs.push((row, model.coefficients[k]));
                }
            }
        }
        for pair in pairs.chunks(2) {
            write!(text, "    {name:<8}  {:<8}  {:>12}", pair[0].0, pair[0].1).unwrap();
            if let Some((row, value)) = pair.get(1) {
                write!(text, "   {row:<8}  {value:>12}").unwrap();
            }
            text.push('\n');
        }
        if integer {
            text.push_str("    M2        'MARKER'                 'INTEND'\n");
        }
    }
    text.push_str("RHS\n");
    writeln!(text, "    R         {objective:<8}  {:>12}", -model.objective_offset).unwrap();
    for (name, lower, upper) in &rows {
        let side = match (lower.is_finite(), upper.is_finite()) {
            (_, true) => upper.to_string(),
            (true, false) => lower.to_string(),
            (false, false) => "1e30".to_owned(),
        };
        writeln!(text, "    R         {name:<8}  {side:>12}").unwrap();
    }
    text.push_str("RANGES\n");
    for (name, lower, upper) in &rows {
        if lower.is_finite() && upper.is_finite() && lower != upper {
            writeln!(text, "    G         {name:<8}  {:>12}", lower - upper).unwrap();
        }
    }
    text.push_str("BOUNDS\n");
    for (j, name) in model.variable_names.iter().enumerate() {
        let mut bound = |kind: &str, value: f64| {
            writeln!(text, " {kind} B         {name:<8}  {value:>12}").unwrap();
        };
        let kind = model.variable_kinds[j];
        let semi =
            kind == VariableKind::SemiContinuous as i32 || kind == VariableKind::SemiInteger as i32;
        bound("LO", model.variable_lower[j]);
        bound(if semi { "SC" } else { "UP" }, model.variable_upper[j]);
    }
    text.push_str("ENDATA\n");
    text
}

/// The coefficients of each row as a dense matrix.
fn dense(model: &LinearModel, n: usize) -> Vec<Vec<f64>> {
    model
        .row_starts
        .windows(2)
        .map(|ends| {
            let mut row = vec![0.0; n];
            for k in ends[0] as usize..ends[1] as usize {
                row[model.column_indices[k] as usize] = model.coefficients[k];
            }
            row
        })
        .collect()
}

fn wild_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -5.0..5.0,
        1 => any::<f64>(),
        1 => select(vec![0.0, -0.0, 1e-9, 1e15, 1e20, -1e20, INF, -INF, f64::NAN]),
    ]
}

/// Arrays of matching lengths, some absent, with values that may be infinite.
pub(crate) fn sound_model() -> impl Strategy<Value = LinearModel> {
    const N: usize = 3;
    const M: usize = 2;
    let absent_or = |values: Vec<f64>, absent: bool| if absent { Vec::new() } else { values };
    let sparse = || vec(prop::option::of(select(vec![0.0, 1e-10, -2.5, 3.0, 1e14])), N);
    (
        (vec(-9.0..9.0, N), vec(select(vec![0.0, 3.5, 1e20, INF]), N), vec(number(), N)),
        (vec(select(vec![0, 1, 2, 3]), N), vec("[ab]{0,2}", N), vec("c?", M)),
        (vec(select(vec![-INF, -1e20, -4.0]), M), vec(number(), M)),
        vec(sparse(), M),
        vec(any::<bool>(), 6),
    )
        .prop_map(move |(numbers, (kinds, columns, rows), sides, matrix, absent)| {
            let mut model = LinearModel {
                variable_count: Some(N as i32),
                variable_lower: absent_or(numbers.0, absent[0]),
                variable_upper: absent_or(numbers.1, absent[1]),
                objective: absent_or(numbers.2, absent[2]),
                variable_kinds: if absent[3] { Vec::new() } else { kinds },
                variable_names: columns,
                constraint_lower: absent_or(sides.0, absent[4]),
                constraint_upper: absent_or(sides.1, absent[5]),
                constraint_names: rows,
                row_starts: vec![0],
                ..LinearModel::default()
            };
            for row in matrix {
                for (column, value) in row.into_iter().enumerate() {
                    if let Some(value) = value {
                        model.column_indices.push(column as i32);
                        model.coefficients.push(value);
                    }
                }
                model.row_starts.push(model.coefficients.len() as i32);
            }
            model
        })
}

/// Arrays of lengths that may not match, with arbitrary values.
pub(crate) fn wild_model() -> impl Strategy<Value = LinearModel> {
    let length = || select(vec![0usize, 2, 2, 2, 3]);
    let numbers = move || length().prop_flat_map(|length| vec(wild_number(), length));
    let names = move || length().prop_flat_map(|length| vec("[ab]?[0-3]?", length));
    let index = || prop_oneof![9 => 0..3, 1 => any::<i32>()];
    (
        (-1..4i32, prop::option::of(-1..4i32), prop::option::of(-1..4i32), wild_number()),
        (numbers(), numbers(), numbers(), length().prop_flat_map(|n| vec(-1..7, n)), names()),
        (numbers(), numbers(), names()),
        (vec(index(), 0..5), vec(index(), 0..5), vec(wild_number(), 0..5)),
    )
        .prop_map(|((sense, n, m, offset), variables, constraints, matrix)| LinearModel {
            sense,
            objective_offset: offset,
            variable_count: n,
            variable_lower: variables.0,
            variable_upper: variables.1,
            objective: variables.2,
            variable_kinds: variables.3,
            variable_names: variables.4,
            constraint_count: m,
            constraint_lower: constraints.0,
            constraint_upper: constraints.1,
            constraint_names: constraints.2,
            row_starts: matrix.0,
            column_indices: matrix.1,
            coefficients: matrix.2,
        })
}

const SEED: &str = "NAME seed\nOBJSENSE\n MAX\nROWS\n N o\n L l\n G g\n E e\nCOLUMNS\n x o 1 l \
                    2\n x g 3 e 4\n M 'MARKER' 'INTORG'\n y o 1\n M 'MARKER' 'INTEND'\nRHS\n R l \
                    4 o 2\nRANGES\n A l 3\nBOUNDS\n UP B x 4\n BV B y\nENDATA\n";

/// A valid file with a few pieces overwritten, copied elsewhere, or cut out.
pub(crate) fn damaged(seed: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<u16>(), any::<u16>(), 0..24usize, 0..4, any::<u8>());
    vec(damage, 1..6).prop_map(move |damages| {
        let mut bytes = seed.clone();
        for (from, to, length, what, byte) in damages {
            if bytes.is_empty() {
                break;
            }
            let from = usize::from(from) % bytes.len();
            let piece: Vec<u8> = bytes[from..].iter().copied().take(length).collect();
            let to = usize::from(to) % bytes.len();
            match what {
                0 => bytes[from] = byte,
                1 => drop(bytes.splice(to..to, piece)),
                2 => drop(bytes.drain(from..from + piece.len())),
                _ => bytes[from] = b" \n*-.'19eERN\t\r"[usize::from(byte) % 14],
            }
        }
        bytes
    })
}

fn packed(text: &str) -> [Vec<u8>; 2] {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    [gzip.finish().unwrap(), compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)]
}

pub(crate) fn file(content: Vec<u8>, format: i32) -> Form {
    Form::File(ModelFile { content: content.into(), name: String::new(), format })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_model_written_as_mps_reads_back_the_same(model in model("[A-Za-z_][A-Za-z0-9_.#]{0,7}")) {
        let text = mps(&model);
        let read = normal(Form::Mps(text.clone()));
        prop_assert_eq!(read.as_ref().map(|read| &*read.model), Ok(&model), "{}", text);
    }

    #[test]
    fn a_model_with_blanks_in_its_names_reads_back_the_same(model in model("[A-Z][A-Z0-9 ]{0,2} [A-Z]")) {
        let text = mps(&model);
        let read = normal(Form::Mps(text.clone()));
        prop_assert_eq!(read.as_ref().map(|read| &*read.model), Ok(&model), "{}", text);
    }

    #[test]
    fn arrays_are_rejected_or_keep_their_meaning(sent in prop_oneof![sound_model(), wild_model()]) {
        if let Ok(normal) = normal(Form::Linear(sent.clone())) {
            let model = &normal.model;
            let (n, m) = (model.variable_lower.len(), model.constraint_lower.len());
            for array in [&sent.variable_lower, &sent.variable_upper, &sent.objective] {
                prop_assert!(array.is_empty() || array.len() == n);
            }
            for (kept, given) in model.variable_lower.iter().zip(&sent.variable_lower) {
                prop_assert!(kept == given || given.abs() >= 1e20 && kept.is_infinite());
            }
            for (kept, given) in model.variable_names.iter().zip(&sent.variable_names) {
                prop_assert!(kept == given || given.is_empty());
            }
            let unique: BTreeSet<&String> = model.variable_names.iter().collect();
            prop_assert_eq!(unique.len(), n);
            prop_assert_eq!(model.constraint_names.len(), m);
            prop_assert_eq!(model.row_starts.len(), m + 1);
            prop_assert!(model.coefficients.iter().all(|value| *value != 0.0));
            if !sent.row_starts.is_empty() {
                prop_assert_eq!(dense(model, n), dense(&sent, n));
            }
        }
    }

    #[test]
    fn the_normal_form_is_its_own_normal_form(sent in prop_oneof![sound_model(), wild_model()]) {
        if let Ok(first) = normal(Form::Linear(sent)) {
            let second = normal(Form::Linear(first.model.clone().into_inner()));
            prop_assert_eq!(second.map(|normal| (normal.model, normal.size)), Ok((first.model, first.size)));
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_or_rejected(bytes in vec(any::<u8>(), 0..200), format in 0..6) {
        if let Err(Faults(faults)) = normal(file(bytes, format)) {
            prop_assert!(!faults.is_empty());
        }
    }

    #[test]
    fn a_damaged_file_is_rejected_at_a_position_within_it(bytes in damaged(SEED.into())) {
        if let Err(Faults(faults)) = normal(file(bytes.clone(), 2)) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(!faults.is_empty());
            for place in faults.iter().filter_map(|fault| fault.place) {
                prop_assert!((1..=lines).contains(&place.line) && place.column >= 1);
            }
        }
    }

    #[test]
    fn a_damaged_archive_is_rejected_or_read_as_it_was(
        gzip in damaged(packed(SEED)[0].clone()),
        zstd in damaged(packed(SEED)[1].clone()),
    ) {
        for bytes in [gzip, zstd] {
            if let Ok(read) = normal(file(bytes, 2)) {
                prop_assert_eq!(read, normal(Form::Mps(SEED.to_owned())).unwrap());
            }
        }
    }
}
