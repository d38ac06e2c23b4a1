//! The flags for TLS and for the token.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, builder::BoolishValueParser};
use solvemesh_client::ConnectOptions;

use crate::exit::Failure;

/// Maximum size of a file with a token, in bytes.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// How to connect to the gateway, and as whom.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConnectionArgs {
    /// Trust the CA certificates in this PEM file instead of the system's (https:// only)
    #[arg(long, env = "SOLVEMESH_CA", value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,

    /// Present the client certificate in this PEM file (https:// only)
    #[arg(long, env = "SOLVEMESH_CERT", value_name = "FILE", global = true)]
    pub(crate) cert: Option<PathBuf>,

    /// Use the private key in this PEM file for --cert; it must have no passphrase
    #[arg(long, env = "SOLVEMESH_KEY", value_name = "FILE", global = true)]
    pub(crate) key: Option<PathBuf>,

    /// Send this token with each call. Other users of this machine can read a command line, so
    /// prefer the environment variable or --token-file
    #[arg(
        long,
        env = "SOLVEMESH_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        global = true
    )]
    token: Option<Token>,

    /// Send the token in this file with each call
    #[arg(long, env = "SOLVEMESH_TOKEN_FILE", value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,

    /// Send the token even without TLS over a network, where it can be read
    #[arg(long, env = "SOLVEMESH_INSECURE", value_parser = BoolishValueParser::new(), global = true)]
    pub(crate) insecure: bool,
}

/// A token. `Debug` does not show it.
#[derive(Clone)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl ConnectionArgs {
    /// What the flags say, with the token read from its file.
    ///
    /// # Errors
    ///
    /// If flags contradict each other, or the file with the token can't be read.
    pub(crate) fn options(&self) -> Result<ConnectOptions, Failure> {
        let mut options = ConnectOptions::default();
        if let Some(ca) = &self.ca {
            options = options.ca(ca);
        }
        options = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => options.identity(cert, key),
            (None, None) => options,
            _ => return Err(Failure::Usage("--cert and --key must be given together".into())),
        };
        options = match (&self.token, &self.token_file) {
            (Some(Token(token)), None) => options.token(token),
            (None, Some(file)) => {
                let token = read_token(file).map_err(|error| {
                    Failure::Usage(format!("--token-file {}: {error}", file.display()))
                })?;
                options.token(token)
            }
            (None, None) => options,
            _ => return Err(Failure::Usage("--token and --token-file exclude each other".into())),
        };
        Ok(if self.insecure { options.allow_plain_text_token() } else { options })
    }
}

/// The token in a file, without the white space around it.
fn read_token(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TOKEN_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TOKEN_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_TOKEN_BYTES} bytes")));
    }
    match text.trim() {
        "" => Err(io::Error::other("it is empty")),
        token => Ok(token.to_owned()),
    }
}
