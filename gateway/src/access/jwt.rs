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
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;
    use solvemesh_testkit::tokens::{Signer, hs256};

    use super::*;

    /// Seconds since 1970.
    const NOW: u64 = 1_800_000_000;

    static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::ed25519("k"));

    fn keys(signers: &[&Signer]) -> Jwks {
        Jwks::parse(&Signer::set(signers)).unwrap()
    }

    fn rules() -> TokenRules {
        TokenRules {
            issuer: "https://issuer.example".into(),
            audience: "solvemesh".into(),
            tenant_claim: "tenant".into(),
            role_claim: "role".into(),
        }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://issuer.example",
            "aud": "solvemesh",
            "exp": NOW + 300,
            "sub": "auth0|ada",
            "tenant": "acme",
            "role": "submit",
        })
    }

    /// The valid claims with another value of one, or without it.
    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
        };
        claims
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn check(token: &str) -> Result<TokenCaller, TokenError> {
        rules().check(token, &keys(&[&SIGNER]), at(NOW))
    }

    fn refused(token: &str) -> TokenError {
        check(token).unwrap_err()
    }

    #[test]
    fn a_token_of_each_algorithm_names_its_caller() {
        for signer in Signer::all("k") {
            let found = rules().check(&signer.token(&claims()), &keys(&[&signer]), at(NOW));
            let expected = TokenCaller {
                subject: "auth0|ada".into(),
                tenant: "acme".into(),
                role: Role::Submit,
                expires: at(NOW + 300) + LEEWAY,
            };
            assert_eq!(found, Ok(expected), "{}", signer.algorithm());
        }
    }

    #[test]
    fn claims_are_checked() {
        use TokenError::*;
        for (name, value, expected) in [
            ("iss", json!("https://other.example"), Some(Issuer)),
            ("iss", json!("https://issuer.example/"), Some(Issuer)),
            ("iss", json!(["https://issuer.example"]), Some(Issuer)),
            ("iss", Value::Null, Some(Issuer)),
            ("aud", json!("other"), Some(Audience)),
            ("aud", json!(["other", "solvemesh"]), None),
            ("aud", json!(["other"]), Some(Audience)),
            ("aud", json!([["solvemesh"]]), Some(Audience)),
            ("aud", json!([]), Some(Audience)),
            ("aud", Value::Null, Some(Audience)),
            ("exp", json!(NOW - 59), None),
            ("exp", json!(NOW as f64 - 59.5), None),
            ("exp", json!(NOW - 60), Some(Expired)),
            ("exp", json!("1800000300"), Some(Time)),
            ("exp", json!(-1), Some(Time)),
            ("exp", json!(1e300), Some(Time)),
            ("exp", json!(u64::MAX), Some(Time)),
            ("exp", Value::Null, Some(Time)),
            ("nbf", json!(NOW + 60), None),
            ("nbf", json!(NOW + 61), Some(TooEarly)),
            ("nbf", json!("soon"), Some(Time)),
            ("sub", json!(""), Some(Subject)),
            ("sub", json!("a b"), Some(Subject)),
            ("sub", json!("\u{1b}[2J"), Some(Subject)),
            ("sub", json!("a".repeat(201)), Some(Subject)),
            ("sub", json!(7), Some(Subject)),
            ("sub", Value::Null, Some(Subject)),
            ("tenant", json!("a/b"), Some(Tenant)),
            ("tenant", json!(["acme"]), Some(Tenant)),
            ("tenant", Value::Null, Some(Tenant)),
            ("role", json!("root"), Some(Role)),
            ("role", json!("Admin"), Some(Role)),
            ("role", Value::Null, Some(Role)),
        ] {
            let outcome = check(&SIGNER.token(&with(name, value.clone())));
            assert_eq!(outcome.err(), expected, "{name} {value}");
        }
    }

    #[test]
    fn tenant_and_role_may_be_in_other_claims() {
        let rules = TokenRules {
            tenant_claim: "https://acme.example/team".into(),
            role_claim: "mesh_role".into(),
            ..rules()
        };
        let mut claims = claims();
        claims["https://acme.example/team"] = json!("blue");
        claims["mesh_role"] = json!("operate");
        let found = rules.check(&SIGNER.token(&claims), &keys(&[&SIGNER]), at(NOW)).unwrap();
        assert_eq!((found.tenant.as_str(), found.role), ("blue", super::Role::Operate));
        let outcome = rules.check(&SIGNER.token(&self::claims()), &keys(&[&SIGNER]), at(NOW));
        assert_eq!(outcome, Err(TokenError::Tenant));
    }

    #[test]
    fn the_header_does_not_choose_how_a_token_is_verified() {
        let signed = |header: Value| SIGNER.token_with(&header, &claims());
        assert!(check(&signed(json!({"alg": "EdDSA", "typ": "JWT", "kid": "k"}))).is_ok());
        for (header, expected) in [
            (json!({"alg": "none", "kid": "k"}), TokenError::Algorithm),
            (json!({"alg": "HS256", "kid": "k"}), TokenError::Algorithm),
            (json!({"alg": "ES256", "kid": "k"}), TokenError::Algorithm),
            (json!({"alg": "eddsa", "kid": "k"}), TokenError::Algorithm),
            (json!({"alg": ["EdDSA"], "kid": "k"}), TokenError::Algorithm),
            (json!({"kid": "k"}), TokenError::Algorithm),
            (json!({"alg": "EdDSA", "kid": "l"}), TokenError::UnknownKey),
            (json!({"alg": "EdDSA", "kid": 1}), TokenError::Malformed),
            (json!({"alg": "EdDSA", "kid": null}), TokenError::Malformed),
            (json!({"alg": "EdDSA", "kid": "k", "crit": []}), TokenError::Critical),
            (
                json!({"alg": "EdDSA", "kid": "k", "crit": ["b64"], "b64": false}),
                TokenError::Critical,
            ),
            (json!(["EdDSA"]), TokenError::Malformed),
        ] {
            assert_eq!(refused(&signed(header.clone())), expected, "{header}");
        }
        // The public key, which everybody has, as a secret.
        let forged = hs256("k", SIGNER.jwk().as_bytes(), &claims());
        assert_eq!(refused(&forged), TokenError::Algorithm);
    }

    #[test]
    fn a_token_needs_its_own_key() {
        let others = [Signer::ed25519("k"), Signer::p256("other")];
        assert_eq!(refused(&others[0].token(&claims())), TokenError::Signature);
        let two = keys(&[&SIGNER, &others[1]]);
        let outcome = |token: &str| rules().check(token, &two, at(NOW)).err();
        assert_eq!(outcome(&SIGNER.token(&claims())), None);
        assert_eq!(outcome(&others[1].token(&claims())), None);
        let anonymous = SIGNER.token_with(&json!({"alg": "EdDSA"}), &claims());
        assert_eq!(outcome(&anonymous), Some(TokenError::UnknownKey));
        assert_eq!(check(&anonymous).err(), None, "the only key");
        // Signed by one key of the set in the name of another.
        let header = json!({"alg": "EdDSA", "kid": "other"});
        assert_eq!(outcome(&SIGNER.token_with(&header, &claims())), Some(TokenError::Algorithm));
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let token = SIGNER.token(&claims());
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let other = SIGNER.token(&with("role", json!("admin")));
        let other_payload = other.split('.').nth(1).unwrap();
        assert_eq!(
            refused(&format!("{header}.{other_payload}.{signature}")),
            TokenError::Signature
        );
        assert_eq!(refused(&format!("{header}.{payload}.")), TokenError::Signature);
        for text in [
            "",
            ".",
            "..",
            "...",
            &format!("{header}.{payload}"),
            &format!("{token}="),
            &format!("{token}."),
            &format!(" {token}"),
            &format!("{header}=.{payload}.{signature}"),
            &format!("{payload}{header}.{payload}.{signature}"),
            &format!("+/+.{payload}.{signature}"),
        ] {
            assert_eq!(refused(text), TokenError::Malformed, "{text:?}");
        }
        let huge = with("sub", json!("a".repeat(1 << 20)));
        assert_eq!(refused(&SIGNER.token(&huge)), TokenError::Subject);
        // JSON that is nested too deeply for the parser.
        let deep = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":{}", "[".repeat(100_000)));
        assert_eq!(refused(&format!("{deep}.{payload}.{signature}")), TokenError::Malformed);
    }

    proptest! {
        #[test]
        fn a_token_with_any_byte_changed_is_refused(at in any::<prop::sample::Index>(), byte in 0..128_u8) {
            let token = SIGNER.token(&claims());
            let mut bytes = token.clone().into_bytes();
            bytes[at.index(token.len())] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(check(&changed).is_ok(), changed == token);
        }

        #[test]
        fn any_text_is_no_token(text in "[ -~]{0,80}|[a-zA-Z0-9_-]{0,20}(\\.[a-zA-Z0-9_-]{0,20}){2}") {
            prop_assert!(check(&text).is_err());
        }
    }
}
