//! Writes solutions in AMPL's format.

use std::io::{self, Write};

use solvemesh_client::{
    Outcome,
    v1::{Basis, BasisStatus},
};

/// Whether the numbers of a suffix belong to variables or to constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Variables,
    Constraints,
}

/// Numbers that belong to some of the variables or constraints.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Suffix {
    pub(crate) name: &'static str,
    pub(crate) owner: Owner,
    /// Indices and numbers.
    pub(crate) numbers: Numbers,
}

/// The numbers of a suffix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Numbers {
    Integers(Vec<(usize, u8)>),
    Reals(Vec<(usize, f64)>),
}

/// An answer to a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sol<'a> {
    /// Lines for people.
    pub(crate) message: Vec<String>,
    /// The options and the tolerance in the header of the model, which an answer repeats.
    pub(crate) options: &'a [i64],
    pub(crate) tolerance: Option<f64>,
    pub(crate) constraints: usize,
    pub(crate) variables: usize,
    /// A number for each constraint and variable, or none.
    pub(crate) duals: &'a [f64],
    pub(crate) values: &'a [f64],
    /// The index of the objective; `None` if there is none.
    pub(crate) objective: Option<usize>,
    /// How the solve ended (`solve_result_num`).
    pub(crate) code: u16,
    pub(crate) suffixes: Vec<Suffix>,
}

impl Sol<'_> {
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for line in self.message.iter().flat_map(|text| text.lines()) {
            match line.trim_end() {
                // The first empty line ends the message.
                "" => {}
                // Would be taken for what follows the message.
                line if line.starts_with("Options") => writeln!(out, " {line}")?,
                line => writeln!(out, "{line}")?,
            }
        }
        // With a tolerance, the number of options is higher by 2, though it is behind the counts.
        let count = self.options.len() + if self.tolerance.is_some() { 2 } else { 0 };
        writeln!(out, "\nOptions\n{count}")?;
        for option in self.options {
            writeln!(out, "{option}")?;
        }
        for count in [self.constraints, self.duals.len(), self.variables, self.values.len()] {
            writeln!(out, "{count}")?;
        }
        if let Some(tolerance) = self.tolerance {
            writeln!(out, "{}", number(tolerance))?;
        }
        for &value in self.duals.iter().chain(self.values) {
            writeln!(out, "{}", number(value))?;
        }
        let objective = self.objective.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1);
        writeln!(out, "objno {objective} {}", self.code)?;
        self.suffixes.iter().try_for_each(|suffix| suffix.write(out))
    }
}

impl Suffix {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let owner = match self.owner {
            Owner::Variables => 0,
            Owner::Constraints => 1,
        };
        let (kind, count) = match &self.numbers {
            Numbers::Integers(numbers) => (owner, numbers.len()),
            Numbers::Reals(numbers) => (owner | 4, numbers.len()),
        };
        // The length includes the NUL of C; the two zeros are for a table of values.
        writeln!(out, "suffix {kind} {count} {} 0 0\n{}", self.name.len() + 1, self.name)?;
        match &self.numbers {
            Numbers::Integers(numbers) => {
                numbers.iter().try_for_each(|(index, value)| writeln!(out, "{index} {value}"))
            }
            Numbers::Reals(numbers) => numbers
                .iter()
                .try_for_each(|&(index, value)| writeln!(out, "{index} {}", number(value))),
        }
    }
}

/// The suffixes of an outcome that has them: reduced costs, if wanted, and the basis.
pub(crate) fn suffixes(outcome: &Outcome, reduced_costs_wanted: bool) -> Vec<Suffix> {
    let costs = outcome.solution().map(|it| &it.reduced_costs);
    let costs = costs.filter(|costs| reduced_costs_wanted && !costs.is_empty());
    let basis = outcome.result.as_ref().and_then(|result| result.basis.as_ref());
    let costs = costs.map(|costs| reduced_costs(costs));
    costs.into_iter().chain(basis.into_iter().flat_map(statuses)).collect()
}

/// The suffix `rc` with reduced costs, also those that are 0: Pyomo takes others for missing.
fn reduced_costs(costs: &[f64]) -> Suffix {
    let numbers = costs.iter().copied().enumerate().collect();
    Suffix { name: "rc", owner: Owner::Variables, numbers: Numbers::Reals(numbers) }
}

/// The suffixes `sstatus` with a basis, in AMPL's numbers.
fn statuses(basis: &Basis) -> [Suffix; 2] {
    [(Owner::Variables, &basis.variables), (Owner::Constraints, &basis.constraints)].map(
        |(owner, statuses)| {
            let codes = statuses.iter().map(|&status| {
                match BasisStatus::try_from(status).unwrap_or_default() {
                    BasisStatus::Unspecified => 0,
                    BasisStatus::Basic => 1,
                    BasisStatus::Zero => 2,
                    BasisStatus::Lower | BasisStatus::Nonbasic => 3,
                    BasisStatus::Upper => 4,
                }
            });
            let numbers = codes.enumerate().filter(|(_, code)| *code != 0).collect();
            Suffix { name: "sstatus", owner, numbers: Numbers::Integers(numbers) }
        },
    )
}

/// The shortest text that reads back as the same number.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    // Without an exponent, 1e300 has 301 digits.
    if size != 0.0 && !(1e-5..1e16).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn sol() -> Sol<'static> {
        Sol {
            message: vec!["solvemesh: optimal\n\nOptions are fine".to_owned(), String::new()],
            options: &[1, 1, 0],
            tolerance: None,
            constraints: 1,
            variables: 2,
            duals: &[0.5],
            values: &[1.0, -2e-7],
            objective: Some(0),
            code: 0,
            suffixes: Vec::new(),
        }
    }

    fn text(sol: &Sol<'_>) -> String {
        let mut out = Vec::new();
        sol.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_has_message_options_counts_duals_values_and_code() {
        let expected = "solvemesh: optimal\n Options are fine\n\nOptions\n3\n1\n1\n0\n1\n1\n2\n2\n\
                        0.5\n1\n-2e-7\nobjno 0 0\n";
        assert_eq!(text(&sol()), expected);
    }

    #[test]
    fn an_answer_without_a_solution_has_counts_of_0() {
        let none = Sol { duals: &[], values: &[], objective: None, code: 200, ..sol() };
        assert!(text(&none).ends_with("\nOptions\n3\n1\n1\n0\n1\n0\n2\n0\nobjno -1 200\n"));
    }

    #[test]
    fn a_tolerance_is_behind_the_counts_and_counts_twice() {
        let with = Sol { options: &[1, 3, 0], tolerance: Some(1e-6), ..sol() };
        assert!(text(&with).contains("\nOptions\n5\n1\n3\n0\n1\n1\n2\n2\n1e-6\n0.5\n"));
    }

    #[test]
    fn reduced_costs_and_the_basis_are_suffixes() {
        use BasisStatus::{Basic, Lower, Upper, Zero};
        let wire = |list: &[BasisStatus]| list.iter().map(|&it| it.into()).collect();
        let basis = Basis { variables: wire(&[Basic, Upper]), constraints: wire(&[Lower, Zero]) };
        let mut suffixes = vec![reduced_costs(&[0.0, -1.5])];
        suffixes.extend(statuses(&basis));
        let expected = "objno 0 0\nsuffix 4 2 3 0 0\nrc\n0 0\n1 -1.5\nsuffix 0 2 8 0 0\nsstatus\n0 1\n\
                        1 4\nsuffix 1 2 8 0 0\nsstatus\n0 3\n1 2\n";
        let text = text(&Sol { suffixes, ..sol() });
        assert!(text.ends_with(expected), "{text}");
    }

    proptest! {
        #[test]
        fn numbers_read_back_the_same(value in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            let text = number(value);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert!(text.len() < 30, "{}", text);
        }
    }
}
