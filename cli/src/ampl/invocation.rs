//! Recognises command lines that AMPL and others write.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// A command line in AMPL's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// `-v`: print the version.
    Version,
    /// `-=`: print the keywords of options.
    Keywords,
    /// Solve a model.
    Solve {
        /// The path of the model's files, without their extensions.
        stub: PathBuf,
        /// The options after it.
        options: Vec<OsString>,
    },
}

impl Invocation {
    /// The invocation that a command line means; `None` for the other commands of the program. A
    /// program whose name ends in `ampl` is always a driver.
    pub(crate) fn of(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        let program = words.next().unwrap_or_default();
        let mut rest: Vec<OsString> = words.collect();
        if let [word] = rest.as_slice() {
            match word.to_str() {
                Some("-v") => return Some(Self::Version),
                Some("-=") => return Some(Self::Keywords),
                _ => {}
            }
        }
        let flagged = rest.get(1).is_some_and(|word| word == "-AMPL");
        let named = Path::new(&program)
            .file_stem()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.ends_with("ampl"));
        if rest.is_empty() || !(flagged || named) {
            return None;
        }
        let stub = stub(&rest.remove(0));
        if flagged {
            rest.remove(0);
        }
        Some(Self::Solve { stub, options: rest })
    }
}

/// The path of a model without `.nl`, with which Pyomo passes it and AMPL does not.
fn stub(path: &OsStr) -> PathBuf {
    let path = Path::new(path);
    match path.extension() {
        Some(extension) if extension == "nl" => path.with_extension(""),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Option<Invocation> {
        Invocation::of(words.iter().map(OsString::from))
    }

    fn solve(stub: &str, options: &[&str]) -> Option<Invocation> {
        let options = options.iter().map(OsString::from).collect();
        Some(Invocation::Solve { stub: stub.into(), options })
    }

    #[test]
    fn the_flag_in_second_place_means_the_driver() {
        assert_eq!(of(&["solvemesh", "a.nl", "-AMPL"]), solve("a", &[]));
        assert_eq!(
            of(&["/bin/solvemesh", "/tmp/at1.5", "-AMPL", "timelimit=3"]),
            solve("/tmp/at1.5", &["timelimit=3"])
        );
        assert_eq!(of(&["solvemesh", "solve", "a.nl", "-AMPL"]), None);
        assert_eq!(of(&["solvemesh", "-AMPL"]), None);
        assert_eq!(of(&["solvemesh"]), None);
    }

    #[test]
    fn a_program_named_after_ampl_is_a_driver() {
        assert_eq!(of(&["bin/solvemesh-ampl", "a.nl", "seed=1"]), solve("a", &["seed=1"]));
        assert_eq!(of(&["solvemeshampl.exe", "a", "-AMPL", "seed=1"]), solve("a", &["seed=1"]));
        assert_eq!(of(&["solvemesh-ampl"]), None);
    }

    #[test]
    fn version_and_keywords_are_words_of_their_own() {
        assert_eq!(of(&["solvemesh", "-v"]), Some(Invocation::Version));
        assert_eq!(of(&["solvemesh", "-="]), Some(Invocation::Keywords));
        assert_eq!(of(&["solvemesh", "solve", "-v"]), None);
    }
}
