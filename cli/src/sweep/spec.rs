//! What a scenario changes, and to which values, as it is typed: `obj:Windows=100..1000/10`.

use std::fmt;

use solvemesh_client::v1::{GridAxis, Parameter, ParameterKind};

/// The kinds of parameters: their names, and whose names they need.
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
    /// The parameter, as it was typed.
    pub(super) name: String,
    /// What it means, parameter included.
    pub(super) grid: GridAxis,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The place, in bytes from the beginning of the text.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) wrong: String,
}

impl Fault {
    fn new(at: usize, wrong: impl fmt::Display) -> Self {
        Self { at, wrong: wrong.to_string() }
    }

    /// With the place as people count: the column, from 1.
    pub(super) fn told(&self, text: &str) -> String {
        format!("column {}: {}", column(text, self.at), self.wrong)
    }
}

/// The column of a byte, in characters from 1.
pub(super) fn column(text: &str, at: usize) -> usize {
    text.char_indices().take_while(|&(begin, _)| begin < at).count() + 1
}

/// Reads `PARAMETER=VALUES`. The parameter ends at the last `=`, since a name may have one.
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

/// Reads a parameter: a kind, and after a `:` the names that it needs.
pub(super) fn parameter(text: &str) -> Result<Parameter, Fault> {
    let (word, names) = match text.split_once(':') {
        Some((word, names)) => (word, Some(names)),
        None => (text, None),
    };
    let Some(&(_, kind, of)) = KINDS.iter().find(|(name, ..)| *name == word) else {
        let kinds: Vec<_> = KINDS.iter().map(|(name, ..)| *name).collect();
        let wrong = format!("`{word}` is none of {}", kinds.join(", "));
        return Err(Fault::new(0, wrong));
    };
    let mut parameter = Parameter { kind: kind.into(), ..Parameter::default() };
    let begin = word.len() + 1;
    let needed = |what: &str| match names {
        Some("") | None => Err(Fault::new(text.len(), format!("the name of {what} is missing"))),
        Some(name) => Ok(name),
    };
    match of {
        Of::Nothing if names.is_some() => {
            return Err(Fault::new(word.len(), format!("`{word}` has no name after it")));
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

/// `CONSTRAINT,VARIABLE`: parted at `,,`, or at the only comma that is outside of brackets.
fn pair(names: &str, begin: usize) -> Result<(&str, &str), Fault> {
    let (at, width) = match names.find(",,") {
        Some(at) => (at, 2),
        None => {
            let commas = outer_commas(names);
            match commas.as_slice() {
                [at] => (*at, 1),
                [] => {
                    let wrong = "`,` and the name of a variable are missing";
                    return Err(Fault::new(begin + names.len(), wrong));
                }
                [_, second, ..] => {
                    let wrong = "a second `,`: part the constraint from the variable with `,,`";
                    return Err(Fault::new(begin + second, wrong));
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

/// `FROM..TO/POINTS`, cut at the `..`.
fn steps(from: &str, rest: &str, begin: usize) -> Result<GridAxis, Fault> {
    let to_begin = begin + from.len() + 2;
    let Some((to, points)) = rest.rsplit_once('/') else {
        let wrong = "`/` and the number of values are missing";
        return Err(Fault::new(to_begin + rest.len(), wrong));
    };
    let end = |text: &str, at: usize| match number(text, at)? {
        end if end.is_finite() => Ok(end),
        end => Err(Fault::new(at, format!("an end must be finite, not {end}"))),
    };
    let (from, to, at) = (end(from, begin)?, end(to, to_begin)?, to_begin + to.len() + 1);
    let least = if from == to { 1 } else { 2 };
    let points = match points.trim().parse() {
        Ok(points) if points >= least => points,
        Ok(points) => {
            let wrong = format!("the number of values must be {least} or more, not {points}");
            return Err(Fault::new(at, wrong));
        }
        Err(_) => return Err(Fault::new(at, format!("`{points}` is no number of values"))),
    };
    Ok(GridAxis { from: Some(from), to: Some(to), points, ..GridAxis::default() })
}

/// `VALUE,VALUE,…`
fn list(values: &str, begin: usize) -> Result<Vec<f64>, Fault> {
    let mut at = begin;
    let value = |text: &str| {
        let value = number(text, at);
        at += text.len() + 1;
        value
    };
    values.split(',').map(value).collect()
}

/// A number. Infinity is one; what is too large to be written otherwise is none.
pub(super) fn number(text: &str, at: usize) -> Result<f64, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::new(at, "a number is missing"));
    }
    let says_infinity = text.chars().any(|c| c.eq_ignore_ascii_case(&'i'));
    match text.parse::<f64>() {
        Ok(x) if x.is_nan() => Err(Fault::new(at, format!("`{text}` is no number"))),
        Ok(x) if x.is_infinite() && !says_infinity => {
            Err(Fault::new(at, format!("`{text}` is too large")))
        }
        Ok(x) => Ok(x),
        Err(_) => Err(Fault::new(at, format!("`{text}` is no number"))),
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

    fn fault(text: &str) -> String {
        axis(text).unwrap_err().told(text)
    }

    #[test]
    fn steps_and_lists_are_read() {
        let steps = read("obj:Windows=100..1000/10");
        let parameter = steps.parameter.unwrap();
        assert_eq!((parameter.kind(), parameter.variable.as_str()), (KINDS[0].1, "Windows"));
        assert_eq!((steps.from, steps.to, steps.points), (Some(100.0), Some(1000.0), 10));
        assert_eq!(read("offset=1,-2.5,3e2").values, [1.0, -2.5, 300.0]);
        assert_eq!(read("upper:x=5,inf").values, [5.0, f64::INFINITY]);
        let steps = read("rhs:c=-1.5..-.5/3");
        assert_eq!((steps.from, steps.to, steps.points), (Some(-1.5), Some(-0.5), 3));
        assert_eq!(read("rhs:c=4..4/1").points, 1);
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
            let told = parameter(text).unwrap();
            assert_eq!((told.variable.as_str(), told.constraint.as_str()), (variable, constraint));
        }
    }

    #[test]
    fn names_may_have_all_that_parts_others() {
        let axis = axis("obj:a=b:c,d..e/f=1,2").unwrap();
        assert_eq!(axis.name, "obj:a=b:c,d..e/f");
        assert_eq!(axis.grid.parameter.unwrap().variable, "a=b:c,d..e/f");
        for (text, constraint, variable) in [
            ("coef:bal(1,2),x[3,4]", "bal(1,2)", "x[3,4]"),
            ("coef:a,b,,c,d", "a,b", "c,d"),
            ("coef:a:b,c=d", "a:b", "c=d"),
        ] {
            let told = parameter(text).unwrap();
            assert_eq!((told.constraint.as_str(), told.variable.as_str()), (constraint, variable));
        }
    }

    #[test]
    fn faults_tell_their_place() {
        for (text, expected) in [
            ("obj:x", "column 6: `=` and the values are missing"),
            ("cost:x=1", "column 1: `cost` is none of obj, offset, lower"),
            ("obj=1", "column 4: the name of a variable is missing"),
            ("rhs:=1", "column 5: the name of a constraint is missing"),
            ("offset:x=1", "column 7: `offset` has no name after it"),
            ("coef:c=1", "column 7: `,` and the name of a variable are missing"),
            ("coef:,x=1", "column 6: the name of a constraint is missing"),
            ("coef:a,b,c=1", "column 9: a second `,`: part the constraint"),
            ("obj:x=", "column 7: a number is missing"),
            ("obj:x=1,,2", "column 9: a number is missing"),
            ("obj:x=1,two", "column 9: `two` is no number"),
            ("obj:x=nan", "column 7: `nan` is no number"),
            ("obj:x=1e999", "column 7: `1e999` is too large"),
            ("obj:ä=1..2", "column 11: `/` and the number of values are missing"),
            ("obj:x=1..b/3", "column 10: `b` is no number"),
            ("obj:x=1..inf/3", "column 10: an end must be finite, not inf"),
            ("obj:x=1..2/1", "column 12: the number of values must be 2 or more, not 1"),
            ("obj:x=1..1/0", "column 12: the number of values must be 1 or more, not 0"),
            ("obj:x=1..2/1e3", "column 12: `1e3` is no number of values"),
        ] {
            assert!(fault(text).starts_with(expected), "{text}: {}", fault(text));
        }
    }

    proptest! {
        #[test]
        fn any_name_and_numbers_are_read_as_they_were_written(
            name in "\\PC{1,12}",
            values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 1..6),
            points in 2..100_000_i32,
        ) {
            let written: Vec<_> = values.iter().map(f64::to_string).collect();
            let told = axis(&format!("fix:{name}={}", written.join(","))).unwrap();
            prop_assert_eq!(&told.name, &format!("fix:{name}"));
            prop_assert_eq!(&told.grid.values, &values);
            prop_assert_eq!(&told.grid.parameter.unwrap().variable, &name);

            let (from, to) = (values[0], values[0] / 3.0 - 1.0);
            prop_assume!(from != to);
            let told = axis(&format!("rhs:{name}={from}..{to:e}/{points}")).unwrap().grid;
            prop_assert_eq!((told.from, told.to, told.points), (Some(from), Some(to), points));
            prop_assert_eq!(&told.parameter.unwrap().constraint, &name);
        }

        #[test]
        fn nothing_that_is_typed_makes_it_panic(text in "\\PC{0,30}", tail in "[0-9.,/=e-]{0,12}") {
            for text in [text.clone(), format!("coef:{text}={tail}"), format!("obj:{text}{tail}")] {
                if let Err(fault) = axis(&text) {
                    prop_assert!(fault.at <= text.len());
                    prop_assert!(fault.told(&text).starts_with("column "));
                }
            }
        }
    }
}
