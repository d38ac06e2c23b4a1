use solvemesh::v1::LinearModel;

/// Maximum number of variables and constraints that are named as the worst.
const MAX_NAMED: usize = 3;

/// The worst violations of one sort, such as bounds or rows.
#[derive(Debug)]
pub(super) struct Worst {
    pub(super) violation: f64,
    /// Whether every violation so far was within its tolerance.
    pub(super) within: bool,
    /// Whether the indices are those of constraints; else of variables.
    constraints: bool,
    /// Violation and index of the worst few, the worst first.
    offenders: Vec<(f64, usize)>,
}

impl Worst {
    pub(super) fn of_variables() -> Self {
        Worst { violation: 0.0, within: true, constraints: false, offenders: Vec::new() }
    }

    pub(super) fn of_constraints() -> Self {
        Worst { constraints: true, ..Worst::of_variables() }
    }

    pub(super) fn record(&mut self, index: usize, violation: f64, tolerance: f64) {
        self.within &= violation <= tolerance;
        self.violation = self.violation.max(violation);
        let rank = self.offenders.partition_point(|(worse, _)| *worse >= violation);
        if violation > 0.0 && rank < MAX_NAMED {
            // Bounded: every row of a large model may be violated.
            self.offenders.truncate(MAX_NAMED - 1);
            self.offenders.insert(rank, (violation, index));
        }
    }
}

/// The names of the variables and constraints with the worst violations of all sorts, the
/// worst first, each once.
pub(super) fn names(model: &LinearModel, sorts: [&Worst; 3]) -> Vec<String> {
    let mut offenders: Vec<(f64, bool, usize)> = sorts
        .into_iter()
        .flat_map(|worst| worst.offenders.iter().map(|&(v, index)| (v, worst.constraints, index)))
        .collect();
    offenders.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut names: Vec<String> = Vec::new();
    for (_, constraint, index) in offenders {
        let of = if constraint { &model.constraint_names } else { &model.variable_names };
        if let Some(name) = of.get(index)
            && names.len() < MAX_NAMED
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}
