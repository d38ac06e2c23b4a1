//! Parsing a command line that may contain passwords.

use std::{env, ffi::OsString, io::Write as _, process};

use clap::Parser;

use crate::BrokerUrl;

/// Parses the command line of this process; on an error it exits like [`Parser::parse`].
///
/// Unlike there, the message never contains a password, not even that of a misplaced broker
/// URL, such as one after a space in the list of `--amqp`.
pub fn parse<P: Parser>() -> P {
    P::try_parse().unwrap_or_else(|error| exit_without_passwords(&error))
}

/// Prints an error of the command line of this process without passwords, or the help or version
/// that it asks for, and exits like [`clap::Error::exit`].
pub fn exit_without_passwords(error: &clap::Error) -> ! {
    // --help and --version.
    if !error.use_stderr() {
        error.exit();
    }
    let message = without_passwords(&error.to_string(), env::args_os().skip(1));
    // Standard error may be closed.
    let _ = std::io::stderr().write_all(message.as_bytes());
    process::exit(error.exit_code())
}

/// Replaces, in a message, every argument that may contain a password.
fn without_passwords(message: &str, arguments: impl Iterator<Item = OsString>) -> String {
    let mut message = message.to_owned();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        let value = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => value,
            _ => &argument,
        };
        for secret in [value].into_iter().chain(value.split(',')) {
            if secret.contains("://") || secret.contains('@') {
                let shown: Vec<String> =
                    BrokerUrl::list(secret).iter().map(ToString::to_string).collect();
                message = message.replace(secret, &shown.join(","));
            }
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(message: &str, arguments: &[&str]) -> String {
        without_passwords(message, arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_misplaced_url_is_quoted_without_its_password() {
        let (good, bad) = ("amqp://u:secret@h", "u:secret@h");
        assert_eq!(quoted(&format!("found '{good}'"), &[good]), "found 'amqp://u:***@h:5672/%2f'");
        assert_eq!(quoted(&format!("found '{bad}'"), &[bad]), "found '(invalid broker URL)'");
        let (flag, list) = (format!("--lanes={good},b"), format!("invalid '{good}' in '{good},b'"));
        assert!(!quoted(&list, &[&flag]).contains("secret"));
    }

    #[test]
    fn other_arguments_are_quoted_unchanged() {
        assert_eq!(quoted("found '--slots=a,b'", &["--slots=a,b"]), "found '--slots=a,b'");
    }
}
