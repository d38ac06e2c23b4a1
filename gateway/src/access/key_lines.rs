//! The lines of the file of keys. Pure.
//!
//! The file is text. A line is empty, a comment (`#`), or one of
//!
//! ```text
//! key id=ID hash=sha256:HEX tenant=NAME role=ROLE [expires=TIME] [QUOTA=VALUE …]
//! certificate id=ID NAME=VALUE tenant=NAME role=ROLE [expires=TIME] [QUOTA=VALUE …]
//! tenant name=NAME [QUOTA=VALUE …]
//! ```
//!
//! with fields in any order. NAME=VALUE of a certificate is one of `uri`, `dns` and `cn`. TIME is as
//! in RFC 3339. A quota of a tenant holds for all of its callers together. There is no secret in
//! the file, only the SHA-256 of each key: as a key has 256 random bits, nobody finds it by trying,
//! and no slow hash is needed.

use std::{collections::BTreeMap, time::SystemTime};

use prost_types::Timestamp;
use sha2::{Digest, Sha256};

use super::{Role, quotas::Quotas};
use crate::listener::CertificateName;

/// Maximum length of the name of a tenant and of the id of a key, in bytes.
const MAX_NAME: usize = 63;

/// The SHA-256 of a key.
pub(super) type KeyHash = [u8; 32];

/// A line with content.
pub(super) enum Line {
    /// A caller.
    Caller(CallerLine),
    /// The quotas of a tenant.
    Tenant { name: String, quotas: Quotas },
}

/// A line of a caller.
pub(super) struct CallerLine {
    pub(super) id: String,
    pub(super) proof: Proof,
    pub(super) tenant: String,
    pub(super) role: Role,
    pub(super) expires: Option<SystemTime>,
    pub(super) quotas: Quotas,
}

/// What a caller is recognised by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Proof {
    /// A key with this hash.
    Key(KeyHash),
    /// A client certificate with this name.
    Certificate(CertificateName),
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

/// The fields of a line, by their names.
type Fields<'a> = BTreeMap<&'a str, &'a str>;

/// Parses a line; `None` for one without content.
pub(super) fn parse_line(line: &str) -> Result<Option<Line>, String> {
    let mut words = line.split_whitespace();
    let Some(kind) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
    let mut fields = Fields::new();
    for word in words {
        let (name, value) = word.split_once('=').ok_or("each field must be NAME=VALUE")?;
        if fields.insert(name, value).is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    let parsed = match kind {
        "key" => {
            let id = take_name("id", &mut fields)?;
            let proof = Proof::Key(parse_hash(take("hash", &mut fields)?)?);
            Line::Caller(caller(id, proof, fields)?)
        }
        "certificate" => {
            let id = take_name("id", &mut fields)?;
            let proof = Proof::Certificate(take_certificate_name(&mut fields)?);
            Line::Caller(caller(id, proof, fields)?)
        }
        "tenant" => {
            let name = take_name("name", &mut fields)?;
            Line::Tenant { name, quotas: quotas(fields)? }
        }
        _ => return Err("the first word must be key, certificate, tenant or #".to_owned()),
    };
    Ok(Some(parsed))
}

/// A caller, by the remaining fields of its line.
fn caller(id: String, proof: Proof, mut fields: Fields) -> Result<CallerLine, String> {
    let tenant = take_name("tenant", &mut fields)?;
    let role = take("role", &mut fields)?.parse().map_err(|wrong| format!("role: {wrong}"))?;
    let expires = fields.remove("expires").map(parse_time).transpose()?;
    Ok(CallerLine { id, proof, tenant, role, expires, quotas: quotas(fields)? })
}

/// The quotas of a line, whose other fields were taken.
fn quotas(fields: Fields) -> Result<Quotas, String> {
    let mut quotas = Quotas::default();
    for (name, value) in fields {
        let set = quotas.set(name, value).ok_or_else(|| format!("unknown field {name}"))?;
        set.map_err(|wrong| format!("{name}: {wrong}"))?;
    }
    Ok(quotas)
}

fn take<'a>(field: &str, fields: &mut Fields<'a>) -> Result<&'a str, String> {
    fields.remove(field).ok_or_else(|| format!("{field} is missing"))
}

fn take_name(field: &str, fields: &mut Fields) -> Result<String, String> {
    let name = take(field, fields)?;
    check_name(name).map_err(|wrong| format!("{field}: {wrong}"))?;
    Ok(name.to_owned())
}

fn take_certificate_name(fields: &mut Fields) -> Result<CertificateName, String> {
    let mut take = |field| fields.remove(field).filter(|name| !name.is_empty());
    let given = [
        take("uri").map(|name| CertificateName::Uri(name.to_owned())),
        take("dns").map(CertificateName::dns),
        take("cn").map(|name| CertificateName::CommonName(name.to_owned())),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(name), None) => Ok(name),
        _ => Err("there must be one of uri, dns and cn".to_owned()),
    }
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hashes_round_trip(hash: [u8; 32]) {
            prop_assert_eq!(parse_hash(&hash_text(&hash)), Ok(hash));
        }
    }
}
