//! Splits a solution that is too large for one message into parts.

use prost::length_delimiter_len;
use solvemesh::v1::{SensitivityRanges, Solution};

/// Maximum encoded size, in bytes, of a part without its entries: two offsets, tag and length of
/// each of four packed arrays, and of three messages with four arrays each.
const PART_OVERHEAD: usize = 2 * 6 + 4 * 6 + 3 * 5 * 6;
/// Encoded size, in bytes, of a double in a packed array.
const DOUBLE: usize = 8;

/// Splits a solution into parts of at most `limit` encoded bytes, each with a range of variables
/// and a range of constraints. Either all entries have names or none has. An entry that is larger
/// than the limit gets a part of its own. Returns at least one part.
pub(crate) fn split(solution: Solution, limit: usize) -> Vec<Solution> {
    let mut splitter = Splitter {
        full: Vec::new(),
        part: Solution {
            variable_offset: solution.variable_offset,
            constraint_offset: solution.constraint_offset,
            ..Solution::default()
        },
        size: PART_OVERHEAD,
        limit,
    };
    let (variables, constraints) = (variables(&solution), constraints(&solution));
    let mut names = solution.variable_names.into_iter();
    let mut values = solution.values.into_iter();
    let mut reduced_costs = solution.reduced_costs.into_iter();
    let mut cost_ranges = solution.cost_ranges.into_iter().flat_map(to_entries);
    let mut bound_ranges = solution.bound_ranges.into_iter().flat_map(to_entries);
    for _ in 0..variables {
        let name = names.next();
        let (value, reduced_cost) = (values.next(), reduced_costs.next());
        let (cost, bound) = (cost_ranges.next(), bound_ranges.next());
        let numbers = value.iter().chain(&reduced_cost).chain(cost.iter().chain(&bound).flatten());
        let part = splitter.part_with_room_for(name.as_deref(), numbers.count());
        part.variable_names.extend(name);
        part.values.extend(value);
        part.reduced_costs.extend(reduced_cost);
        push_entry(&mut part.cost_ranges, cost);
        push_entry(&mut part.bound_ranges, bound);
    }
    let mut names = solution.constraint_names.into_iter();
    let mut activities = solution.activities.into_iter();
    let mut duals = solution.duals.into_iter();
    let mut row_ranges = solution.right_hand_side_ranges.into_iter().flat_map(to_entries);
    for _ in 0..constraints {
        let name = names.next();
        let (activity, dual) = (activities.next(), duals.next());
        let row = row_ranges.next();
        let numbers = activity.iter().chain(&dual).chain(row.iter().flatten());
        let part = splitter.part_with_room_for(name.as_deref(), numbers.count());
        part.constraint_names.extend(name);
        part.activities.extend(activity);
        part.duals.extend(dual);
        push_entry(&mut part.right_hand_side_ranges, row);
    }
    splitter.full.push(splitter.part);
    splitter.full
}

/// The range of one number: its ends, and the objective there.
type Range = [f64; 4];

fn to_entries(ranges: SensitivityRanges) -> impl Iterator<Item = Range> {
    let SensitivityRanges { lower, upper, objective_at_lower, objective_at_upper } = ranges;
    let ends = lower.into_iter().zip(upper);
    let objectives = objective_at_lower.into_iter().zip(objective_at_upper);
    ends.zip(objectives)
        .map(|((lower, upper), (at_lower, at_upper))| [lower, upper, at_lower, at_upper])
}

fn push_entry(ranges: &mut Option<SensitivityRanges>, range: Option<Range>) {
    let Some([lower, upper, at_lower, at_upper]) = range else { return };
    let ranges = ranges.get_or_insert_default();
    ranges.lower.push(lower);
    ranges.upper.push(upper);
    ranges.objective_at_lower.push(at_lower);
    ranges.objective_at_upper.push(at_upper);
}

struct Splitter {
    /// Completed parts.
    full: Vec<Solution>,
    /// The part that is being filled.
    part: Solution,
    /// Upper bound of its encoded size, in bytes.
    size: usize,
    limit: usize,
}

impl Splitter {
    /// Returns the part for the next entry, with a name, if it has one, and `numbers` numbers.
    /// Starts a new part if the entry does not fit into the current one.
    fn part_with_room_for(&mut self, name: Option<&str>, numbers: usize) -> &mut Solution {
        let name = name.map_or(0, |name| 1 + length_delimiter_len(name.len()) + name.len());
        let entry = name + numbers * DOUBLE;
        if self.size + entry > self.limit && self.size > PART_OVERHEAD {
            let next = Solution {
                variable_offset: next_offset(self.part.variable_offset, variables(&self.part)),
                constraint_offset: next_offset(
                    self.part.constraint_offset,
                    constraints(&self.part),
                ),
                ..Solution::default()
            };
            self.full.push(std::mem::replace(&mut self.part, next));
            self.size = PART_OVERHEAD;
        }
        self.size += entry;
        &mut self.part
    }
}

/// The number of variables of a solution, or of a part of one.
fn variables(solution: &Solution) -> usize {
    solution.variable_names.len().max(solution.values.len())
}

/// The number of constraints of a solution, or of a part of one.
fn constraints(solution: &Solution) -> usize {
    solution.constraint_names.len().max(solution.activities.len())
}

/// The index that follows a run of entries starting at `offset`.
fn next_offset(offset: i32, length: usize) -> i32 {
    offset.saturating_add(i32::try_from(length).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use prost::Message;

    use super::*;

    fn join(parts: Vec<Solution>) -> Solution {
        let mut whole = Solution::default();
        for part in parts {
            assert_eq!(part.variable_offset as usize, whole.values.len());
            assert_eq!(part.constraint_offset as usize, whole.activities.len());
            whole.variable_names.extend(part.variable_names);
            whole.values.extend(part.values);
            whole.reduced_costs.extend(part.reduced_costs);
            whole.constraint_names.extend(part.constraint_names);
            whole.activities.extend(part.activities);
            whole.duals.extend(part.duals);
            for (whole, part) in [
                (&mut whole.cost_ranges, part.cost_ranges),
                (&mut whole.bound_ranges, part.bound_ranges),
                (&mut whole.right_hand_side_ranges, part.right_hand_side_ranges),
            ] {
                part.into_iter()
                    .flat_map(to_entries)
                    .for_each(|range| push_entry(whole, Some(range)));
            }
        }
        whole
    }

    fn solution(variables: Vec<String>, constraints: Vec<String>, duals: bool) -> Solution {
        let (n, m) = (variables.len(), constraints.len());
        let numbers = |count: usize| (0..count).map(|i| i as f64 + 0.5).collect::<Vec<_>>();
        let ranges = |count: usize| {
            let ranges = SensitivityRanges {
                lower: numbers(count),
                upper: vec![f64::INFINITY; count],
                objective_at_lower: vec![-3.0; count],
                objective_at_upper: numbers(count),
            };
            (duals && count > 0).then_some(ranges)
        };
        Solution {
            variable_names: variables,
            values: numbers(n),
            reduced_costs: if duals { numbers(n) } else { Vec::new() },
            constraint_names: constraints,
            activities: numbers(m),
            duals: if duals { numbers(m) } else { Vec::new() },
            cost_ranges: ranges(n),
            bound_ranges: ranges(n),
            right_hand_side_ranges: ranges(m),
            ..Solution::default()
        }
    }

    proptest! {
        #[test]
        fn joined_parts_are_the_solution_and_none_exceeds_the_limit(
            variables in vec("[a-z]{0,40}", 0..60),
            constraints in vec("[a-zä]{0,40}", 0..60),
            duals in any::<bool>(),
            named in any::<bool>(),
            limit in 300usize..2000,
        ) {
            let mut whole = solution(variables, constraints, duals);
            if !named {
                (whole.variable_names, whole.constraint_names) = (Vec::new(), Vec::new());
            }
            let parts = split(whole.clone(), limit);
            for part in &parts {
                prop_assert!(part.encoded_len() <= limit);
            }
            prop_assert!(parts.len() <= 1 + 2 * whole.encoded_len() / (limit - 250));
            prop_assert_eq!(join(parts), whole);
        }
    }

    #[test]
    fn an_entry_over_the_limit_gets_its_own_part() {
        let names = vec!["x".to_owned(), "y".repeat(5000), "z".to_owned()];
        let whole = solution(names, vec!["row".to_owned()], true);
        let parts = split(whole.clone(), 1000);
        assert_eq!(parts.iter().map(|part| part.values.len()).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(join(parts), whole);
    }

    #[test]
    fn an_empty_solution_is_one_part() {
        assert_eq!(split(Solution::default(), 100), [Solution::default()]);
    }
}
