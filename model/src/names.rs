use crate::{findings::Findings, name_map::NameMap};

/// Maximum length of a name, in bytes. Limited because every solution repeats the names.
pub(crate) const MAX_NAME_BYTES: usize = 1024;

/// What is known about the names of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// No two of those that are given are equal: the reader has checked it.
    Unique,
    /// Nothing.
    Unchecked,
}

/// Reports names that are too long or duplicate, and generates the missing ones: `letter`
/// and the index, with underscores appended while that name is taken.
pub(crate) fn complete(
    names: &mut [String],
    given: Given,
    letter: char,
    field: impl Fn(usize) -> String,
    findings: &mut Findings,
) {
    let missing = names.iter().filter(|name| name.is_empty()).count();
    // Of names that are unique, only those are registered that a generated name may equal. Most
    // texts name everything, and need none.
    let registers = |name: &str| match given {
        Given::Unique => missing > 0 && name.starts_with(letter),
        Given::Unchecked => true,
    };
    let mut owners = NameMap::default();
    let mut generated: Vec<(usize, String)> = Vec::with_capacity(missing);
    for (i, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if name.len() > MAX_NAME_BYTES {
            findings.fault(
                || field(i),
                || format!("a name has at most {MAX_NAME_BYTES} bytes, not {}", name.len()),
            );
        } else if registers(name) {
            let owner = owners.get_or_insert(name, i);
            if owner != i {
                findings.fault(
                    || field(i),
                    || format!("duplicate name `{name}`, already used at index {owner}"),
                );
            }
        }
    }
    // After all given names are known. Generated names differ from each other in the index.
    for i in (0..names.len()).filter(|&i| names[i].is_empty()) {
        let mut name = format!("{letter}{i}");
        while owners.contains(&name) {
            name.push('_');
        }
        generated.push((i, name));
    }
    for (i, name) in generated {
        names[i] = name;
    }
    // The model is rejected already. Its names are truncated, because the messages of the
    // checks that follow may quote them many times.
    for name in names.iter_mut().filter(|name| name.len() > MAX_NAME_BYTES) {
        name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(names: &[&str]) -> Result<Vec<String>, String> {
        complete_given(Given::Unchecked, names)
    }

    fn complete_given(given: Given, names: &[&str]) -> Result<Vec<String>, String> {
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut findings = Findings::default();
        complete(&mut names, given, 'x', |i| format!("names[{i}]"), &mut findings);
        match findings.finish() {
            Ok(_) => Ok(names),
            Err(faults) => Err(format!("{} {faults}", faults.0[0].field)),
        }
    }

    #[test]
    fn missing_names_are_generated_from_the_index() {
        assert_eq!(
            completed(&["a", "", ""]).as_deref(),
            Ok(&["a", "x1", "x2"].map(String::from)[..])
        );
    }

    #[test]
    fn generated_names_never_collide_with_given_ones() {
        for given in [Given::Unchecked, Given::Unique] {
            assert_eq!(
                complete_given(given, &["", "x0", "x0_", "x3", "", "y"]).as_deref(),
                Ok(&["x0__", "x0", "x0_", "x3", "x4", "y"].map(String::from)[..])
            );
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_an_error() {
        let (longest, longer) = ("n".repeat(MAX_NAME_BYTES), "n".repeat(MAX_NAME_BYTES + 1));
        assert!(completed(&[&longest]).is_ok());
        let message = completed(&["a", &longer]).unwrap_err();
        assert_eq!(message, "names[1] a name has at most 1024 bytes, not 1025");
        let mut names = ["ä".repeat(MAX_NAME_BYTES)];
        complete(&mut names, Given::Unique, 'x', |_| String::new(), &mut Findings::default());
        assert_eq!(
            names[0].len(),
            MAX_NAME_BYTES,
            "truncated, because other messages may quote it"
        );
    }

    #[test]
    fn a_duplicate_name_is_an_error() {
        let message = completed(&["a", "b", "a"]).unwrap_err();
        assert_eq!(message, "names[2] duplicate name `a`, already used at index 0");
    }
}
