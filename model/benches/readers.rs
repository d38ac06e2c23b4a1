//! Throughput of the readers of model files, from the bytes of a file to a `NormalModel`, in bytes
//! of text per second.
//!
//! `read_file` measures the readers. `ceiling` measures, on the same texts, what no reader can
//! avoid: finding the lines, splitting them at blanks and parsing the numbers. The ratio of the
//! two shows what names, checks and arrays cost.
//!
//! ```sh
//! cargo bench -p solvemesh-model
//! ```
#![allow(missing_docs, reason = "a benchmark has no users")]

use std::{fmt::Write, sync::LazyLock};

use divan::{Bencher, black_box, counter::BytesCount};
use memchr::memchr_iter;
use solvemesh::v1::{Model, ModelFile, model::Form};
use solvemesh_model::{Limits, ReadModel, read};

/// The number of columns of the generated models, so that the texts have about 20 MB.
const COLUMNS: usize = 120_000;

/// The number of their rows.
const ROWS: usize = 40_000;

/// The number of entries of a column, without the objective.
const ENTRIES: usize = 5;

/// A generated text.
#[derive(Clone, Copy, Debug)]
enum Text {
    /// MPS with one blank between the fields.
    MpsFree,
    /// MPS with each field in its columns, and names without blanks: it is valid in both formats,
    /// and read as free format.
    MpsAligned,
    /// MPS with blanks in the names, which is valid in fixed format only.
    MpsFixed,
    /// LP.
    Lp,
}

const TEXTS: [Text; 4] = [Text::MpsFree, Text::MpsAligned, Text::MpsFixed, Text::Lp];

static GENERATED: LazyLock<[String; 4]> = LazyLock::new(|| {
    [
        mps(&Style { blank: '_', fields: free_fields }),
        mps(&Style { blank: '_', fields: aligned_fields }),
        mps(&Style { blank: ' ', fields: aligned_fields }),
        lp(),
    ]
});

impl Text {
    fn content(self) -> &'static str {
        &GENERATED[self as usize]
    }
}

fn main() {
    divan::main();
}

#[divan::bench(args = TEXTS, sample_count = 15, sample_size = 1)]
fn read_file(bencher: Bencher, text: Text) {
    let content = text.content();
    let file = || ModelFile { content: content.as_bytes().into(), ..ModelFile::default() };
    bencher.counter(BytesCount::of_str(content)).with_inputs(file).bench_values(normal_form);
}

#[divan::bench(args = TEXTS, sample_count = 15, sample_size = 1)]
fn ceiling(bencher: Bencher, text: Text) {
    let content = text.content();
    bencher
        .counter(BytesCount::of_str(content))
        .bench(|| sum_of_numbers(black_box(content.as_bytes())));
}

fn normal_form(file: ModelFile) -> ReadModel {
    let model = Model { form: Some(Form::File(file)), ..Model::default() };
    read(model, &Limits::default()).expect("the generated model is valid")
}

/// Parses every token that begins like a number, and adds up the numbers so that none of the work
/// can be left out.
fn sum_of_numbers(text: &[u8]) -> f64 {
    let mut sum = 0.0;
    let mut start = 0;
    for end in memchr_iter(b'\n', text) {
        for token in text[start..end].split(|&byte| byte == b' ') {
            if let Some(b'0'..=b'9' | b'-' | b'.') = token.first()
                && let Some(number) = str::from_utf8(token).ok().and_then(|text| text.parse().ok())
            {
                let number: f64 = number;
                sum += number;
            }
        }
        start = end + 1;
    }
    sum
}

/// How an MPS file is written.
struct Style {
    /// The character between the parts of a name.
    blank: char,
    /// Writes the fields 2 to 6 of a line.
    fields: fn(&mut String, &[&str]),
}

impl Style {
    /// The name of a column or of a row: at most eight characters, as the fixed format allows.
    fn name(&self, letter: char, index: usize) -> String {
        format!("{letter}{}{}{}", index / 100, self.blank, index % 100)
    }
}

fn free_fields(line: &mut String, fields: &[&str]) {
    line.push_str(&fields.join(" "));
}

fn aligned_fields(line: &mut String, fields: &[&str]) {
    const WIDTHS: [usize; 5] = [10, 10, 15, 10, 15];
    let (last, before) = fields.split_last().expect("a line has a field");
    for (field, width) in before.iter().zip(WIDTHS) {
        let _ = write!(line, "{field:<width$}");
    }
    line.push_str(last);
}

/// A number as models have them: mostly short ones, some with all digits of a computed value.
fn number(index: usize) -> String {
    let value = (index * 7_919 % 10_007 + 1) as f64;
    match index % 8 {
        0..=2 => "1".to_owned(),
        3 => "-1".to_owned(),
        4 => format!("{}", value / 4.0),
        5 => format!("-{:.2}", value / 100.0),
        6 => format!("{:.8}", value / 1_003.0),
        _ => format!("{:.4e}", value / 1e6),
    }
}

/// The row of an entry of a column. The rows of a column differ, and are far from each other and
/// from those of the next column, so that few of them are in the cache.
fn row_of(column: usize, entry: usize) -> usize {
    (column * 6_151 + entry * 7_919) % ROWS
}

fn mps(style: &Style) -> String {
    let mut text = String::from("NAME benchmark\nROWS\n N  cost\n");
    let rows: Vec<String> = (0..ROWS).map(|row| style.name('r', row)).collect();
    for (row, name) in rows.iter().enumerate() {
        let _ = writeln!(text, " {}  {name}", ["L", "G", "E"][row % 3]);
    }
    text.push_str("COLUMNS\n");
    for column in 0..COLUMNS {
        let name = style.name('x', column);
        let mut pairs = vec![("cost", number(column))];
        for entry in 0..ENTRIES {
            pairs.push((&rows[row_of(column, entry)], number(column + entry)));
        }
        for pair in pairs.chunks(2) {
            let mut fields = vec![name.as_str()];
            fields.extend(pair.iter().flat_map(|(row, value)| [*row, value]));
            text.push_str("    ");
            (style.fields)(&mut text, &fields);
            text.push('\n');
        }
    }
    text.push_str("RHS\n");
    for (row, name) in rows.iter().enumerate() {
        text.push_str("    ");
        (style.fields)(&mut text, &["rhs", name, &number(row)]);
        text.push('\n');
    }
    text.push_str("BOUNDS\n");
    for column in 0..COLUMNS {
        text.push_str(" UP ");
        (style.fields)(&mut text, &["bound", &style.name('x', column), "12.5"]);
        text.push('\n');
    }
    text.push_str("ENDATA\n");
    text
}

fn lp() -> String {
    let mut text = String::from("Minimize\n cost:");
    let mut terms = 0;
    let mut term = |text: &mut String, column: usize, value: &str| {
        terms += 1;
        let (sign, value) = match value.strip_prefix('-') {
            Some(value) => ('-', value),
            None => ('+', value),
        };
        let _ = write!(text, " {sign} {value} x_{}_{}", column / 100, column % 100);
        if terms % 5 == 0 {
            text.push_str("\n  ");
        }
    };
    for column in 0..COLUMNS {
        term(&mut text, column, &number(column));
    }
    text.push_str("\nSubject To\n");
    let per_row = COLUMNS * ENTRIES / ROWS;
    for row in 0..ROWS {
        let _ = write!(text, " r_{}_{}:", row / 100, row % 100);
        for entry in 0..per_row {
            let column = (row * 6_151 + entry * 7_919) % COLUMNS;
            term(&mut text, column, &number(row + entry));
        }
        let _ = writeln!(text, " {} {}", ["<=", ">=", "="][row % 3], number(row));
    }
    text.push_str("Bounds\n");
    for column in 0..COLUMNS {
        let _ = writeln!(text, " x_{}_{} <= 12.5", column / 100, column % 100);
    }
    text.push_str("End\n");
    text
}
