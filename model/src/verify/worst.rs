use solvemesh::v1::LinearModel;

/// How many offenders are named.
const NAMED: usize = 3;

/// The worst of one sort of violation.
#[derive(Debug)]
pub(super) struct Worst {
    pub(super) violation: f64,
    /// Whether each one seen was within its tolerance.
    pub(super) within: bool,
    constraints: bool,
    /// Violation and index, the worst first.
    offenders: Vec<(f64, usize)>,
}

impl Worst {
    pub(super) fn of_variables() -> Self {
        Worst { violation: 0.0, within: true, constraints: false, offenders: Vec::new() }
    }

    pub(super) fn of_constraints() -> Self {
        Worst { constraints: true, ..Worst::of_variables() }
    }

    pub(super) fn see(&mut self, index: usize, violation: f64, tolerance: f64) {
        self.within &= violation <= tolerance;
        self.violation = self.violation.max(violation);
        let rank = self.offenders.partition_point(|(worse, _)| *worse >= violation);
        if violation > 0.0 && rank < NAMED {
            self.offenders.truncate(NAMED - 1);
            self.offenders.insert(rank, (violation, index));
        }
    }
}

/// The names of the worst offenders of all sorts, the worst first, each once.
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
            && names.len() < NAMED
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}
