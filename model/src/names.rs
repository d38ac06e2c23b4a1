use std::collections::HashMap;

use crate::findings::Findings;

/// The longest name, in bytes: a name comes back with every solution.
pub(crate) const MAX_NAME_BYTES: usize = 1024;

/// Finds names that are too long or given twice, and gives a name to what has none: `letter` and
/// its index, with underscores behind it as long as that is taken.
pub(crate) fn complete(
    names: &mut [String],
    letter: char,
    field: impl Fn(usize) -> String,
    findings: &mut Findings,
) {
    let given = names.iter().filter(|name| !name.is_empty()).count();
    let mut owners: HashMap<&str, usize> = HashMap::with_capacity(given);
    let mut made: Vec<(usize, String)> = Vec::with_capacity(names.len() - given);
    for (i, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if name.len() > MAX_NAME_BYTES {
            findings.fault(
                || field(i),
                || format!("a name has at most {MAX_NAME_BYTES} bytes, not {}", name.len()),
            );
        } else if let Some(&owner) = owners.get(name.as_str()) {
            findings.fault(
                || field(i),
                || format!("`{name}` is the name of number {owner} too (counting from 0)"),
            );
        } else {
            owners.insert(name, i);
        }
    }
    for i in (0..names.len()).filter(|&i| names[i].is_empty()) {
        let mut name = format!("{letter}{i}");
        while owners.contains_key(name.as_str()) {
            name.push('_');
        }
        made.push((i, name));
    }
    for (i, name) in made {
        names[i] = name;
    }
    // Such a model is refused. What else is wrong with it may quote the name often.
    for name in names.iter_mut().filter(|name| name.len() > MAX_NAME_BYTES) {
        let end = (0..=MAX_NAME_BYTES).rfind(|&at| name.is_char_boundary(at));
        name.truncate(end.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(names: &[&str]) -> Result<Vec<String>, String> {
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut findings = Findings::default();
        complete(&mut names, 'x', |i| format!("names[{i}]"), &mut findings);
        match findings.finish() {
            Ok(_) => Ok(names),
            Err(faults) => Err(format!("{} {faults}", faults.0[0].field)),
        }
    }

    #[test]
    fn a_missing_name_is_made_of_the_index() {
        assert_eq!(
            completed(&["a", "", ""]).as_deref(),
            Ok(&["a", "x1", "x2"].map(String::from)[..])
        );
    }

    #[test]
    fn a_made_name_never_collides_with_a_given_one() {
        assert_eq!(
            completed(&["", "x0", "x0_", "x3", ""]).as_deref(),
            Ok(&["x0__", "x0", "x0_", "x3", "x4"].map(String::from)[..])
        );
    }

    #[test]
    fn a_name_that_is_too_long_is_a_fault() {
        let (longest, longer) = ("n".repeat(MAX_NAME_BYTES), "n".repeat(MAX_NAME_BYTES + 1));
        assert!(completed(&[&longest]).is_ok());
        let message = completed(&["a", &longer]).unwrap_err();
        assert_eq!(message, "names[1] a name has at most 1024 bytes, not 1025");
        let mut names = ["ä".repeat(MAX_NAME_BYTES)];
        complete(&mut names, 'x', |_| String::new(), &mut Findings::default());
        assert_eq!(names[0].len(), MAX_NAME_BYTES, "its beginning stands for it from here on");
    }

    #[test]
    fn a_name_given_twice_is_a_fault() {
        let message = completed(&["a", "b", "a"]).unwrap_err();
        assert_eq!(message, "names[2] `a` is the name of number 0 too (counting from 0)");
    }
}
