//! Callers with JSON Web Tokens, over a mesh in memory.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{callers::*, harness::*};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use solvemesh::v1::{GetCapabilitiesRequest, GetJobRequest, SubmitJobRequest};
use solvemesh_testkit::tokens::{Signer, hs256, unsigned};
use tokio::time::{sleep, timeout};
use tonic::Code;

#[tokio::test]
async fn each_role_of_a_token_may_call_its_methods_and_no_others() {
    let mesh = memory();
    let issuer = Issuer::new();
    let gateway = issuer.gateway(&mesh, None).await;
    check_roles(&gateway, &ROLES.map(|role| issuer.token(role, "acme", role))).await;
}

#[tokio::test]
async fn forged_tokens_are_refused_everywhere() {
    let mesh = memory();
    let issuer = Issuer::new();
    let gateway = issuer.gateway(&mesh, None).await;
    let claims = || Issuer::claims("ada", "acme", "admin");
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        issuer.signer.token(&claims)
    };
    let valid = issuer.token("ada", "acme", "admin");
    assert!(call(&gateway, &valid, "GetUsage", "").await.is_ok());
    let parts: Vec<&str> = valid.split('.').collect();
    let payload = URL_SAFE_NO_PAD.encode(Issuer::claims("eve", "acme", "admin").to_string());
    let header = |name: &str, value: Value| {
        let mut header = json!({"alg": "ES256", "kid": "first"});
        header[name] = value;
        issuer.signer.token_with(&header, &claims())
    };
    let invalid = "CREDENTIAL_INVALID";
    for (what, token, expected) in [
        ("no algorithm", unsigned("first", &claims()), invalid),
        ("another key", Signer::p256("first").token(&claims()), invalid),
        ("an unknown key", Signer::p256("other").token(&claims()), invalid),
        ("another algorithm", Signer::p384("first").token(&claims()), invalid),
        (
            "the public key as secret",
            hs256("first", issuer.signer.jwk().as_bytes(), &claims()),
            invalid,
        ),
        ("another algorithm in its header", header("alg", json!("RS256")), invalid),
        ("a critical extension", header("crit", json!(["exp"])), invalid),
        ("another audience", with("aud", json!("other")), invalid),
        ("another issuer", with("iss", json!("https://other.example")), invalid),
        ("expired", with("exp", json!(seconds_from_now(-61))), "CREDENTIAL_EXPIRED"),
        ("not yet valid", with("nbf", json!(seconds_from_now(120))), invalid),
        ("no time", with("exp", Value::Null), invalid),
        ("no subject", with("sub", Value::Null), invalid),
        ("no tenant", with("tenant", Value::Null), invalid),
        ("an unknown role", with("role", json!("root")), invalid),
        ("changed", format!("{}.{payload}.{}", parts[0], parts[2]), invalid),
        ("truncated", valid[..valid.len() - 4].to_owned(), invalid),
        ("without signature", format!("{}.{}.", parts[0], parts[1]), invalid),
        ("two parts", format!("{}.{}", parts[0], parts[1]), invalid),
        ("padded", format!("{valid}="), invalid),
        ("not base64url", format!("{}.{}.+{}", parts[0], parts[1], &parts[2][1..]), invalid),
        ("large and changed", changed(&with("x", json!("x".repeat(6 << 10)))), invalid),
    ] {
        for method in methods() {
            let outcome = call(&gateway, &token, &method, "x").await;
            let status = outcome.expect_err(&format!("{method} accepts a token: {what}: {token}"));
            assert_eq!(status.code(), Code::Unauthenticated, "{what} {method}");
            assert_eq!(reason(&status), expected, "{what} {method}");
        }
    }

    let mut twice = with_key(GetCapabilitiesRequest {}, &valid);
    twice.metadata_mut().append("authorization", format!("Bearer {valid}").parse().unwrap());
    let status = gateway.client.clone().get_capabilities(twice).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, invalid));

    // Larger than the headers of a request may be.
    let huge = issuer.token(&"x".repeat(100 << 10), "acme", "admin");
    assert!(call(&gateway, &huge, "GetUsage", "").await.is_err());
    assert!(call(&gateway, &valid, "GetUsage", "").await.is_ok());
}

/// A token with another character in its middle.
fn changed(token: &str) -> String {
    let middle = token.len() / 2;
    let other = if token[middle..].starts_with('A') { "B" } else { "A" };
    format!("{}{other}{}", &token[..middle], &token[middle + 1..])
}

#[tokio::test]
async fn the_subject_of_a_token_is_not_the_key_of_the_same_name() {
    let mesh = memory();
    let (issuer, mut keys) = (Issuer::new(), Keys::new());
    let key = keys.add("robot", "acme", "submit");
    keys.text.push_str("tenant name=acme max_live_jobs=3\n");
    let gateway = issuer.gateway(&mesh, Some(&keys)).await;
    let token = issuer.token("robot", "acme", "submit");
    let [of_key, of_token] = [submit(&gateway, &key, "").await, submit(&gateway, &token, "").await];

    let request = with_key(GetJobRequest { job_id: of_token.clone(), view: 0 }, &key);
    let job = gateway.client.clone().get_job(request).await.unwrap().into_inner().job.unwrap();
    let description = job.description.unwrap();
    assert_eq!(
        (description.submitter.as_str(), description.tenant.as_str()),
        ("jwt:robot", "acme")
    );
    for (credential, job) in [(&key, &of_token), (&token, &of_key)] {
        let status = call(&gateway, credential, "CancelJob", job).await.unwrap_err();
        assert_eq!(reason(&status), "NOT_SUBMITTER");
    }
    let other = issuer.token("robot", "other", "operate");
    let status = call(&gateway, &other, "CancelJob", &of_token).await.unwrap_err();
    assert_eq!(reason(&status), "JOB_NOT_FOUND");

    // The quota of the tenant holds for tokens and keys together.
    submit(&gateway, &token, "").await;
    for credential in [&key, &token] {
        let request = with_key(wyndor(), credential);
        let status = gateway.client.clone().submit_job(request).await.unwrap_err();
        assert_eq!(reason(&status), "QUOTA_EXCEEDED");
    }
    let request = with_key(SubmitJobRequest { ..wyndor() }, &other);
    assert!(gateway.client.clone().submit_job(request).await.is_ok());
    assert!(call(&gateway, &token, "CancelJob", &of_token).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_under_load_without_a_failed_call() {
    let mesh = memory();
    let issuer = Issuer::new();
    let gateway = issuer.gateway(&mesh, None).await;
    let second = Signer::ed25519("second");
    let old = issuer.token("ada", "acme", "read");
    let new = second.token(&Issuer::claims("ada", "acme", "read"));
    let calls = AtomicU64::new(0);
    // Calls with the old key until it is removed, and then with the new one.
    let load = async {
        let credentials = [&old, &new];
        let mut current = 0;
        while current < credentials.len() {
            match call(&gateway, credentials[current], "GetCapabilities", "").await {
                Ok(()) if current == 1 => break,
                Ok(()) => {
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Err(status) => {
                    assert_eq!(reason(&status), "CREDENTIAL_INVALID", "{status}");
                    current += 1;
                }
            }
        }
        current
    };
    let rotate = async {
        issuer.publish(&[&issuer.signer, &second]);
        until(&gateway, &new, |outcome| outcome.is_ok()).await;
        assert!(call(&gateway, &old, "GetCapabilities", "").await.is_ok());
        issuer.publish(&[&second]);
    };
    let both = async { tokio::join!(load, load_beside(&gateway, &new), rotate) };
    let (current, _, ()) = timeout(Duration::from_secs(60), both).await.unwrap();
    assert_eq!(current, 1, "the new key is refused");
    println!("{} calls with the old key", calls.into_inner());
}

/// Waits until a new key is known, and makes calls with it, none of which may fail.
async fn load_beside(gateway: &Gateway, key: &str) {
    until(gateway, key, |outcome| outcome.is_ok()).await;
    for _ in 0..200 {
        call(gateway, key, "GetCapabilities", "").await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
}
