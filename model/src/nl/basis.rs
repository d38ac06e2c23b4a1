//! The basis in the suffix `sstatus`.

use solvemesh::v1::{Basis, BasisStatus};

/// The statuses that a file has, by variable and constraint.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    variables: Vec<(u32, u8)>,
    constraints: Vec<(u32, u8)>,
}

/// The status that a number of the suffix means, as in AMPL's own table of it: 1 basic, 2
/// superbasic, 3 at the lower bound, 4 at the upper one, 5 at equal bounds, 6 between bounds.
fn status(code: u8, lower: f64, upper: f64) -> BasisStatus {
    match code {
        1 => BasisStatus::Basic,
        4 if upper.is_finite() => BasisStatus::Upper,
        _ if lower.is_finite() => BasisStatus::Lower,
        _ if upper.is_finite() => BasisStatus::Upper,
        _ => BasisStatus::Zero,
    }
}

impl Statuses {
    /// Adds a status; a number that is none counts as absent.
    pub(super) fn push(&mut self, of_constraint: bool, index: usize, value: f64) {
        if !(1.0..=6.0).contains(&value) || value.fract() != 0.0 {
            return;
        }
        let list = if of_constraint { &mut self.constraints } else { &mut self.variables };
        // Fits: both are counted by an int32; the value is from 1 to 6.
        list.push((index as u32, value as u8));
    }

    /// Whether the file has any.
    pub(super) fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.constraints.is_empty()
    }

    /// The basis, if it is one: as many basic entries as there are constraints. What has no status
    /// is at a bound.
    pub(super) fn basis(
        &self,
        variables: (&[f64], &[f64]),
        constraints: (&[f64], &[f64]),
    ) -> Option<Basis> {
        let basis = Basis {
            variables: statuses(&self.variables, variables),
            constraints: statuses(&self.constraints, constraints),
        };
        let basic =
            |list: &[i32]| list.iter().filter(|&&it| it == BasisStatus::Basic as i32).count();
        (basic(&basis.variables) + basic(&basis.constraints) == constraints.0.len())
            .then_some(basis)
    }
}

fn statuses(given: &[(u32, u8)], (lower, upper): (&[f64], &[f64])) -> Vec<i32> {
    let mut codes = vec![0; lower.len()];
    for &(index, code) in given {
        codes[index as usize] = code;
    }
    let ends = lower.iter().zip(upper);
    codes.iter().zip(ends).map(|(&code, (&l, &u))| status(code, l, u).into()).collect()
}
