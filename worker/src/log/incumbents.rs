//! Which of a solver's better solutions become entries of the log, and what these tell.

use std::{collections::HashSet, time::Duration};

use prost::Message;
use solvemesh::{
    solver::v1::Incumbent as Found,
    v1::{Incumbent, IncumbentOptions, LinearModel, ObjectiveSense},
};
use solvemesh_model::verify::objective;
use tokio::time::Instant;

use crate::log::progress::{gap, known};

/// The shortest time between two that are told, but for the last.
const INTERVAL: Duration = Duration::from_millis(200);
/// The largest that is told with its values, encoded.
const MAX_BYTES: usize = 64 << 10;
/// How many bytes of them an attempt tells with their values.
const BUDGET: usize = 16 << 20;

/// Lets better solutions through: the first one at once, then the latest at most once an
/// interval. One that is not better than all before is none.
#[derive(Debug)]
pub(crate) struct Incumbents {
    options: IncumbentOptions,
    /// The variables that are told, once that was looked up; all where `None`.
    selected: Option<Vec<usize>>,
    is_looked_up: bool,
    began: Instant,
    next: Instant,
    best: Option<Best>,
    /// Whether the best has not been told.
    is_fresh: bool,
    /// The size of what was told last, and what is left for those to come.
    size: usize,
    left: usize,
}

#[derive(Debug)]
struct Best {
    found: Found,
    objective: f64,
    bound: Option<f64>,
    at: Instant,
}

impl Incumbents {
    /// Those of a solve that begins now.
    pub(crate) fn new(now: Instant, options: IncumbentOptions) -> Self {
        Self {
            options,
            selected: None,
            is_looked_up: false,
            began: now,
            next: now,
            best: None,
            is_fresh: false,
            size: 0,
            left: BUDGET,
        }
    }

    /// The solver found a solution, when this bound was known.
    pub(crate) fn improve(
        &mut self,
        now: Instant,
        model: &LinearModel,
        found: Found,
        bound: Option<f64>,
    ) {
        if found.values.len() != model.variable_lower.len() {
            return;
        }
        let Some(objective) = known(objective(model, &found.values)) else { return };
        let is_better = |best: &Best| match model.sense() {
            ObjectiveSense::Maximize => objective > best.objective,
            ObjectiveSense::Minimize | ObjectiveSense::Unspecified => objective < best.objective,
        };
        if self.best.as_ref().is_none_or(is_better) {
            self.best = Some(Best { found, objective, bound, at: now });
            self.is_fresh = true;
        }
    }

    /// When there will be one to be told; `None` while the best has been.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.is_fresh.then_some(self.next)
    }

    /// The best, as it is told.
    pub(crate) fn latest(&mut self, model: &LinearModel) -> Option<Incumbent> {
        if !self.is_looked_up {
            self.selected = selected(&self.options, model);
            self.is_looked_up = true;
        }
        let best = self.best.as_ref()?;
        let mut incumbent = Incumbent {
            objective: best.objective,
            bound: best.bound,
            gap: gap(Some(best.objective), best.bound),
            elapsed: prost_types::Duration::try_from(best.at - self.began).ok(),
            ..Incumbent::default()
        };
        let limit = MAX_BYTES.min(self.left);
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

    /// The best was told.
    pub(crate) fn told(&mut self, now: Instant) {
        self.is_fresh = false;
        self.next = now + INTERVAL;
        self.left = self.left.saturating_sub(self.size);
    }

    /// The best could not be told.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.next = now + INTERVAL;
    }

    /// The best that the solver has told.
    pub(crate) fn best(&self) -> Option<&Found> {
        self.best.as_ref().map(|best| &best.found)
    }

    /// As [`Self::best`].
    pub(crate) fn into_best(self) -> Option<Found> {
        self.best.map(|best| best.found)
    }

    /// Fills in the values that are asked for; gives up when they are over the limit.
    fn fill(
        &self,
        told: &mut Incumbent,
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
            // -0.0 + 0.0 is 0.0.
            told.values.push(value + 0.0);
            bytes += 8;
            if !all {
                told.variable_indices.push(i32::try_from(index).unwrap_or(i32::MAX));
                bytes += 4;
            }
            if let Some(name) = model.variable_names.get(index) {
                bytes += name.len() + 2;
                told.variable_names.push(name.clone());
            }
            bytes <= limit
        };
        match &self.selected {
            Some(selected) => selected.iter().all(|&index| add(index)),
            None => (0..values.len()).all(add),
        }
    }
}

/// The indices of the variables that are asked for by name; `None` for all.
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

    fn found(values: &[f64]) -> Found {
        Found { objective: f64::NAN, bound: None, values: values.to_vec() }
    }

    fn one(options: IncumbentOptions, values: &[f64]) -> Incumbent {
        let model = model(values.len());
        let mut incumbents = Incumbents::new(Instant::now(), options);
        incumbents.improve(Instant::now(), &model, found(values), Some(100.0));
        incumbents.latest(&model).unwrap()
    }

    #[test]
    fn the_first_is_due_at_once_and_then_the_latest_after_an_interval() {
        let (start, model) = (Instant::now(), model(1));
        let mut incumbents = Incumbents::new(start, IncumbentOptions::default());
        assert_eq!(incumbents.due(), None);
        incumbents.improve(start, &model, found(&[1.0]), None);
        assert_eq!(incumbents.due(), Some(start));
        incumbents.told(start);
        for value in [2.0, 3.0] {
            incumbents.improve(start, &model, found(&[value]), None);
            assert_eq!(incumbents.due(), Some(start + INTERVAL));
        }
        assert_eq!(incumbents.latest(&model).unwrap().objective, 13.0);
    }

    #[test]
    fn what_is_not_better_is_no_incumbent() {
        let (now, model) = (Instant::now(), model(1));
        let mut incumbents = Incumbents::new(now, IncumbentOptions::default());
        for value in [2.0, 1.0, 2.0, f64::NAN] {
            incumbents.improve(now, &model, found(&[value]), None);
        }
        incumbents.improve(now, &model, found(&[9.0, 9.0]), None);
        assert_eq!(incumbents.into_best().unwrap().values, [2.0]);
    }

    #[test]
    fn objective_and_gap_are_computed_and_all_values_are_told_in_their_order() {
        let told = one(IncumbentOptions::default(), &[1.0, -0.0, 3.0]);
        assert_eq!((told.objective, told.bound, told.gap), (20.0, Some(100.0), Some(4.0)));
        assert_eq!(told.values, [1.0, 0.0, 3.0]);
        assert!(told.values[1].is_sign_positive());
        assert_eq!(told.variable_names, ["x0", "x1", "x2"]);
        assert!(told.variable_indices.is_empty() && !told.values_omitted);
    }

    #[test]
    fn zeros_are_left_out_and_variables_chosen_on_request() {
        let variables = vec!["x2".to_owned(), "x1".to_owned()];
        let named = IncumbentOptions { nonzeros_only: false, variables: variables.clone() };
        let told = one(named, &[1.0, 0.0, 3.0]);
        assert_eq!((told.variable_indices, told.values), (vec![1, 2], vec![0.0, 3.0]));
        let told = one(IncumbentOptions { nonzeros_only: true, variables }, &[1.0, 0.0, 3.0]);
        assert_eq!((told.variable_indices, told.values), (vec![2], vec![3.0]));
        assert_eq!(told.variable_names, ["x2"]);
    }

    #[test]
    fn large_ones_are_told_without_their_values() {
        let values = vec![1.0; MAX_BYTES / 8];
        let told = one(IncumbentOptions::default(), &values);
        assert!(told.values_omitted && told.values.is_empty() && told.variable_names.is_empty());
        assert!(told.objective > 0.0);
        let mut sparse = vec![0.0; MAX_BYTES / 8];
        sparse[7] = 1.0;
        let nonzeros = IncumbentOptions { nonzeros_only: true, ..IncumbentOptions::default() };
        let told = one(nonzeros, &sparse);
        assert_eq!((told.values, told.values_omitted), (vec![1.0], false));
    }

    #[test]
    fn an_attempt_tells_so_many_values_and_no_more() {
        let (now, model) = (Instant::now(), model(1000));
        let mut incumbents = Incumbents::new(now, IncumbentOptions::default());
        let mut bytes = 0;
        for step in 1..3000 {
            incumbents.improve(now, &model, found(&vec![f64::from(step); 1000]), None);
            let told = incumbents.latest(&model).unwrap();
            incumbents.told(now);
            bytes += told.encoded_len();
            if told.values_omitted {
                assert!(bytes > BUDGET / 2, "{bytes}");
                return assert!(bytes < BUDGET + 2 * MAX_BYTES, "{bytes}");
            }
        }
        panic!("{bytes} bytes, and no end");
    }
}
