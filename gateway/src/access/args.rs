//! The flags about callers.

use std::path::PathBuf;

use clap::{Args, builder::NonEmptyStringValueParser};

use super::{Access, AccessFileError, TokenRules};

/// Who may call.
#[derive(Args, Clone, Debug)]
pub struct AccessArgs {
    /// Recognise callers by the keys and client certificates in this file, and refuse others;
    /// `solvemesh-gateway key new` makes keys. The file is read again when it changes. Without it
    /// and --jwks, everyone may do everything
    #[arg(long, env = "SOLVEMESH_KEYS", value_name = "FILE")]
    pub keys: Option<PathBuf>,

    /// Recognise callers by JSON Web Tokens, too, that keys in this file sign, a JSON Web Key Set.
    /// It is read again when it changes
    #[arg(
        long,
        env = "SOLVEMESH_JWKS",
        value_name = "FILE",
        requires_all = ["jwt_issuer", "jwt_audience"]
    )]
    pub jwks: Option<PathBuf>,

    /// Accept tokens of this issuer (the claim iss), with --jwks
    #[arg(
        long,
        env = "SOLVEMESH_JWT_ISSUER",
        value_name = "ISSUER",
        requires = "jwks",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub jwt_issuer: Option<String>,

    /// Accept tokens for this audience (the claim aud), with --jwks
    #[arg(
        long,
        env = "SOLVEMESH_JWT_AUDIENCE",
        value_name = "AUDIENCE",
        requires = "jwks",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub jwt_audience: Option<String>,

    /// Take the tenant from this claim of tokens
    #[arg(
        long,
        env = "SOLVEMESH_JWT_TENANT_CLAIM",
        value_name = "CLAIM",
        default_value = "tenant"
    )]
    pub jwt_tenant_claim: String,

    /// Take the role from this claim of tokens
    #[arg(long, env = "SOLVEMESH_JWT_ROLE_CLAIM", value_name = "CLAIM", default_value = "role")]
    pub jwt_role_claim: String,
}

impl AccessArgs {
    /// How callers are recognised.
    ///
    /// # Errors
    ///
    /// If a file can't be used. The message names its flag.
    pub fn open(&self) -> Result<Access, AccessFileError> {
        let rules = self.jwt_issuer.clone().zip(self.jwt_audience.clone());
        let rules = rules.map(|(issuer, audience)| TokenRules {
            issuer,
            audience,
            tenant_claim: self.jwt_tenant_claim.clone(),
            role_claim: self.jwt_role_claim.clone(),
        });
        Access::open(self.keys.clone(), self.jwks.clone().zip(rules))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::Parser as _;

    use crate::config::Args;

    #[test]
    fn token_keys_need_an_issuer_and_an_audience() {
        let parse = |line: &[&str]| Args::try_parse_from([&["g"], line].concat());
        let all = ["--jwks", "j", "--jwt-issuer", "i", "--jwt-audience", "a"];
        assert!(parse(&all).is_ok());
        for line in [&all[..2], &all[..4], &all[2..], &["--jwt-audience", "a"]] {
            assert!(parse(line).is_err(), "{line:?}");
        }
        // An empty one, of a variable that was left out, would accept the tokens of others.
        assert!(parse(&["--jwks", "j", "--jwt-issuer", "i", "--jwt-audience", ""]).is_err());
        assert!(parse(&[]).unwrap().access.open().unwrap().is_open());
        let error = parse(&["--keys", "/missing"]).unwrap().access.open().unwrap_err();
        assert!(error.to_string().starts_with("--keys /missing: "), "{error}");
        let error = parse(&all).unwrap().access.open().unwrap_err();
        assert!(error.to_string().starts_with("--jwks j: "), "{error}");
    }
}
