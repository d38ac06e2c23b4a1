//! What has been read of a file so far, and the loop over its segments.

use std::collections::HashMap;

use super::{
    NlObjective,
    basis::Statuses,
    bounds::Bounds,
    expression::{Expressions, Linear},
    header::Header,
    input::Input,
    matrix::Matrix,
};
use crate::{Fault, FaultKind, Limits};

/// A file, segment by segment.
pub(super) struct File {
    pub(super) header: Header,
    pub(super) limits: Limits,
    /// The objective that is optimised.
    pub(super) objective: Option<usize>,
    pub(super) maximize: bool,
    /// The constant and the terms of the objective.
    pub(super) cost: Linear,
    pub(super) expressions: Expressions,
    pub(super) seen: Seen,
    pub(super) matrix: Matrix,
    /// The constants of the constraints, which are not on their bounds yet.
    pub(super) constants: Vec<f64>,
    /// The terms of constraints that their expressions have.
    pub(super) folded: HashMap<usize, Vec<(u32, f64)>>,
    pub(super) rows: Bounds,
    pub(super) columns: Bounds,
    /// The initial guess.
    pub(super) guess: Vec<(u32, f64)>,
    pub(super) statuses: Statuses,
    /// The number of entries of all G segments.
    pub(super) gradients: usize,
    pub(super) warnings: Vec<String>,
}

/// What a file may have only once.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) rows: bool,
    pub(super) columns: bool,
    pub(super) guess: bool,
    pub(super) objective: bool,
    pub(super) gradient: bool,
    /// Which constraints have an expression.
    pub(super) expressions: Vec<bool>,
}

impl File {
    /// Reads all segments behind the header.
    pub(super) fn read<'a>(
        header: Header,
        mut input: impl Input<'a>,
        bytes: usize,
        limits: &Limits,
        objective: NlObjective,
    ) -> Result<Self, Fault> {
        let mut warnings = Vec::new();
        let chosen = choose(&header, objective, &input, &mut warnings)?;
        let (variables, constraints) = (header.variables, header.constraints);
        let max_terms = limits.max_nonzeros.max(1 << 16);
        let mut file = File {
            limits: *limits,
            objective: chosen,
            maximize: false,
            cost: Linear::default(),
            expressions: Expressions::new(variables, bytes, max_terms),
            seen: Seen { expressions: vec![false; constraints], ..Seen::default() },
            matrix: Matrix::new(constraints),
            constants: vec![0.0; constraints],
            folded: HashMap::new(),
            rows: Bounds::default(),
            columns: Bounds::default(),
            guess: Vec::new(),
            statuses: Statuses::default(),
            gradients: 0,
            warnings,
            header,
        };
        while let Some(letter) = input.segment() {
            file.segment(letter, &mut input)?;
        }
        file.check_complete(&input)?;
        Ok(file)
    }

    /// Rejects a file that lacks what its header announces.
    fn check_complete<'a>(&self, input: &impl Input<'a>) -> Result<(), Fault> {
        let ends_early = |what: String| {
            input.fault(FaultKind::Invalid, format!("{what}: the file may be truncated"))
        };
        for (segment, what, count, seen) in [
            ('r', "constraints", self.header.constraints, self.seen.rows),
            ('b', "variables", self.header.variables, self.seen.columns),
        ] {
            if count > 0 && !seen {
                return Err(ends_early(format!(
                    "there is no `{segment}` segment with the bounds \
                                               of {count} {what}"
                )));
            }
        }
        let (found, announced) = (self.matrix.len(), self.header.nonzeros);
        if found != announced {
            return Err(ends_early(format!(
                "the J segments have {found} entries, but the header announces {announced}"
            )));
        }
        // With several objectives, some writers count a variable of all of them once.
        let (found, announced) = (self.gradients, self.header.gradients);
        if found < announced {
            return Err(ends_early(format!(
                "the G segments have {found} entries, but the header announces {announced}"
            )));
        }
        Ok(())
    }
}

/// The index of the objective that is optimised.
fn choose<'a>(
    header: &Header,
    objective: NlObjective,
    input: &impl Input<'a>,
    warnings: &mut Vec<String>,
) -> Result<Option<usize>, Fault> {
    let count = header.objectives;
    match objective {
        NlObjective::None => Ok(None),
        NlObjective::First => {
            if count > 1 {
                warnings.push(format!("the file has {count} objectives; the first one is used"));
            }
            Ok((count > 0).then_some(0))
        }
        NlObjective::Index(index) if index < count => Ok(Some(index)),
        NlObjective::Index(index) => {
            let message = format!("there is no objective {index} (from 0): the file has {count}");
            Err(input.fault(FaultKind::Invalid, message))
        }
    }
}
