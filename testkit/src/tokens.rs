//! JSON Web Tokens for tests, signed by keys that the tests generate. JSON is text here, so that no
//! test of another crate gets the comparisons of `serde_json` with it.

use std::fmt::Display;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::{self, KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaEncoding,
    },
};

/// The key of RFC 7515, A.2, as ring generates none for RSA: n, d, p, q, dp, dq and qi.
const RSA: [&str; 7] = [
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
];

/// A key that signs tokens.
#[derive(Debug)]
pub struct Signer {
    id: String,
    algorithm: &'static str,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Rsa(Box<rsa::KeyPair>, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// One of each algorithm, all with this id. Those of RSA have the same key.
    pub fn all(id: &str) -> [Self; 5] {
        [Self::rsa(id), Self::rsa_pss(id), Self::p256(id), Self::p384(id), Self::ed25519(id)]
    }

    /// A key of RSA for RS256.
    pub fn rsa(id: &str) -> Self {
        Self::new(id, "RS256", Key::Rsa(Box::new(rsa_key()), &RSA_PKCS1_SHA256))
    }

    /// The same key for PS256.
    pub fn rsa_pss(id: &str) -> Self {
        Self::new(id, "PS256", Key::Rsa(Box::new(rsa_key()), &RSA_PSS_SHA256))
    }

    /// A new key of the curve P-256.
    pub fn p256(id: &str) -> Self {
        Self::new(id, "ES256", ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING))
    }

    /// A new key of the curve P-384.
    pub fn p384(id: &str) -> Self {
        Self::new(id, "ES384", ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING))
    }

    /// A new key of Ed25519.
    pub fn ed25519(id: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
        Self::new(id, "EdDSA", Key::Ed25519(key))
    }

    fn new(id: &str, algorithm: &'static str, key: Key) -> Self {
        Self { id: id.to_owned(), algorithm, key }
    }

    /// The algorithm of its signatures.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// The public key, as a JSON Web Key.
    pub fn jwk(&self) -> String {
        let members = match &self.key {
            Key::Rsa(..) => format!(r#""kty":"RSA","e":"AQAB","n":"{}""#, RSA[0]),
            Key::Ecdsa(key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
                let [x, y] = [x, y].map(|coordinate| BASE64.encode(coordinate));
                format!(r#""kty":"EC","crv":"{curve}","x":"{x}","y":"{y}""#)
            }
            Key::Ed25519(key) => {
                let x = BASE64.encode(key.public_key());
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#)
            }
        };
        let Self { id, algorithm, .. } = self;
        format!(r#"{{{members},"kid":"{id}","alg":"{algorithm}","use":"sig"}}"#)
    }

    /// The public keys of some, as a JSON Web Key Set.
    pub fn set(signers: &[&Self]) -> String {
        let keys: Vec<String> = signers.iter().map(|signer| signer.jwk()).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).expect("a signature");
                signature
            }
            Key::Ecdsa(key) => key.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with these claims, a JSON object.
    pub fn token(&self, claims: &impl Display) -> String {
        let Self { id, algorithm, .. } = self;
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{id}","typ":"JWT"}}"#);
        self.token_with(&header, claims)
    }

    /// A token with these claims and another header.
    pub fn token_with(&self, header: &impl Display, claims: &impl Display) -> String {
        let message = message(header, claims);
        format!("{message}.{}", BASE64.encode(self.sign(message.as_bytes())))
    }
}

/// A token that is signed with a secret.
pub fn hs256(id: &str, secret: &[u8], claims: &impl Display) -> String {
    let message = message(&format!(r#"{{"alg":"HS256","kid":"{id}"}}"#), claims);
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", BASE64.encode(signature))
}

/// A token without a signature.
pub fn unsigned(id: &str, claims: &impl Display) -> String {
    format!("{}.", message(&format!(r#"{{"alg":"none","kid":"{id}"}}"#), claims))
}

fn message(header: &impl Display, claims: &impl Display) -> String {
    [header.to_string(), claims.to_string()].map(|part| BASE64.encode(part)).join(".")
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Key {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
    Key::Ecdsa(key)
}

fn rsa_key() -> rsa::KeyPair {
    let [n, d, p, q, dp, dq, qi] = RSA.map(|text| BASE64.decode(text).expect("base64url"));
    let public_key = PublicKeyComponents { n, e: vec![1, 0, 1] };
    let components = KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi };
    rsa::KeyPair::from_components(&components).expect("a key")
}
