//! Writes a model in free MPS format, such that the parser of this module and others read the same
//! model from it.

use std::{
    borrow::Cow,
    collections::HashSet,
    io::{self, Write},
};

use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};

use crate::NormalModel;

/// Why a model can't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// MPS has no words for these bounds: they cross, or both are the same infinity.
    #[error("the MPS format can't express the bounds of the {part} {name}: [{lower}, {upper}]")]
    Bounds {
        /// `variable` or `constraint`.
        part: &'static str,
        /// Its name.
        name: String,
        /// Its lower bound.
        lower: f64,
        /// Its upper bound.
        upper: f64,
    },
    /// The output could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Names that the file has instead of the model's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplacedNames {
    /// The variables are `x0`, `x1` and so on.
    pub variables: bool,
    /// The constraints are `c0`, `c1` and so on.
    pub constraints: bool,
}

/// Writes a model in free MPS format. Numbers are written so that they are read back exactly.
///
/// Fields are separated by blanks, so if the name of any variable contains one, or could be taken
/// for a comment, all variables are named by their index; constraints likewise. A constraint without
/// bounds is an N row, which readers leave out. The distance of a constraint's bounds is rounded, so
/// that the larger of the two may be read with a rounding error.
///
/// # Errors
///
/// [`WriteError::Bounds`], before anything is written, if the format can't express a pair of bounds.
pub fn write_mps(
    name: &str,
    model: &NormalModel,
    out: &mut impl Write,
) -> Result<ReplacedNames, WriteError> {
    check_bounds(model)?;
    let variables = Names::of(&model.variable_names, 'x');
    let constraints = Names::of(&model.constraint_names, 'c');
    let objective = objective_name(&constraints);
    let name = name.split_whitespace().collect::<Vec<_>>().join("_");
    writeln!(out, "NAME {name}")?;
    if model.sense() == ObjectiveSense::Maximize {
        writeln!(out, "OBJSENSE\n    MAX")?;
    }
    writeln!(out, "ROWS\n N {objective}")?;
    for row in 0..model.constraint_count() {
        writeln!(out, " {} {}", Row::of(model, row).letter(), constraints.get(row))?;
    }
    write_columns(model, &objective, &variables, &constraints, out)?;
    write_sides(model, &objective, &constraints, out)?;
    write_bounds(model, &variables, out)?;
    writeln!(out, "ENDATA")?;
    Ok(ReplacedNames {
        variables: variables.are_replaced(),
        constraints: constraints.are_replaced(),
    })
}

fn check_bounds(model: &LinearModel) -> Result<(), WriteError> {
    let parts = [
        ("variable", &model.variable_names, &model.variable_lower, &model.variable_upper),
        ("constraint", &model.constraint_names, &model.constraint_lower, &model.constraint_upper),
    ];
    for (part, names, lower, upper) in parts {
        for ((name, &lower), &upper) in names.iter().zip(lower).zip(upper) {
            // Readers take 1e20 and more as infinite, in ranges as well.
            let is_too_wide = upper.is_finite() && upper - lower >= 1e20 && lower.is_finite();
            let is_range = part == "constraint" && is_too_wide;
            if lower > upper || lower == f64::INFINITY || upper == f64::NEG_INFINITY || is_range {
                return Err(WriteError::Bounds { part, name: name.clone(), lower, upper });
            }
        }
    }
    Ok(())
}

/// The names of the variables or of the constraints.
enum Names<'a> {
    Given(&'a [String]),
    ByIndex(char),
}

impl<'a> Names<'a> {
    fn of(given: &'a [String], letter: char) -> Self {
        let is_usable = |name: &String| {
            !name.is_empty()
                && !name.starts_with(['$', '*'])
                && name != "'MARKER'"
                && !name.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if given.iter().all(is_usable) { Self::Given(given) } else { Self::ByIndex(letter) }
    }

    fn get(&self, index: usize) -> Cow<'a, str> {
        match self {
            Self::Given(names) => names[index].as_str().into(),
            Self::ByIndex(letter) => format!("{letter}{index}").into(),
        }
    }

    fn are_replaced(&self) -> bool {
        matches!(self, Self::ByIndex(_))
    }
}

/// A name for the objective that no constraint has.
fn objective_name(constraints: &Names<'_>) -> String {
    let mut name = "obj".to_owned();
    if let Names::Given(names) = constraints {
        let similar: HashSet<_> = names.iter().filter(|other| other.starts_with(&name)).collect();
        while similar.contains(&name) {
            name.push('_');
        }
    }
    name
}

/// A constraint, as MPS divides its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Row {
    Free,
    Equal(f64),
    AtMost(f64),
    AtLeast(f64),
    /// At least the side, and at most the side and the range.
    Between {
        side: f64,
        range: f64,
    },
    /// At most the side, and at least the side less the range.
    BetweenFromAbove {
        side: f64,
        range: f64,
    },
}

impl Row {
    fn of(model: &LinearModel, row: usize) -> Self {
        let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
        match (lower.is_finite(), upper.is_finite()) {
            (false, false) => Self::Free,
            (false, true) => Self::AtMost(upper),
            (true, false) => Self::AtLeast(lower),
            (true, true) if lower == upper => Self::Equal(lower),
            (true, true) => {
                let range = upper - lower;
                // The one of the two that is exact, if there is one; else the larger bound is
                // rounded, whose relative error is smaller.
                let exact = (lower + range == upper, upper - range == lower);
                if exact == (false, true) || (exact == (false, false) && upper.abs() < lower.abs())
                {
                    Self::BetweenFromAbove { side: upper, range }
                } else {
                    Self::Between { side: lower, range }
                }
            }
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Free => 'N',
            Self::Equal(_) => 'E',
            Self::AtMost(_) | Self::BetweenFromAbove { .. } => 'L',
            Self::AtLeast(_) | Self::Between { .. } => 'G',
        }
    }

    fn side(self) -> f64 {
        match self {
            Self::Free => 0.0,
            Self::Equal(side) | Self::AtMost(side) | Self::AtLeast(side) => side,
            Self::Between { side, .. } | Self::BetweenFromAbove { side, .. } => side,
        }
    }

    fn range(self) -> Option<f64> {
        match self {
            Self::Between { range, .. } | Self::BetweenFromAbove { range, .. } => Some(range),
            Self::Free | Self::Equal(_) | Self::AtMost(_) | Self::AtLeast(_) => None,
        }
    }
}

fn write_columns(
    model: &NormalModel,
    objective: &str,
    variables: &Names<'_>,
    constraints: &Names<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let columns = Columns::of(model);
    writeln!(out, "COLUMNS")?;
    let mut in_integers = false;
    for variable in 0..model.variable_count() {
        let is_integer = model.variable_kinds[variable] == VariableKind::Integer as i32;
        if is_integer != in_integers {
            let word = if is_integer { "INTORG" } else { "INTEND" };
            writeln!(out, "    MARKER 'MARKER' '{word}'")?;
            in_integers = is_integer;
        }
        let name = variables.get(variable);
        let cost = model.objective[variable];
        let entries = columns.entries(variable);
        // A variable exists by having an entry.
        if cost != 0.0 || entries.is_empty() {
            writeln!(out, "    {name} {objective} {cost:?}")?;
        }
        for &(row, coefficient) in entries {
            writeln!(out, "    {name} {} {coefficient:?}", constraints.get(row))?;
        }
    }
    if in_integers {
        writeln!(out, "    MARKER 'MARKER' 'INTEND'")?;
    }
    Ok(())
}

/// The matrix by columns.
struct Columns {
    /// `[n + 1]`
    starts: Vec<usize>,
    /// `[k]` Row and coefficient.
    entries: Vec<(usize, f64)>,
}

impl Columns {
    fn of(model: &NormalModel) -> Self {
        let mut starts = vec![0; model.variable_count() + 1];
        for &column in &model.column_indices {
            starts[column as usize + 1] += 1;
        }
        for column in 0..model.variable_count() {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut entries = vec![(0, 0.0); model.coefficients.len()];
        for row in 0..model.constraint_count() {
            for (column, coefficient) in model.row(row) {
                entries[next[column]] = (row, coefficient);
                next[column] += 1;
            }
        }
        Self { starts, entries }
    }

    fn entries(&self, column: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[column]..self.starts[column + 1]]
    }
}

fn write_sides(
    model: &NormalModel,
    objective: &str,
    constraints: &Names<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "RHS")?;
    if model.objective_offset != 0.0 {
        // The side of the objective is the negative of its constant.
        writeln!(out, "    RHS {objective} {:?}", -model.objective_offset)?;
    }
    let rows = || (0..model.constraint_count()).map(|row| (row, Row::of(model, row)));
    for (row, side) in rows().map(|(row, of)| (row, of.side())).filter(|(_, side)| *side != 0.0) {
        writeln!(out, "    RHS {} {side:?}", constraints.get(row))?;
    }
    let mut ranges = rows().filter_map(|(row, of)| Some((row, of.range()?))).peekable();
    if ranges.peek().is_some() {
        writeln!(out, "RANGES")?;
    }
    for (row, range) in ranges {
        writeln!(out, "    RANGES {} {range:?}", constraints.get(row))?;
    }
    Ok(())
}

fn write_bounds(
    model: &NormalModel,
    variables: &Names<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "BOUNDS")?;
    for variable in 0..model.variable_count() {
        let name = variables.get(variable);
        let (lower, upper) = (model.variable_lower[variable], model.variable_upper[variable]);
        let kind = VariableKind::try_from(model.variable_kinds[variable]);
        let word = match kind {
            Ok(VariableKind::SemiContinuous) if upper > 0.0 => "SC",
            Ok(VariableKind::SemiInteger) if upper > 0.0 => "SI",
            // 0, whatever the kind; as the upper bound of an SC, it has other meanings.
            _ if lower == upper => {
                writeln!(out, " FX BOUNDS {name} {lower:?}")?;
                continue;
            }
            _ => "UP",
        };
        let is_integer = kind == Ok(VariableKind::Integer);
        match (lower == f64::NEG_INFINITY, upper == f64::INFINITY) {
            (true, true) => writeln!(out, " FR BOUNDS {name}")?,
            (true, false) => writeln!(out, " MI BOUNDS {name}")?,
            // Without a lower bound, some readers change it if the upper bound is not positive.
            (false, _) if lower != 0.0 || upper <= 0.0 => {
                writeln!(out, " LO BOUNDS {name} {lower:?}")?;
            }
            (false, _) => {}
        }
        if upper.is_finite() {
            writeln!(out, " {word} BOUNDS {name} {upper:?}")?;
        } else if is_integer && lower.is_finite() {
            // Without an upper bound, readers take some integer variables as binary.
            writeln!(out, " PL BOUNDS {name}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;
    use crate::{Limits, generated::linear_model, reading::Reading};

    fn written(model: &LinearModel) -> Result<(String, ReplacedNames), WriteError> {
        let mut out = Vec::new();
        let model = NormalModel::try_from(model.clone()).unwrap();
        let replaced = write_mps("a model", &model, &mut out)?;
        Ok((String::from_utf8(out).unwrap(), replaced))
    }

    fn read(text: &str) -> Reading {
        super::super::read(text, &Limits::default())
            .unwrap_or_else(|error| panic!("{error:?} in\n{text}"))
    }

    /// The model without its rows that have no bounds.
    fn without_free_rows(model: &LinearModel) -> LinearModel {
        let mut kept = LinearModel {
            constraint_lower: Vec::new(),
            constraint_upper: Vec::new(),
            constraint_names: Vec::new(),
            row_starts: vec![0],
            column_indices: Vec::new(),
            coefficients: Vec::new(),
            ..model.clone()
        };
        for row in 0..model.constraint_lower.len() {
            let bounds = (model.constraint_lower[row], model.constraint_upper[row]);
            if bounds == (f64::NEG_INFINITY, f64::INFINITY) {
                continue;
            }
            kept.constraint_lower.push(bounds.0);
            kept.constraint_upper.push(bounds.1);
            kept.constraint_names.push(model.constraint_names[row].clone());
            for (column, coefficient) in crate::entries(model, row) {
                kept.column_indices.push(column as i32);
                kept.coefficients.push(coefficient);
            }
            kept.row_starts.push(kept.coefficients.len() as i32);
        }
        kept
    }

    /// Whether sides of constraints are equal, except for the rounding of a range.
    fn are_close(found: &[f64], expected: &[f64]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| {
            found == expected || (found - expected).abs() <= 4.0 * f64::EPSILON * expected.abs()
        })
    }

    proptest! {
            #[test]
            fn a_written_model_reads_back_the_same(mut model in linear_model()) {
                // Larger ones are refused.
                for number in model.coefficients.iter_mut().chain(&mut model.objective) {
                    if number.abs() >= 1e15 {
                        *number /= 1e5;
                    }
                }
                let (text, replaced) = written(&model).unwrap();
                prop_assert_eq!(replaced, ReplacedNames::default());
                let mut found = read(&text).model;
                let mut expected = without_free_rows(&model);
                prop_assert!(
    are_close(&found.constraint_lower, &expected.constraint_lower)
                        && are_close(&found.constraint_upper, &expected.constraint_upper),
                    "{}", text
                );
                for model in [&mut found, &mut expected] {
                    model.constraint_lower.clear();
                    model.constraint_upper.clear();
                    // Given by the other arrays.
                    model.variable_count = None;
                    model.constraint_count = None;
                }
                prop_assert_eq!(found, expected, "{}", text);
            }
        }

    fn two_by_one() -> LinearModel {
        LinearModel {
            variable_lower: vec![0.0; 2],
            variable_upper: vec![1.0; 2],
            objective: vec![1.0, 0.0],
            variable_kinds: vec![VariableKind::Integer.into(); 2],
            variable_names: vec!["a".into(), "b".into()],
            constraint_lower: vec![1.0],
            constraint_upper: vec![1.0],
            constraint_names: vec!["obj".into()],
            row_starts: vec![0, 2],
            column_indices: vec![0, 1],
            coefficients: vec![1.0, 1.0],
            ..LinearModel::default()
        }
    }

    #[test]
    fn a_file_has_the_name_and_an_objective_of_its_own() {
        let (text, _) = written(&two_by_one()).unwrap();
        assert!(text.starts_with("NAME a_model\nROWS\n N obj_\n E obj\n"), "{text}");
        let Reading { model, warnings, .. } = read(&text);
        assert_eq!((model.constraint_names, model.objective), (vec!["obj".into()], vec![1.0, 0.0]));
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn names_that_are_no_fields_are_replaced() {
        for name in ["two words", "$x", "*x", "", "tab\there", "nbsp\u{a0}", "'MARKER'"] {
            let variable_names = vec![name.to_owned(), "x0".to_owned()];
            let model = LinearModel { variable_names, ..two_by_one() };
            let (text, replaced) = written(&model).unwrap();
            assert_eq!(replaced, ReplacedNames { variables: true, constraints: false }, "{name:?}");
            assert_eq!(read(&text).model.variable_names, ["x0", "x1"]);
        }
        let model = LinearModel { constraint_names: vec!["a b".into()], ..two_by_one() };
        let (text, replaced) = written(&model).unwrap();
        assert_eq!(replaced, ReplacedNames { variables: false, constraints: true });
        assert_eq!(read(&text).model.constraint_names, ["c0"]);
    }

    #[test]
    fn semi_continuous_variables_that_are_0_and_ranges_of_uneven_bounds_are_read_back() {
        let lower = -1_099_511_627_775.995_1;
        let upper = 0.007_734_149_348_293_418;
        let model = LinearModel {
            variable_kinds: vec![
                VariableKind::SemiContinuous.into(),
                VariableKind::SemiInteger.into(),
            ],
            variable_upper: vec![0.0, 0.0],
            constraint_lower: vec![lower],
            constraint_upper: vec![upper],
            ..two_by_one()
        };
        let read = read(&written(&model).unwrap().0).model;
        assert_eq!((read.variable_lower, read.variable_upper), (vec![0.0; 2], vec![0.0; 2]));
        assert_eq!(read.constraint_upper, [upper]);
        assert!((read.constraint_lower[0] / lower - 1.0).abs() <= 1e-15);
        let wide = LinearModel {
            constraint_lower: vec![-9e19],
            constraint_upper: vec![9e19],
            ..two_by_one()
        };
        assert!(matches!(written(&wide), Err(WriteError::Bounds { .. })));
    }

    #[test]
    fn bounds_that_the_format_does_not_have_are_errors() {
        let inf = f64::INFINITY;
        for (lower, upper) in [(2.0, 1.0), (inf, inf), (-inf, -inf)] {
            let variable = LinearModel {
                variable_lower: vec![0.0, lower],
                variable_upper: vec![1.0, upper],
                ..two_by_one()
            };
            let error = written(&variable).unwrap_err().to_string();
            assert!(error.contains(&format!("variable b: [{lower}, {upper}]")), "{error}");
            let row = LinearModel {
                constraint_lower: vec![lower],
                constraint_upper: vec![upper],
                ..two_by_one()
            };
            let error = written(&row).unwrap_err().to_string();
            assert!(error.contains(&format!("constraint obj: [{lower}, {upper}]")), "{error}");
        }
    }
}
