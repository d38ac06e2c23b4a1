//! Parses the SPEC of `--vary`, a parameter with its values: `obj:Windows=100..1000/10`.

use std::fmt;

use solvemesh_client::v1::{GridAxis, ParameterKind, ScenarioParameter};

/// The kinds of parameters: keyword, protobuf value, and the names that follow the keyword.
const KINDS: [(&str, ParameterKind, Of); 9] = [
    ("obj", ParameterKind::Objective, Of::Variable),
    ("offset", ParameterKind::ObjectiveOffset, Of::Nothing),
    ("lower", ParameterKind::VariableLower, Of::Variable),
    ("upper", ParameterKind::VariableUpper, Of::Variable),
    ("fix", ParameterKind::VariableFixed, Of::Variable),
    ("rhs", ParameterKind::RightHandSide, Of::Constraint),
    ("row-lower", ParameterKind::ConstraintLower, Of::Constraint),
    ("row-upper", ParameterKind::ConstraintUpper, Of::Constraint),
    ("coef", ParameterKind::Coefficient, Of::Both),
];

/// The names that a kind of parameters needs.
#[derive(Clone, Copy)]
enum Of {
    Nothing,
    Variable,
    Constraint,
    Both,
}

/// A parameter with its values: `PARAMETER=VALUES`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// The parameter, as typed.
    pub(super) name: String,
    /// The parsed parameter and its values.
    pub(super) grid: GridAxis,
}

/// A syntax error and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The position, as a byte offset from the start of the text.
    pub(super) at: usize,
    /// The message.
    pub(super) wrong: String,
}

impl Fault {
    fn new(at: usize, wrong: impl fmt::Display) -> Self {
        Self { at, wrong: wrong.to_string() }
    }

    /// Formats the error with its column, from 1.
    pub(super) fn told(&self, text: &str) -> String {
        format!("column {}: {}", column(text, self.at), self.wrong)
    }
}

/// The column of a byte offset, in characters from 1.
pub(super) fn column(text: &str, at: usize) -> usize {
    text.char_indices().take_while(|&(begin, _)| begin < at).count() + 1
}

/// Parses `PARAMETER=VALUES`. The parameter ends at the last `=`: names may contain `=`, values
/// cannot.
pub(super) fn axis(text: &str) -> Result<Axis, Fault> {
    let Some((name, values)) = text.rsplit_once('=') else {
        return Err(Fault::new(text.len(), "`=` and the values are missing"));
    };
    let parameter = parameter(name)?;
    let begin = name.len() + 1;
    let grid = match values.split_once("..") {
        Some((from, rest)) => steps(from, rest, begin)?,
        None => GridAxis { values: list(values, begin)?, ..GridAxis::default() },
    };
    Ok(Axis { name: name.to_owned(), grid: GridAxis { parameter: Some(parameter), ..grid } })
}

/// Parses a parameter: a keyword and, after a `:`, the names that it needs.
pub(super) fn parameter(text: &str) -> Result<ScenarioParameter, Fault> {
    let (word, names) = match text.split_once(':') {
        Some((word, names)) => (word, Some(names)),
        None => (text, None),
    };
    let Some(&(_, kind, of)) = KINDS.iter().find(|(name, ..)| *name == word) else {
        let kinds: Vec<_> = KINDS.iter().map(|(name, ..)| *name).collect();
        let message = format!("unknown parameter `{word}`: must be one of {}", kinds.join(", "));
        return Err(Fault::new(0, message));
    };
    let mut parameter = ScenarioParameter { kind: kind.into(), ..ScenarioParameter::default() };
    let begin = word.len() + 1;
    let needed = |what: &str| match names {
        Some("") | None => Err(Fault::new(text.len(), format!("the name of {what} is missing"))),
        Some(name) => Ok(name),
    };
    match of {
        Of::Nothing if names.is_some() => {
            return Err(Fault::new(word.len(), format!("`{word}` takes no name")));
        }
        Of::Nothing => {}
        Of::Variable => parameter.variable = needed("a variable")?.to_owned(),
        Of::Constraint => parameter.constraint = needed("a constraint")?.to_owned(),
        Of::Both => {
            let (constraint, variable) = pair(needed("a constraint")?, begin)?;
            parameter.constraint = constraint.to_owned();
            parameter.variable = variable.to_owned();
        }
    }
    Ok(parameter)
}

/// Splits `CONSTRAINT,VARIABLE` at `,,` or, if there is none, at the only comma outside of
/// brackets: names such as `flow[1,2]` contain commas.
fn pair(names: &str, begin: usize) -> Result<(&str, &str), Fault> {
    let (at, width) = match names.find(",,") {
        Some(at) => (at, 2),
        None => {
            let commas = outer_commas(names);
            match commas.as_slice() {
                [at] => (*at, 1),
                [] => {
                    let message = "`,` and the name of a variable are missing";
                    return Err(Fault::new(begin + names.len(), message));
                }
                [_, second, ..] => {
                    let message =
                        "a second `,`: separate the constraint and the variable with `,,`";
                    return Err(Fault::new(begin + second, message));
                }
            }
        }
    };
    let (constraint, variable) = (&names[..at], &names[at + width..]);
    if constraint.is_empty() {
        return Err(Fault::new(begin, "the name of a constraint is missing"));
    }
    if variable.is_empty() {
        return Err(Fault::new(begin + names.len(), "the name of a variable is missing"));
    }
    Ok((constraint, variable))
}

/// The positions of the commas that are outside of brackets.
fn outer_commas(names: &str) -> Vec<usize> {
    let (mut depth, mut commas) = (0_usize, Vec::new());
    for (at, c) in names.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => commas.push(at),
            _ => {}
        }
    }
    commas
}

/// Parses `FROM..TO/POINTS`, split at the `..`. `begin` is the position of FROM.
fn steps(from: &str, rest: &str, begin: usize) -> Result<GridAxis, Fault> {
    let to_begin = begin + from.len() + 2;
    let Some((to, points)) = rest.rsplit_once('/') else {
        let message = "`/` and the number of values are missing";
        return Err(Fault::new(to_begin + rest.len(), message));
    };
    let end = |text: &str, at: usize| match number(text, at)? {
        end if end.is_finite() => Ok(end),
        end => Err(Fault::new(at, format!("the ends of a range must be finite, not {end}"))),
    };
    let (from, to, at) = (end(from, begin)?, end(to, to_begin)?, to_begin + to.len() + 1);
    let least = if from == to { 1 } else { 2 };
    let points = match points.trim().parse() {
        Ok(points) if points >= least => points,
        Ok(points) => {
            let message = format!("the number of values must be {least} or more, not {points}");
            return Err(Fault::new(at, message));
        }
        Err(_) => return Err(Fault::new(at, format!("`{points}` is not a number of values"))),
    };
    Ok(GridAxis { first: Some(from), last: Some(to), point_count: points, ..GridAxis::default() })
}

/// Parses `VALUE,VALUE,…`. `begin` is the position of the first value.
fn list(values: &str, begin: usize) -> Result<Vec<f64>, Fault> {
    let mut at = begin;
    let value = |text: &str| {
        let value = number(text, at);
        at += text.len() + 1;
        value
    };
    values.split(',').map(value).collect()
}

/// Parses a number. `inf` is accepted, but a finite number that overflows to infinity is an
/// error: it is more likely a mistake than a bound that is to be removed.
pub(super) fn number(text: &str, at: usize) -> Result<f64, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::new(at, "a number is missing"));
    }
    // Only `inf` and `infinity` contain an i.
    let is_infinity = text.chars().any(|c| c.eq_ignore_ascii_case(&'i'));
    match text.parse::<f64>() {
        Ok(x) if x.is_nan() => Err(Fault::new(at, format!("`{text}` is not a number"))),
        Ok(x) if x.is_infinite() && !is_infinity => {
            Err(Fault::new(at, format!("`{text}` is too large")))
        }
        Ok(x) => Ok(x),
        Err(_) => Err(Fault::new(at, format!("`{text}` is not a number"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> GridAxis {
        axis(text).unwrap().grid
    }

    fn error(text: &str) -> String {
        axis(text).unwrap_err().told(text)
    }

    #[test]
    fn ranges_and_lists_are_parsed() {
        let steps = read("obj:Windows=100..1000/10");
        let parameter = steps.parameter.unwrap();
        assert_eq!((parameter.kind(), parameter.variable.as_str()), (KINDS[0].1, "Windows"));
        assert_eq!((steps.first, steps.last, steps.point_count), (Some(100.0), Some(1000.0), 10));
        assert_eq!(read("offset=1,-2.5,3e2").values, [1.0, -2.5, 300.0]);
        assert_eq!(read("upper:x=5,inf").values, [5.0, f64::INFINITY]);
        let steps = read("rhs:c=-1.5..-.5/3");
        assert_eq!((steps.first, steps.last, steps.point_count), (Some(-1.5), Some(-0.5), 3));
        assert_eq!(read("rhs:c=4..4/1").point_count, 1);
    }

    #[test]
    fn each_kind_has_the_names_that_it_needs() {
        for (text, variable, constraint) in [
            ("obj:x", "x", ""),
            ("offset", "", ""),
            ("lower:x", "x", ""),
            ("upper:x", "x", ""),
            ("fix:x", "x", ""),
            ("rhs:c", "", "c"),
            ("row-lower:c", "", "c"),
            ("row-upper:c", "", "c"),
            ("coef:c,x", "x", "c"),
        ] {
            let read = parameter(text).unwrap();
            assert_eq!((read.variable.as_str(), read.constraint.as_str()), (variable, constraint));
        }
    }

    #[test]
    fn names_may_contain_separators() {
        let axis = axis("obj:a=b:c,d..e/f=1,2").unwrap();
        assert_eq!(axis.name, "obj:a=b:c,d..e/f");
        assert_eq!(axis.grid.parameter.unwrap().variable, "a=b:c,d..e/f");
        for (text, constraint, variable) in [
            ("coef:bal(1,2),x[3,4]", "bal(1,2)", "x[3,4]"),
            ("coef:a,b,,c,d", "a,b", "c,d"),
            ("coef:a:b,c=d", "a:b", "c=d"),
        ] {
            let read = parameter(text).unwrap();
            assert_eq!((read.constraint.as_str(), read.variable.as_str()), (constraint, variable));
        }
    }

    #[test]
    fn errors_have_their_column() {
        for (text, expected) in [
            ("obj:x", "column 6: `=` and the values are missing"),
            ("cost:x=1", "column 1: unknown parameter `cost`: must be one of obj, offset, lower"),
            ("obj=1", "column 4: the name of a variable is missing"),
            ("rhs:=1", "column 5: the name of a constraint is missing"),
            ("offset:x=1", "column 7: `offset` takes no name"),
            ("coef:c=1", "column 7: `,` and the name of a variable are missing"),
            ("coef:,x=1", "column 6: the name of a constraint is missing"),
            ("coef:a,b,c=1", "column 9: a second `,`: separate the constraint"),
            ("obj:x=", "column 7: a number is missing"),
            ("obj:x=1,,2", "column 9: a number is missing"),
            ("obj:x=1,two", "column 9: `two` is not a number"),
            ("obj:x=nan", "column 7: `nan` is not a number"),
            ("obj:x=1e999", "column 7: `1e999` is too large"),
            ("obj:ä=1..2", "column 11: `/` and the number of values are missing"),
            ("obj:x=1..b/3", "column 10: `b` is not a number"),
            ("obj:x=1..inf/3", "column 10: the ends of a range must be finite, not inf"),
            ("obj:x=1..2/1", "column 12: the number of values must be 2 or more, not 1"),
            ("obj:x=1..1/0", "column 12: the number of values must be 1 or more, not 0"),
            ("obj:x=1..2/1e3", "column 12: `1e3` is not a number of values"),
        ] {
            assert!(error(text).starts_with(expected), "{text}: {}", error(text));
        }
    }

    proptest! {
        #[test]
        fn any_name_and_numbers_are_parsed_as_written(
            name in "\\PC{1,12}",
            values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 1..6),
            points in 2..100_000_i32,
        ) {
            let written: Vec<_> = values.iter().map(f64::to_string).collect();
            let read = axis(&format!("fix:{name}={}", written.join(","))).unwrap();
            prop_assert_eq!(&read.name, &format!("fix:{name}"));
            prop_assert_eq!(&read.grid.values, &values);
            prop_assert_eq!(&read.grid.parameter.unwrap().variable, &name);

            let (from, to) = (values[0], values[0] / 3.0 - 1.0);
            prop_assume!(from != to);
            let grid = axis(&format!("rhs:{name}={from}..{to:e}/{points}")).unwrap().grid;
            prop_assert_eq!((grid.first, grid.last, grid.point_count), (Some(from), Some(to), points));
            prop_assert_eq!(&grid.parameter.unwrap().constraint, &name);
        }

        #[test]
        fn no_text_causes_a_panic(text in "\\PC{0,30}", tail in "[0-9.,/=e-]{0,12}") {
            for text in [text.clone(), format!("coef:{text}={tail}"), format!("obj:{text}{tail}")] {
                if let Err(error) = axis(&text) {
                    prop_assert!(error.at <= text.len());
                    prop_assert!(error.told(&text).starts_with("column "));
                }
            }
        }
    }
}
