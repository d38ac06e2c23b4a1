//! The file of keys: its format, and the recognition of callers by it. Pure.
//!
//! The file is text. A line is empty, a comment (`#`), or one of
//!
//! ```text
//! key id=ID hash=sha256:HEX tenant=NAME role=ROLE [expires=TIME] [QUOTA=VALUE …]
//! tenant name=NAME [QUOTA=VALUE …]
//! ```
//!
//! with fields in any order. TIME is as in RFC 3339. A quota of a tenant holds for all of its keys
//! together. There is no secret in the file, only the SHA-256 of each key: as a key has 256 random
//! bits, nobody finds it by trying, and no slow hash is needed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::SystemTime,
};

use prost_types::Timestamp;
use sha2::{Digest, Sha256};

use super::{Caller, Role, Unrecognised, quotas::Quotas};

/// Maximum length of the name of a tenant and of the id of a key, in bytes.
const MAX_NAME: usize = 63;

/// The SHA-256 of a key.
pub(super) type KeyHash = [u8; 32];

/// The keys of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys(HashMap<KeyHash, Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    caller: Arc<Caller>,
    expires: Option<SystemTime>,
}

/// An error in a file of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub(crate) struct InvalidKeys {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong, as text for people. It has no part of a key.
    pub(crate) wrong: String,
}

impl Keys {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// The first line that does not follow the format, or repeats another.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let mut tenants = BTreeMap::new();
        let mut keys: Vec<(KeyLine, usize)> = Vec::new();
        let mut ids = HashSet::new();
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            let at_line = |wrong| InvalidKeys { line, wrong };
            match parse_line(text).map_err(at_line)? {
                None => {}
                Some(Line::Tenant { name, quotas }) => {
                    let earlier = tenants.insert(name.clone(), quotas);
                    if earlier.is_some() {
                        return Err(at_line(format!("tenant {name} is there twice")));
                    }
                }
                Some(Line::Key(key)) => {
                    if !ids.insert(key.id.clone()) {
                        return Err(at_line(format!("key {} is there twice", key.id)));
                    }
                    keys.push((key, line));
                }
            }
        }
        let mut by_hash = HashMap::new();
        for (KeyLine { id, hash, tenant, role, expires, quotas }, line) in keys {
            let tenant_quotas = tenants.get(&tenant).cloned().unwrap_or_default();
            let caller = Caller { key: id, tenant, role, key_quotas: quotas, tenant_quotas };
            if by_hash.insert(hash, Key { caller: Arc::new(caller), expires }).is_some() {
                let wrong = "another key has the same hash".to_owned();
                return Err(InvalidKeys { line, wrong });
            }
        }
        Ok(Self(by_hash))
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The caller with a key.
    ///
    /// Found by its hash. How long that takes tells nothing about other keys, because nobody can
    /// choose a key by its hash.
    pub(super) fn caller(&self, token: &str, now: SystemTime) -> Result<Arc<Caller>, Unrecognised> {
        let key = self.0.get(&hash(token)).ok_or(Unrecognised::Invalid)?;
        match key.expires {
            Some(time) if time <= now => Err(Unrecognised::Expired),
            _ => Ok(key.caller.clone()),
        }
    }
}

/// The hash by which a key is recognised.
pub(super) fn hash(key: &str) -> KeyHash {
    Sha256::digest(key).into()
}

/// A hash as it is written in the file.
pub(super) fn hash_text(hash: &KeyHash) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Checks the name of a tenant or the id of a key.
///
/// # Errors
///
/// What is allowed.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!("must have 1 to {MAX_NAME} letters, digits, hyphens, underscores or dots"))
}

enum Line {
    Key(KeyLine),
    Tenant { name: String, quotas: Quotas },
}

struct KeyLine {
    id: String,
    hash: KeyHash,
    tenant: String,
    role: Role,
    expires: Option<SystemTime>,
    quotas: Quotas,
}

/// Parses a line; `None` for one without content.
fn parse_line(line: &str) -> Result<Option<Line>, String> {
    let mut words = line.split_whitespace();
    let Some(kind) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
    let mut fields = BTreeMap::new();
    for word in words {
        let (name, value) = word.split_once('=').ok_or("each field must be NAME=VALUE")?;
        if fields.insert(name, value).is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    let mut take = |name: &str| fields.remove(name);
    let parsed = match kind {
        "key" => {
            let mut required = |name: &str| take(name).ok_or(format!("{name} is missing"));
            let id = name_field("id", required("id")?)?;
            let hash = parse_hash(required("hash")?)?;
            let tenant = name_field("tenant", required("tenant")?)?;
            let role = required("role")?.parse().map_err(|wrong| format!("role: {wrong}"))?;
            let expires = take("expires").map(parse_time).transpose()?;
            Line::Key(KeyLine { id, hash, tenant, role, expires, quotas: quotas(fields)? })
        }
        "tenant" => {
            let name = name_field("name", take("name").ok_or("name is missing")?)?;
            Line::Tenant { name, quotas: quotas(fields)? }
        }
        _ => return Err("the first word must be key, tenant or #".to_owned()),
    };
    Ok(Some(parsed))
}

/// The quotas of a line, whose other fields were taken.
fn quotas(fields: BTreeMap<&str, &str>) -> Result<Quotas, String> {
    let mut quotas = Quotas::default();
    for (name, value) in fields {
        let set = quotas.set(name, value).ok_or_else(|| format!("unknown field {name}"))?;
        set.map_err(|wrong| format!("{name}: {wrong}"))?;
    }
    Ok(quotas)
}

fn name_field(field: &str, name: &str) -> Result<String, String> {
    check_name(name).map_err(|wrong| format!("{field}: {wrong}"))?;
    Ok(name.to_owned())
}

fn parse_hash(text: &str) -> Result<KeyHash, String> {
    let wrong = || "hash: must be sha256: and 64 hexadecimal digits".to_owned();
    let hex = text.strip_prefix("sha256:").ok_or_else(wrong)?;
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        let digits = hex.get(2 * index..2 * index + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(hash)
}

/// Parses a time of RFC 3339.
pub(super) fn parse_time(text: &str) -> Result<SystemTime, String> {
    let time: Option<Timestamp> = text.parse().ok();
    time.and_then(|time| time.try_into().ok())
        .ok_or_else(|| "expires: must be a time such as 2030-01-31T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn line(id: &str, secret: &str, more: &str) -> String {
        format!("key id={id} hash={} tenant=acme role=submit {more}\n", hash_text(&hash(secret)))
    }

    #[test]
    fn a_caller_is_found_by_its_key() {
        let text = format!(
            "# keys\n\n{}tenant name=acme max_live_jobs=7\n{}",
            line("ci", "secret", "max_time_limit=60 requests_per_second=5"),
            line("other", "another", ""),
        );
        let keys = Keys::parse(&text).unwrap();
        assert_eq!(keys.len(), 2);
        let caller = keys.caller("secret", SystemTime::now()).unwrap();
        assert_eq!((caller.key.as_str(), caller.tenant.as_str()), ("ci", "acme"));
        assert_eq!(caller.role, Role::Submit);
        assert_eq!(caller.key_quotas.max_time_limit, Some(Duration::from_secs(60)));
        assert_eq!(caller.key_quotas.requests_per_second, Some(5));
        assert_eq!(caller.tenant_quotas.max_live_jobs, Some(7));
        for wrong in ["", "Secret", "secret ", &hash_text(&hash("secret"))] {
            assert_eq!(keys.caller(wrong, SystemTime::now()), Err(Unrecognised::Invalid));
        }
    }

    #[test]
    fn a_key_expires() {
        let keys = Keys::parse(&line("ci", "secret", "expires=2030-01-01T00:00:00Z")).unwrap();
        let end = parse_time("2030-01-01T00:00:00Z").unwrap();
        assert!(keys.caller("secret", end - Duration::from_secs(1)).is_ok());
        assert_eq!(keys.caller("secret", end), Err(Unrecognised::Expired));
    }

    #[test]
    fn errors_name_the_line_and_the_field() {
        let good = line("ci", "secret", "");
        let hash = hash_text(&hash("s"));
        for (text, wrong) in [
            (format!("{good}{good}"), "line 2: key ci is there twice"),
            (format!("{good}{}", line("b", "secret", "")), "line 2: another key has the same hash"),
            ("tenant name=a\ntenant name=a".into(), "line 2: tenant a is there twice"),
            ("lock id=a".into(), "line 1: the first word must be key, tenant or #"),
            (
                "key id=a hash=sha256:12 tenant=a role=read".into(),
                "line 1: hash: must be sha256: and 64 hexadecimal digits",
            ),
            (format!("key id=a hash={hash} role=read"), "line 1: tenant is missing"),
            (
                format!("key id=a hash={hash} tenant=a role=root"),
                "line 1: role: \"root\" is not one of the roles read, submit, operate, admin",
            ),
            (format!("key id=a hash={hash} tenant=a role=read x=1"), "line 1: unknown field x"),
            (format!("key id=a id=b hash={hash}"), "line 1: id is there twice"),
            (
                "\ntenant name=a max_live_jobs=-1".into(),
                "line 2: max_live_jobs: must be a whole number",
            ),
            (
                "tenant name=a/b".into(),
                "line 1: name: must have 1 to 63 letters, digits, hyphens, underscores or dots",
            ),
            (
                format!("key id=a hash={hash} tenant=a role=read expires=tomorrow"),
                "line 1: expires: must be a time such as 2030-01-31T00:00:00Z",
            ),
        ] {
            assert_eq!(Keys::parse(&text).unwrap_err().to_string(), wrong, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_does_not_panic(text in "(key|tenant|#)?[ -~\n=é]{0,200}") {
            let _: Result<Keys, InvalidKeys> = Keys::parse(&text);
        }

        #[test]
        fn hashes_round_trip(hash: [u8; 32]) {
            prop_assert_eq!(parse_hash(&hash_text(&hash)), Ok(hash));
        }
    }
}
