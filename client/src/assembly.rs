use std::collections::BTreeMap;

use solvemesh::v1::{
    JobEvent, JobFinished, SensitivityRanges, Solution, SolutionPart, job_event::Kind,
};

use crate::Outcome;

/// Joins solutions that arrive in parts, from the events of any number of jobs.
///
/// The events of a job must be added in order, from the first part of its solution on.
#[derive(Debug, Default)]
pub struct Assembly {
    parts: BTreeMap<String, PartialSolution>,
}

/// The parts of one solution, joined so far.
#[derive(Debug, Default)]
struct PartialSolution {
    solution: Solution,
    parts: i32,
}

/// The parts of a solution are incomplete or inconsistent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the solution of job {job_id} is incomplete: {what}")]
pub struct PartsError {
    /// The job.
    pub job_id: String,
    /// What is wrong with the parts.
    pub what: String,
}

impl Assembly {
    /// Adds the next event. Returns the outcome if the event finishes a job.
    ///
    /// # Errors
    ///
    /// When parts of the solution are missing, out of order or inconsistent.
    pub fn add(&mut self, event: JobEvent) -> Result<Option<Outcome>, PartsError> {
        let JobEvent { job_id, attempt, kind, .. } = event;
        match kind {
            Some(Kind::SolutionPart(part)) => {
                let bad = |what| PartsError { job_id: job_id.clone(), what };
                // The first part starts the solution again: parts before it are stale.
                if part.index == 0 {
                    self.parts.remove(&job_id);
                }
                self.parts.entry(job_id.clone()).or_default().join(part).map_err(bad)?;
                Ok(None)
            }
            Some(Kind::Finished(mut finished)) => {
                let partial = self.parts.remove(&job_id).unwrap_or_default();
                complete(&mut finished, partial)
                    .map_err(|what| PartsError { job_id: job_id.clone(), what })?;
                Ok(Some(Outcome::new(job_id, attempt, *finished)))
            }
            _ => Ok(None),
        }
    }
}

/// Inserts the joined solution into the result, if the result came in parts, and checks the
/// solution.
fn complete(finished: &mut JobFinished, partial: PartialSolution) -> Result<(), String> {
    let Some(result) = &mut finished.result else { return Ok(()) };
    if result.solution_part_count != 0 {
        if partial.parts != result.solution_part_count {
            return Err(format!(
                "received {} of {} parts",
                partial.parts, result.solution_part_count
            ));
        }
        result.solution = Some(partial.solution);
    }
    result.solution.as_ref().map_or(Ok(()), check)
}

impl PartialSolution {
    /// Appends the next part.
    fn join(&mut self, part: SolutionPart) -> Result<(), String> {
        if part.index != self.parts {
            return Err(format!("received part {} instead of part {}", part.index, self.parts));
        }
        let run = part.solution.ok_or_else(|| format!("part {} is empty", part.index))?;
        let whole = &mut self.solution;
        if !follows(run.variable_offset, variables(&run), variables(whole))
            || !follows(run.constraint_offset, constraints(&run), constraints(whole))
        {
            return Err(format!("part {} does not continue the part before", part.index));
        }
        whole.variable_names.extend(run.variable_names);
        whole.values.extend(run.values);
        whole.reduced_costs.extend(run.reduced_costs);
        whole.constraint_names.extend(run.constraint_names);
        whole.activities.extend(run.activities);
        whole.duals.extend(run.duals);
        join_ranges(&mut whole.cost_ranges, run.cost_ranges);
        join_ranges(&mut whole.bound_ranges, run.bound_ranges);
        join_ranges(&mut whole.right_hand_side_ranges, run.right_hand_side_ranges);
        self.parts += 1;
        check(whole)
    }
}

fn join_ranges(whole: &mut Option<SensitivityRanges>, run: Option<SensitivityRanges>) {
    let Some(run) = run else { return };
    let whole = whole.get_or_insert_default();
    whole.lower.extend(run.lower);
    whole.upper.extend(run.upper);
    whole.objective_at_lower.extend(run.objective_at_lower);
    whole.objective_at_upper.extend(run.objective_at_upper);
}

/// The number of variables in a solution.
fn variables(solution: &Solution) -> usize {
    let Solution { variable_names, values, reduced_costs, .. } = solution;
    variable_names.len().max(values.len()).max(reduced_costs.len())
}

/// The number of constraints in a solution.
fn constraints(solution: &Solution) -> usize {
    let Solution { constraint_names, activities, duals, .. } = solution;
    constraint_names.len().max(activities.len()).max(duals.len())
}

/// Whether a part of an array starts where the part before ended. An empty part may have any
/// offset.
fn follows(offset: i32, length: usize, end: usize) -> bool {
    length == 0 || usize::try_from(offset) == Ok(end)
}

/// Checks that every array has its full length or is empty.
fn check(solution: &Solution) -> Result<(), String> {
    let (n, m) = (variables(solution), constraints(solution));
    let arrays = [
        ("variable_names", solution.variable_names.len(), n),
        ("values", solution.values.len(), n),
        ("reduced_costs", solution.reduced_costs.len(), n),
        ("constraint_names", solution.constraint_names.len(), m),
        ("activities", solution.activities.len(), m),
        ("duals", solution.duals.len(), m),
    ];
    let ranges = [
        ("cost_ranges", &solution.cost_ranges, n),
        ("bound_ranges", &solution.bound_ranges, n),
        ("right_hand_side_ranges", &solution.right_hand_side_ranges, m),
    ];
    let ranges = ranges.into_iter().flat_map(|(name, ranges, full)| {
        let arrays = ranges
            .iter()
            .flat_map(|of| [&of.lower, &of.upper, &of.objective_at_lower, &of.objective_at_upper]);
        arrays.map(move |array| (name, array.len(), full))
    });
    match arrays.into_iter().chain(ranges).find(|&(_, length, full)| length != 0 && length != full)
    {
        None => Ok(()),
        Some((name, length, full)) => Err(format!("received {length} of {full} {name}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use solvemesh::v1::{JobState, SolveResult};

    use super::*;

    fn event(kind: Kind) -> JobEvent {
        JobEvent { job_id: "j".into(), attempt: 1, kind: Some(kind), ..JobEvent::default() }
    }

    fn part(index: i32, count: i32, solution: Solution) -> JobEvent {
        event(Kind::SolutionPart(SolutionPart { index, count, solution: Some(solution) }))
    }

    fn finished(solution_parts: i32) -> JobEvent {
        let result = SolveResult { solution_part_count: solution_parts, ..SolveResult::default() };
        event(Kind::Finished(
            JobFinished {
                state: JobState::Succeeded.into(),
                result: Some(result),
                ..JobFinished::default()
            }
            .into(),
        ))
    }

    fn values(offset: i32, values: &[f64]) -> Solution {
        Solution { variable_offset: offset, values: values.to_vec(), ..Solution::default() }
    }

    #[test]
    fn a_missing_part_is_an_error() {
        let mut assembly = Assembly::default();
        assembly.add(part(0, 2, values(0, &[1.0]))).unwrap();
        let bad = assembly.add(finished(2)).unwrap_err();
        assert_eq!(bad.what, "received 1 of 2 parts");
    }

    #[test]
    fn a_part_out_of_order_is_an_error() {
        let bad = Assembly::default().add(part(1, 2, values(1, &[1.0]))).unwrap_err();
        assert_eq!(bad.what, "received part 1 instead of part 0");
    }

    #[test]
    fn a_gap_between_parts_is_an_error() {
        let mut assembly = Assembly::default();
        assembly.add(part(0, 2, values(0, &[1.0]))).unwrap();
        let bad = assembly.add(part(1, 2, values(2, &[1.0]))).unwrap_err();
        assert_eq!(bad.what, "part 1 does not continue the part before");
    }

    #[test]
    fn an_array_that_is_too_short_is_an_error() {
        let mut short = values(0, &[1.0, 2.0]);
        short.variable_names = vec!["x".into()];
        let bad = Assembly::default().add(part(0, 1, short)).unwrap_err();
        assert_eq!(bad.what, "received 1 of 2 variable_names");
    }

    /// Splits a list at the given points, taken modulo its length and sorted.
    fn cut<T: Clone>(list: &[T], cuts: &[usize]) -> Vec<(usize, Vec<T>)> {
        let mut points: Vec<_> = cuts.iter().map(|cut| cut % (list.len() + 1)).collect();
        points.extend([0, list.len()]);
        points.sort_unstable();
        points.windows(2).map(|pair| (pair[0], list[pair[0]..pair[1]].to_vec())).collect()
    }

    proptest! {
        #[test]
        fn a_solution_in_any_parts_is_joined_unchanged(
            columns in prop::collection::vec(any::<i32>(), 0..40),
            rows in prop::collection::vec(any::<i32>(), 0..40),
            cuts in prop::collection::vec((any::<usize>(), any::<usize>()), 0..6),
            other in any::<bool>(),
        ) {
            let column_cuts: Vec<_> = cuts.iter().map(|cut| cut.0).collect();
            let row_cuts: Vec<_> = cuts.iter().map(|cut| cut.1).collect();
            let float = |list: Vec<i32>| list.into_iter().map(f64::from).collect::<Vec<_>>();
            let ranges = |list: Vec<f64>| SensitivityRanges {
                lower: list.clone(),
                upper: list.clone(),
                objective_at_lower: list.clone(),
                objective_at_upper: list,
            };
            let names = |list: &[i32]| list.iter().map(i32::to_string).collect::<Vec<_>>();
            let mut assembly = Assembly::default();
            let count = i32::try_from(cuts.len() + 1).unwrap();
            let runs = cut(&columns, &column_cuts).into_iter().zip(cut(&rows, &row_cuts));
            for (index, ((column, xs), (row, ys))) in runs.enumerate() {
                let run = Solution {
                    variable_offset: i32::try_from(column).unwrap(),
                    variable_names: names(&xs),
                    values: float(xs.clone()),
                    reduced_costs: vec![],
                    constraint_offset: i32::try_from(row).unwrap(),
                    constraint_names: names(&ys),
                    activities: vec![],
                    duals: float(ys.clone()),
                    cost_ranges: Some(ranges(float(xs))),
                    bound_ranges: None,
                    right_hand_side_ranges: Some(ranges(float(ys))),
                };
                if other {
                    let mut elsewhere = part(0, 1, values(0, &[1.0]));
                    elsewhere.job_id = "other".into();
                    prop_assert_eq!(assembly.add(elsewhere).unwrap(), None);
                }
                let index = i32::try_from(index).unwrap();
                prop_assert_eq!(assembly.add(part(index, count, run)).unwrap(), None);
            }
            let outcome = assembly.add(finished(count)).unwrap().unwrap();
            let solution = outcome.solution().unwrap();
            prop_assert_eq!(&solution.variable_names, &names(&columns));
            prop_assert_eq!(&solution.constraint_names, &names(&rows));
            prop_assert_eq!(&solution.values, &float(columns.clone()));
            prop_assert_eq!(&solution.duals, &float(rows.clone()));
            prop_assert_eq!(&solution.cost_ranges, &Some(ranges(float(columns))));
            prop_assert_eq!(&solution.bound_ranges, &None);
            prop_assert_eq!(&solution.right_hand_side_ranges, &Some(ranges(float(rows))));
        }
    }
}
