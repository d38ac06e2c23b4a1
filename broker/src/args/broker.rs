//! The flags for the address of the broker and for TLS.

use std::{ffi::OsStr, path::PathBuf};

use clap::{
    Arg, Args, Command,
    builder::{TypedValueParser, ValueParserFactory},
    error::ErrorKind,
};

use crate::{BrokerUrl, Identity, TlsFiles};

/// The value of `--amqp`: one URL, or several with commas between them. Neither `Debug` nor
/// an error of clap shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrls(Vec<BrokerUrl>);

impl BrokerUrls {
    /// The URLs, in the given order.
    pub fn to_vec(&self) -> Vec<BrokerUrl> {
        self.0.clone()
    }
}

impl ValueParserFactory for BrokerUrls {
    type Parser = UrlsParser;

    fn value_parser() -> UrlsParser {
        UrlsParser
    }
}

/// Parses the value of `--amqp`. With clap's own parsers, the error would quote the value.
#[derive(Clone, Debug)]
pub struct UrlsParser;

impl TypedValueParser for UrlsParser {
    type Value = BrokerUrls;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<BrokerUrls, clap::Error> {
        parse_urls(value).map_err(|error| {
            let flag = arg.map_or_else(|| "--amqp".to_owned(), ToString::to_string);
            let message = format!("invalid value for '{flag}': {error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

fn parse_urls(value: &OsStr) -> Result<BrokerUrls, String> {
    let urls = BrokerUrl::list(value.to_str().ok_or("it is not UTF-8")?);
    for (index, url) in urls.iter().enumerate() {
        url.parse().map_err(|error| match urls.len() {
            1 => error.to_string(),
            count => format!("URL {} of {count}: {error}", index + 1),
        })?;
    }
    Ok(BrokerUrls(urls))
}

/// The certificate and key files for `amqps://` URLs. They are validated at the start, and read
/// again for every connection.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsArgs {
    /// Trust the CA certificates in this PEM file instead of the system's (amqps:// only)
    #[arg(long, env = "SOLVEMESH_AMQP_CA", value_name = "FILE", requires = "amqp")]
    pub amqp_ca: Option<PathBuf>,

    /// Present the client certificate in this PEM file (amqps:// only). If the URL has no user
    /// name, it is also the login (SASL EXTERNAL)
    #[arg(
        long,
        env = "SOLVEMESH_AMQP_CERT",
        value_name = "FILE",
        requires = "amqp_key",
        requires = "amqp"
    )]
    pub amqp_cert: Option<PathBuf>,

    /// Use the private key in this PEM file for --amqp-cert; it must have no passphrase
    #[arg(
        long,
        env = "SOLVEMESH_AMQP_KEY",
        value_name = "FILE",
        requires = "amqp_cert",
        requires = "amqp"
    )]
    pub amqp_key: Option<PathBuf>,
}

impl TlsArgs {
    /// The files.
    pub fn files(&self) -> TlsFiles {
        let pair = self.amqp_cert.clone().zip(self.amqp_key.clone());
        TlsFiles {
            ca: self.amqp_ca.clone(),
            identity: pair.map(|(cert, key)| Identity { cert, key }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[arg(long)]
        amqp: Option<BrokerUrls>,
        #[command(flatten)]
        tls: TlsArgs,
    }

    fn parse(line: &[&str]) -> Result<Program, clap::Error> {
        Program::try_parse_from([&["p"], line].concat())
    }

    #[test]
    fn urls_and_files_are_parsed() {
        Program::command().debug_assert();
        let line = ["--amqp", "amqps://a,amqps://b", "--amqp-cert", "c", "--amqp-key", "k"];
        let program = parse(&line).unwrap();
        assert_eq!(program.amqp.unwrap().to_vec(), ["amqps://a".into(), "amqps://b".into()]);
        let identity = Identity { cert: "c".into(), key: "k".into() };
        assert_eq!(program.tls.files(), TlsFiles { ca: None, identity: Some(identity) });
    }

    #[test]
    fn the_error_of_an_invalid_url_has_its_number_and_no_password() {
        let line = ["--amqp", "amqp://u:first@h,amqp://u:secret@[bad"];
        let error = parse(&line).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let message = error.to_string();
        assert!(message.contains("--amqp") && message.contains("URL 2 of 2"), "{message}");
        assert!(!message.contains("secret") && !message.contains("first"), "{message}");
    }

    #[test]
    fn a_certificate_needs_its_key_and_both_need_a_broker() {
        let amqp = ["--amqp", "amqps://h"];
        for (line, missing) in
            [(&["--amqp-cert", "c"], "--amqp-key"), (&["--amqp-key", "k"], "--amqp-cert")]
        {
            let message = parse(&[&amqp[..], line].concat()).unwrap_err().to_string();
            assert!(message.contains(missing), "{message}");
        }
        let message = parse(&["--amqp-ca", "c"]).unwrap_err().to_string();
        assert!(message.contains("--amqp <"), "{message}");
    }
}
