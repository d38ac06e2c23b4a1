use std::{fs, io, path::Path};

use clap::{Command, ValueEnum as _};
use clap_complete::Shell;

/// Writes what can be generated from the definition of a command line: a man page for the program
/// and each of its commands (`NAME.1`, `NAME-COMMAND.1`), and completions for each shell that
/// `clap_complete` supports. The folder is created if it does not exist; files in it are replaced.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write_manual(mut command: Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let name = command.get_name().to_owned();
    let pages = command.clone().disable_help_subcommand(true);
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut command, &name, folder)?;
    }
    // A fresh definition: completion has added the command `help` with a copy of each command, and
    // each copy would get a page.
    clap_mangen::generate_to(pages, folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::Arg;

    use super::*;

    #[test]
    fn man_pages_and_completions_have_every_flag() {
        let flag = Arg::new("limit").long("limit").help("Stop after this number of seconds");
        let command = Command::new("sample").subcommand(Command::new("solve").arg(flag));
        let folder = tempfile::tempdir().unwrap();
        write_manual(command, folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(!folder.path().join("sample-help.1").exists());
        assert!(read("sample-solve.1").contains("Stop after this number of seconds"));
        for completions in ["sample.bash", "_sample", "sample.fish", "sample.elv", "_sample.ps1"] {
            assert!(read(completions).contains("limit"), "{completions}");
        }
    }
}
