//! JSON Web Tokens (RFC 7519): verification, and the caller that one names. Pure.
//!
//! Parsed here and not by a library: what is needed is three parts, two JSON objects and some
//! comparisons, and each is a refusal if anything is unusual. The libraries for it bring algorithms
//! and leniencies that would have to be turned off, and a second cryptographic library or an adapter
//! to ring. ring does the cryptography (`jwk`).

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Role, jwk::Jwks, key_lines::check_name};

/// How far the clocks of an issuer and of a gateway may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// Maximum length of a subject, in bytes.
const MAX_SUBJECT: usize = 200;

/// Which tokens are accepted, and where they name a tenant and a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// The value of the claim `iss`.
    pub issuer: String,
    /// A value of the claim `aud`.
    pub audience: String,
    /// The name of the claim with the tenant.
    pub tenant_claim: String,
    /// The name of the claim with the role.
    pub role_claim: String,
}

/// Whom a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenCaller {
    /// The claim `sub`.
    pub(super) subject: String,
    pub(super) tenant: String,
    pub(super) role: Role,
    /// When the token is no longer accepted.
    pub(super) expires: SystemTime,
}

/// Why a token is refused. Says nothing that its holder can't read in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("it is not three parts in base64url, the first two JSON objects")]
    Malformed,
    #[error("its header has the member crit")]
    Critical,
    #[error("no key of --jwks has its kid")]
    UnknownKey,
    #[error("its algorithm is not that of its key")]
    Algorithm,
    #[error("its signature is not by its key")]
    Signature,
    #[error("its claim iss is not --jwt-issuer")]
    Issuer,
    #[error("its claim aud does not have --jwt-audience")]
    Audience,
    #[error("its claim exp is missing, or exp or nbf is not a time")]
    Time,
    #[error("its time has passed (exp)")]
    Expired,
    #[error("its time has not come (nbf)")]
    TooEarly,
    #[error("its claim sub must have 1 to 200 printable ASCII characters without spaces")]
    Subject,
    #[error("the claim of --jwt-tenant-claim is missing or not the name of a tenant")]
    Tenant,
    #[error("the claim of --jwt-role-claim is missing or not read, submit, operate or admin")]
    Role,
}

/// Whether a bearer token has the form of a JSON Web Token.
pub(super) fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

impl TokenRules {
    /// The caller that a token names, if one of the keys signed it and it is valid `now`.
    pub(super) fn check(
        &self,
        token: &str,
        keys: &Jwks,
        now: SystemTime,
    ) -> Result<TokenCaller, TokenError> {
        let claims = verify(token, keys)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(TokenError::Issuer);
        }
        let for_us = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(|one| *one == *self.audience),
            Some(one) => *one == *self.audience,
            None => false,
        };
        if !for_us {
            return Err(TokenError::Audience);
        }
        let start = time(claims.get("nbf"))?.unwrap_or(SystemTime::UNIX_EPOCH);
        let end = time(claims.get("exp"))?.ok_or(TokenError::Time)?;
        let expires = end.checked_add(LEEWAY).ok_or(TokenError::Time)?;
        if expires <= now {
            return Err(TokenError::Expired);
        }
        if now.checked_add(LEEWAY).is_none_or(|now| now < start) {
            return Err(TokenError::TooEarly);
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let subject = text("sub").filter(|it| is_subject(it)).ok_or(TokenError::Subject)?;
        let tenant = text(&self.tenant_claim).filter(|it| check_name(it).is_ok());
        let role = text(&self.role_claim).and_then(|role| role.parse().ok());
        Ok(TokenCaller {
            subject: subject.to_owned(),
            tenant: tenant.ok_or(TokenError::Tenant)?.to_owned(),
            role: role.ok_or(TokenError::Role)?,
            expires,
        })
    }
}

/// The claims of a token that one of the keys signed. Nothing of them is read before that is known.
fn verify(token: &str, keys: &Jwks) -> Result<Map<String, Value>, TokenError> {
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let parts = message.split_once('.').filter(|(_, claims)| !claims.contains('.'));
    let (header, claims) = parts.ok_or(TokenError::Malformed)?;
    let header = object(header)?;
    // It lists what a recipient must understand, and nothing of it is understood here.
    if header.contains_key("crit") {
        return Err(TokenError::Critical);
    }
    let id = match header.get("kid") {
        None => None,
        Some(id) => Some(id.as_str().ok_or(TokenError::Malformed)?),
    };
    let key = keys.find(id).ok_or(TokenError::UnknownKey)?;
    if header.get("alg").and_then(Value::as_str) != Some(key.algorithm) {
        return Err(TokenError::Algorithm);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
    if !key.verifies(message.as_bytes(), &signature) {
        return Err(TokenError::Signature);
    }
    object(claims)
}

/// The JSON object in a part of a token. The decoder refuses padding and stray bits, so that a
/// token has one form only.
fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// A time in seconds since 1970, which may have a fraction (RFC 7519, section 2).
fn time(claim: Option<&Value>) -> Result<Option<SystemTime>, TokenError> {
    let Some(claim) = claim else { return Ok(None) };
    let seconds = claim.as_f64().ok_or(TokenError::Time)?;
    let since = Duration::try_from_secs_f64(seconds).map_err(|_| TokenError::Time)?;
    SystemTime::UNIX_EPOCH.checked_add(since).map(Some).ok_or(TokenError::Time)
}

/// Whether a subject can be shown in logs and tables as it is.
fn is_subject(text: &str) -> bool {
    (1..=MAX_SUBJECT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
