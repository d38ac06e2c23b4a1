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
        (json!({"alg": "EdDSA", "kid": "k", "crit": ["b64"], "b64": false}), TokenError::Critical),
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
    assert_eq!(refused(&format!("{header}.{other_payload}.{signature}")), TokenError::Signature);
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
