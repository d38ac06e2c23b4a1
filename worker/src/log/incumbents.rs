//! Throttles a solver's incumbents to entries of the results log, and limits their values.

use std::{collections::HashSet, time::Duration};

use prost::Message;
use solvemesh::{
    solver::v1::Incumbent as SolverIncumbent,
    v1::{Incumbent, IncumbentOptions, LinearModel, ObjectiveSense},
};
use solvemesh_model::verify::objective;
use tokio::time::Instant;

use solvemesh_model::{finite, relative_gap};

/// Minimum time between two logged incumbents, except for the last.
const INTERVAL: Duration = Duration::from_millis(200);
/// Maximum size, in bytes, of the values in one entry. Larger incumbents are logged without values.
const MAX_BYTES: usize = 64 << 10;
/// Maximum total size, in bytes, of the incumbents that one attempt logs with values.
const MAX_TOTAL_BYTES: usize = 16 << 20;

/// Throttle: passes the first incumbent at once, then the best at most once per interval.
/// Solutions that are not better than all earlier ones are dropped.
#[derive(Debug)]
pub(crate) struct Incumbents {
    options: IncumbentOptions,
    /// Whether the names of the variables are left out.
    omit_names: bool,
    /// Indices of the variables to log, `None` for all. Valid once `is_resolved`.
    selected: Option<Vec<usize>>,
    is_resolved: bool,
    began: Instant,
    next: Instant,
    best: Option<Best>,
    /// Whether `best` has not been logged yet.
    is_unlogged: bool,
    /// Encoded size of the entry that [`Self::latest`] returned last.
    size: usize,
    /// What is left of [`MAX_TOTAL_BYTES`].
    bytes_left: usize,
}

#[derive(Debug)]
struct Best {
    found: SolverIncumbent,
    objective: f64,
    bound: Option<f64>,
    at: Instant,
}

impl Incumbents {
    /// For a solve that starts now.
    pub(crate) fn new(now: Instant, options: IncumbentOptions) -> Self {
        Self {
            options,
            omit_names: false,
            selected: None,
            is_resolved: false,
            began: now,
            next: now,
            best: None,
            is_unlogged: false,
            size: 0,
            bytes_left: MAX_TOTAL_BYTES,
        }
    }

    /// Leaves the names of the variables out, if `omit_names` is set.
    pub(crate) fn with_omitted_names(self, omit_names: bool) -> Self {
        Self { omit_names, ..self }
    }

    /// Records a solution, and the bound that was known when it was found. The objective is
    /// computed from the model, not taken from the solver.
    pub(crate) fn record(
        &mut self,
        now: Instant,
        model: &LinearModel,
        found: SolverIncumbent,
        bound: Option<f64>,
    ) {
        // Not a solution of this model.
        if found.values.len() != model.variable_lower.len() {
            return;
        }
        let Some(objective) = finite(objective(model, &found.values)) else { return };
        let is_better = |best: &Best| match model.sense() {
            ObjectiveSense::Maximize => objective > best.objective,
            ObjectiveSense::Minimize | ObjectiveSense::Unspecified => objective < best.objective,
        };
        if self.best.as_ref().is_none_or(is_better) {
            self.best = Some(Best { found, objective, bound, at: now });
            self.is_unlogged = true;
        }
    }

    /// When the best incumbent is due; `None` if it has been logged.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.is_unlogged.then_some(self.next)
    }

    /// The best incumbent as an entry, without its values if they exceed a limit.
    pub(crate) fn latest(&mut self, model: &LinearModel) -> Option<Incumbent> {
        if !self.is_resolved {
            self.selected = selected(&self.options, model);
            self.is_resolved = true;
        }
        let best = self.best.as_ref()?;
        let mut incumbent = Incumbent {
            objective: Some(best.objective),
            objective_bound: best.bound,
            relative_gap: relative_gap(Some(best.objective), best.bound),
            elapsed: prost_types::Duration::try_from(best.at - self.began).ok(),
            ..Incumbent::default()
        };
        let limit = MAX_BYTES.min(self.bytes_left);
        if !self.fill(&mut incumbent, &best.found.values, model, limit) {
            incumbent = Incumbent {
                values: Vec::new(),
                variable_indices: Vec::new(),
                variable_names: Vec::new(),
                values_omitted: true,
                ..incumbent
            };
        }
        self.size = incumbent.encoded_len();
        Some(incumbent)
    }

    /// Marks the best incumbent as logged.
    pub(crate) fn mark_logged(&mut self, now: Instant) {
        self.is_unlogged = false;
        self.next = now + INTERVAL;
        self.bytes_left = self.bytes_left.saturating_sub(self.size);
    }

    /// Delays the best incumbent by an interval, after the log did not accept it.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.next = now + INTERVAL;
    }

    /// The best solution that the solver has reported.
    pub(crate) fn best(&self) -> Option<&SolverIncumbent> {
        self.best.as_ref().map(|best| &best.found)
    }

    /// As [`Self::best`].
    pub(crate) fn into_best(self) -> Option<SolverIncumbent> {
        self.best.map(|best| best.found)
    }

    /// Fills in the requested values. Returns `false`, with `incumbent` partly filled, as soon as
    /// they exceed `limit` bytes.
    fn fill(
        &self,
        incumbent: &mut Incumbent,
        values: &[f64],
        model: &LinearModel,
        limit: usize,
    ) -> bool {
        let all = self.selected.is_none() && !self.options.nonzeros_only;
        let mut bytes = 0;
        let mut add = |index: usize| {
            let Some(&value) = values.get(index) else { return true };
            if self.options.nonzeros_only && value == 0.0 {
                return true;
            }
            // Turns -0.0 into 0.0.
            incumbent.values.push(value + 0.0);
            bytes += 8;
            if !all {
                incumbent.variable_indices.push(i32::try_from(index).unwrap_or(i32::MAX));
                bytes += 4;
            }
            if !self.omit_names
                && let Some(name) = model.variable_names.get(index)
            {
                bytes += name.len() + 2;
                incumbent.variable_names.push(name.clone());
            }
            bytes <= limit
        };
        match &self.selected {
            Some(selected) => selected.iter().all(|&index| add(index)),
            None => (0..values.len()).all(add),
        }
    }
}

/// Indices of the variables that the options name; `None` if they name none, which means all.
fn selected(options: &IncumbentOptions, model: &LinearModel) -> Option<Vec<usize>> {
    if options.variables.is_empty() {
        return None;
    }
    let wanted: HashSet<&str> = options.variables.iter().map(String::as_str).collect();
    let names = model.variable_names.iter().enumerate();
    Some(names.filter(|(_, name)| wanted.contains(name.as_str())).map(|(index, _)| index).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Maximise x + 2 y + 3 z + 10.
    fn model(variables: usize) -> LinearModel {
        LinearModel {
            sense: ObjectiveSense::Maximize.into(),
            objective: (1..=variables).map(|index| index as f64).collect(),
            objective_offset: 10.0,
            variable_lower: vec![0.0; variables],
            variable_names: (0..variables).map(|index| format!("x{index}")).collect(),
            ..LinearModel::default()
        }
    }

    fn found(values: &[f64]) -> SolverIncumbent {
        SolverIncumbent { objective: f64::NAN, bound: None, values: values.to_vec() }
    }

    fn one(options: IncumbentOptions, values: &[f64]) -> Incumbent {
        let model = model(values.len());
        let mut incumbents = Incumbents::new(Instant::now(), options);
        incumbents.record(Instant::now(), &model, found(values), Some(100.0));
        incumbents.latest(&model).unwrap()
    }

    #[test]
    fn the_first_is_due_at_once_and_the_latest_after_an_interval() {
        let (start, model) = (Instant::now(), model(1));
        let mut incumbents = Incumbents::new(start, IncumbentOptions::default());
        assert_eq!(incumbents.due(), None);
        incumbents.record(start, &model, found(&[1.0]), None);
        assert_eq!(incumbents.due(), Some(start));
        incumbents.mark_logged(start);
        for value in [2.0, 3.0] {
            incumbents.record(start, &model, found(&[value]), None);
            assert_eq!(incumbents.due(), Some(start + INTERVAL));
        }
        assert_eq!(incumbents.latest(&model).unwrap().objective, Some(13.0));
    }

    #[test]
    fn solutions_that_are_not_better_are_dropped() {
        let (now, model) = (Instant::now(), model(1));
        let mut incumbents = Incumbents::new(now, IncumbentOptions::default());
        for value in [2.0, 1.0, 2.0, f64::NAN] {
            incumbents.record(now, &model, found(&[value]), None);
        }
        incumbents.record(now, &model, found(&[9.0, 9.0]), None);
        assert_eq!(incumbents.into_best().unwrap().values, [2.0]);
    }

    #[test]
    fn objective_and_gap_are_computed_and_all_values_are_logged_in_order() {
        let entry = one(IncumbentOptions::default(), &[1.0, -0.0, 3.0]);
        assert_eq!(
            (entry.objective, entry.objective_bound, entry.relative_gap),
            (Some(20.0), Some(100.0), Some(4.0))
        );
        assert_eq!(entry.values, [1.0, 0.0, 3.0]);
        assert!(entry.values[1].is_sign_positive());
        assert_eq!(entry.variable_names, ["x0", "x1", "x2"]);
        assert!(entry.variable_indices.is_empty() && !entry.values_omitted);
    }

    #[test]
    fn zeros_are_omitted_and_variables_selected_on_request() {
        let variables = vec!["x2".to_owned(), "x1".to_owned()];
        let named = IncumbentOptions { nonzeros_only: false, variables: variables.clone() };
        let entry = one(named, &[1.0, 0.0, 3.0]);
        assert_eq!((entry.variable_indices, entry.values), (vec![1, 2], vec![0.0, 3.0]));
        let entry = one(IncumbentOptions { nonzeros_only: true, variables }, &[1.0, 0.0, 3.0]);
        assert_eq!((entry.variable_indices, entry.values), (vec![2], vec![3.0]));
        assert_eq!(entry.variable_names, ["x2"]);
    }

    #[test]
    fn names_are_left_out_on_request() {
        let (now, model) = (Instant::now(), model(2));
        let named = Incumbents::new(now, IncumbentOptions::default());
        let mut incumbents = named.with_omitted_names(true);
        incumbents.record(now, &model, found(&[1.0, 2.0]), None);
        let entry = incumbents.latest(&model).unwrap();
        assert_eq!((entry.values, entry.variable_names), (vec![1.0, 2.0], Vec::new()));
    }

    #[test]
    fn large_incumbents_are_logged_without_values() {
        let values = vec![1.0; MAX_BYTES / 8];
        let entry = one(IncumbentOptions::default(), &values);
        assert!(entry.values_omitted && entry.values.is_empty() && entry.variable_names.is_empty());
        assert!(entry.objective > Some(0.0));
        let mut sparse = vec![0.0; MAX_BYTES / 8];
        sparse[7] = 1.0;
        let nonzeros = IncumbentOptions { nonzeros_only: true, ..IncumbentOptions::default() };
        let entry = one(nonzeros, &sparse);
        assert_eq!((entry.values, entry.values_omitted), (vec![1.0], false));
    }

    #[test]
    fn the_values_that_an_attempt_logs_are_limited() {
        let (now, model) = (Instant::now(), model(1000));
        let mut incumbents = Incumbents::new(now, IncumbentOptions::default());
        let mut bytes = 0;
        for step in 1..3000 {
            incumbents.record(now, &model, found(&vec![f64::from(step); 1000]), None);
            let entry = incumbents.latest(&model).unwrap();
            incumbents.mark_logged(now);
            bytes += entry.encoded_len();
            if entry.values_omitted {
                assert!(bytes > MAX_TOTAL_BYTES / 2, "{bytes}");
                return assert!(bytes < MAX_TOTAL_BYTES + 2 * MAX_BYTES, "{bytes}");
            }
        }
        panic!("no limit after {bytes} bytes");
    }
}
