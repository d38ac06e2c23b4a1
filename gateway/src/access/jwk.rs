//! The keys that verify JSON Web Tokens: a JSON Web Key Set (RFC 7517), and signatures. Pure.
//!
//! A key has one algorithm, which its own members determine. What a token says about its algorithm
//! is only compared with that, so a token can't choose how it is verified.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde_json::{Map, Value};

/// The sizes of RSA moduli that ring supports, in bytes.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys of a set that can verify tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Jwks {
    /// At least one. If there are several, each has an id of its own.
    keys: Vec<Jwk>,
    /// The number of keys for other purposes or algorithms.
    ignored: usize,
}

/// A key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Jwk {
    id: Option<String>,
    /// The value of `alg` that its tokens have.
    pub(super) algorithm: &'static str,
    public: PublicKey,
}

#[derive(Debug, PartialEq, Eq)]
enum PublicKey {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point of a curve, as ring reads it.
    Point(Vec<u8>),
}

/// What verifies the signatures of an algorithm.
enum Verifier {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

/// The algorithm of a key by the members `kty`, `crv` and `alg` (RFC 7518, 3.1 and 6; RFC 8037,
/// 3.1); `None` if it is not supported. An RSA key that names none is for RS256, the only one that
/// RFC 7518 recommends.
fn algorithm(kty: &str, crv: Option<&str>, alg: Option<&str>) -> Option<&'static str> {
    match (kty, crv, alg) {
        ("RSA", _, None | Some("RS256")) => Some("RS256"),
        ("RSA", _, Some("PS256")) => Some("PS256"),
        ("EC", Some("P-256"), None | Some("ES256")) => Some("ES256"),
        ("EC", Some("P-384"), None | Some("ES384")) => Some("ES384"),
        ("OKP", Some("Ed25519"), None | Some("EdDSA")) => Some("EdDSA"),
        _ => None,
    }
}

fn verifier(algorithm: &str) -> Option<Verifier> {
    Some(match algorithm {
        "RS256" => Verifier::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        "PS256" => Verifier::Rsa(&RSA_PSS_2048_8192_SHA256),
        "ES256" => Verifier::Point(&ECDSA_P256_SHA256_FIXED),
        "ES384" => Verifier::Point(&ECDSA_P384_SHA384_FIXED),
        "EdDSA" => Verifier::Point(&ED25519),
        _ => return None,
    })
}

impl Jwks {
    /// Parses a set. Keys that are not for signatures, or for other algorithms, are ignored, as
    /// RFC 7517 asks for: the set of a provider may contain some.
    ///
    /// # Errors
    ///
    /// If it is not a set, if a key is damaged, if several keys do not have different ids, or if no key is left.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let set: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let members = set.get("keys").and_then(Value::as_array);
        let members = members.ok_or("it must be a JSON object with the array keys (RFC 7517)")?;
        let mut keys: Vec<Jwk> = Vec::new();
        for (index, key) in members.iter().enumerate() {
            let place = |wrong: String| format!("keys[{index}]: {wrong}");
            let key = key.as_object().ok_or_else(|| place("must be an object".to_owned()))?;
            keys.extend(parse_key(key).map_err(place)?);
        }
        if keys.is_empty() {
            return Err("it has no key for RS256, PS256, ES256, ES384 or EdDSA".to_owned());
        }
        for (index, key) in keys.iter().enumerate().filter(|_| keys.len() > 1) {
            let Some(id) = &key.id else {
                return Err("each key must have a kid if there are several".to_owned());
            };
            if keys[..index].iter().any(|other| other.id.as_ref() == Some(id)) {
                return Err(format!("two keys have the kid {id:?}"));
            }
        }
        let ignored = members.len() - keys.len();
        Ok(Self { keys, ignored })
    }

    /// Number of keys that can verify tokens.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Number of other keys.
    pub(crate) fn ignored(&self) -> usize {
        self.ignored
    }

    /// The key of a token by the `kid` of its header. A token without one can only be of the only
    /// key.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&Jwk> {
        match (id, self.keys.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.id.as_deref() == id),
        }
    }
}

impl Jwk {
    /// Whether a signature is that of a message by this key.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match (verifier(self.algorithm), &self.public) {
            (Some(Verifier::Rsa(parameters)), PublicKey::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
            (Some(Verifier::Point(algorithm)), PublicKey::Point(point)) => {
                UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// A key of a set; `None` if it is not one that can verify tokens.
fn parse_key(key: &Map<String, Value>) -> Result<Option<Jwk>, String> {
    let text = |name: &str| match key.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} must be a string")),
    };
    let operations = key.get("key_ops").and_then(Value::as_array);
    let verifies = text("use")?.is_none_or(|purpose| purpose == "sig")
        && operations.is_none_or(|all| all.iter().any(|one| one == "verify"));
    let kty = text("kty")?.ok_or("kty is missing")?;
    let Some(algorithm) = algorithm(kty, text("crv")?, text("alg")?).filter(|_| verifies) else {
        return Ok(None);
    };
    let bytes = |name: &str| {
        let text = text(name)?.ok_or_else(|| format!("{name} is missing"))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("{name} must be base64url"))
    };
    let coordinate = |name: &str, length: usize| {
        let found = bytes(name)?;
        (found.len() == length).then_some(found).ok_or(format!("{name} must have {length} bytes"))
    };
    let point = |length: usize| {
        // Uncompressed (SEC 1, 2.3.3).
        Ok::<_, String>([vec![4], coordinate("x", length)?, coordinate("y", length)?].concat())
    };
    let public = match algorithm {
        "ES256" => PublicKey::Point(point(32)?),
        "ES384" => PublicKey::Point(point(48)?),
        "EdDSA" => PublicKey::Point(coordinate("x", 32)?),
        _ => rsa(bytes("n")?, bytes("e")?)?,
    };
    Ok(Some(Jwk { id: text("kid")?.map(ToOwned::to_owned), algorithm, public }))
}

/// A key of RSA, if ring can use it. Otherwise it would refuse each token, without a reason.
fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<PublicKey, String> {
    if !RSA_BYTES.contains(&n.len()) || n.first() == Some(&0) {
        return Err("n must have 2048 to 8192 bits, without leading zeros".to_owned());
    }
    if !(1..=4).contains(&e.len()) || e.first() == Some(&0) {
        return Err("e must have 1 to 4 bytes, without leading zeros".to_owned());
    }
    Ok(PublicKey::Rsa { n, e })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh_testkit::tokens::Signer;

    use super::*;

    /// The examples of RFC 7515, A.2 and A.3, and of RFC 8037, A.4: a key, what is signed, and the
    /// signature.
    const EXAMPLES: [(&str, &str, &str); 3] = [
        (
            r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];

    fn set(keys: &[&str]) -> Result<Jwks, String> {
        Jwks::parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
    }

    #[test]
    fn the_signatures_of_the_standards_are_verified() {
        for (key, message, signature) in EXAMPLES {
            let keys = set(&[key]).unwrap();
            let key = keys.find(None).unwrap();
            let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            assert!(key.verifies(message.as_bytes(), &signature), "{key:?}");
            assert!(!key.verifies(b"another message", &signature), "{key:?}");
            signature[7] ^= 1;
            assert!(!key.verifies(message.as_bytes(), &signature), "{key:?}");
        }
    }

    #[test]
    fn each_key_has_one_algorithm() {
        for signer in Signer::all("k") {
            let keys = set(&[&signer.jwk()]).unwrap();
            let key = keys.find(Some("k")).unwrap();
            assert_eq!(key.algorithm, signer.algorithm());
            assert!(key.verifies(b"message", &signer.sign(b"message")), "{}", key.algorithm);
            for other in Signer::all("k") {
                let verified = key.verifies(b"message", &other.sign(b"message"));
                // The key of RSA is always the same one, so its two algorithms must be kept apart.
                assert!(
                    !verified
                        || other.algorithm() == "RS256" && key.algorithm == "RS256"
                        || other.algorithm() == "PS256" && key.algorithm == "PS256"
                );
            }
        }
    }

    #[test]
    fn a_key_is_found_by_its_id_and_an_only_one_without() {
        let with_id = |id: &str| EXAMPLES[1].0.replace("{", &format!(r#"{{"kid":"{id}","#));
        let one = set(&[&with_id("a")]).unwrap();
        assert!(one.find(None).is_some() && one.find(Some("a")).is_some());
        assert!(one.find(Some("b")).is_none());
        let two = set(&[&with_id("a"), &with_id("b")]).unwrap();
        assert!(two.find(None).is_none() && two.find(Some("b")).is_some());
        // An id that no key has is not that of the only key.
        assert!(set(&[EXAMPLES[1].0]).unwrap().find(Some("a")).is_none());
    }

    #[test]
    fn keys_for_other_purposes_are_ignored() {
        let key = EXAMPLES[2].0;
        let encryption = key.replace("{", r#"{"use":"enc","kid":"e","#);
        let signing_only = key.replace("{", r#"{"key_ops":["sign"],"kid":"s","#);
        let secret = r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256","kid":"h"}"#;
        let curve = r#"{"kty":"EC","crv":"P-521","x":"","y":""}"#;
        let other_algorithm = EXAMPLES[0].0.replace("{", r#"{"alg":"RSA-OAEP","#);
        let others = [&encryption, &signing_only, secret, curve, &other_algorithm];
        let keys = set(&[&others[..], &[key]].concat()).unwrap();
        assert_eq!((keys.len(), keys.ignored()), (1, 5));
        assert!(keys.find(None).is_some() && keys.find(Some("h")).is_none());
        assert!(set(&others).unwrap_err().contains("no key for"));
    }

    #[test]
    fn errors_name_the_key() {
        let key = EXAMPLES[1].0;
        for (keys, wrong) in [
            (vec![key, key], "each key must have a kid"),
            (vec![r#""key""#], "keys[0]: must be an object"),
            (vec!["{}"], "keys[0]: kty is missing"),
            (vec![r#"{"kty":1}"#], "keys[0]: kty must be a string"),
            (vec![r#"{"kty":"OKP","crv":"Ed25519"}"#], "keys[0]: x is missing"),
            (vec![r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#], "keys[0]: x must have 32 bytes"),
            (vec![r#"{"kty":"OKP","crv":"Ed25519","x":"A="}"#], "keys[0]: x must be base64url"),
            (vec![r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#], "keys[0]: n must have 2048"),
        ] {
            let error = set(&keys).unwrap_err();
            assert!(error.starts_with(wrong), "{error}");
        }
        let named = key.replace("{", r#"{"kid":"a","#);
        assert_eq!(set(&[&named, &named]).unwrap_err(), r#"two keys have the kid "a""#);
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
            assert!(Jwks::parse(text).is_err(), "{text}");
        }
    }
}
