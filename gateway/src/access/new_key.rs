//! New keys.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use prost_types::Timestamp;

use super::{
    Role,
    key_lines::{check_name, hash, hash_text, parse_time},
};

/// What a key begins with, so that people and scanners for secrets recognise one.
const PREFIX: &str = "smk_";

/// A key to be made.
#[derive(Args, Clone, Debug)]
pub struct NewKey {
    /// Id of the key, which the log shows; unique in the file
    #[arg(long, value_parser = name)]
    id: String,

    /// Tenant that its jobs belong to
    #[arg(long, value_parser = name)]
    tenant: String,

    /// What its holder may do: read, submit, operate (cancel all jobs of the tenant) or admin
    /// (all tenants)
    #[arg(long, default_value_t = Role::Submit, value_parser = role)]
    role: Role,

    /// Time at which it ends, such as 2030-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires: Option<SystemTime>,
}

impl NewKey {
    /// Makes a key of 256 random bits. Returns the key, and the line for the file of keys.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub fn make(&self) -> Result<(String, String), getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let Self { id, tenant, role, expires } = self;
        let hash = hash_text(&hash(&key));
        let expires =
            expires.map(|time| format!(" expires={}", Timestamp::from(time))).unwrap_or_default();
        Ok((key, format!("key id={id} hash={hash} tenant={tenant} role={role}{expires}")))
    }
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned())
}

fn role(text: &str) -> Result<Role, String> {
    text.parse()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::access::keys::Keys;

    #[test]
    fn a_new_key_is_recognised_by_its_line() {
        let new = NewKey {
            id: "ci".into(),
            tenant: "acme".into(),
            role: Role::Operate,
            expires: Some(parse_time("2100-01-01T00:00:00Z").unwrap()),
        };
        let (key, line) = new.make().unwrap();
        assert!(!line.contains(&key));
        assert_eq!(key.len(), 47);
        let keys = Keys::parse(&line).unwrap();
        let found = keys.by_key(&key, SystemTime::now()).unwrap().unwrap();
        assert_eq!(found.caller.role, Role::Operate);
        assert_ne!(new.make().unwrap().0, key);
    }
}
