//! The outcome of recognising a caller.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Caller, jwt::TokenError};

/// A caller, and how long it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recognised {
    pub(crate) caller: Arc<Caller>,
    /// When its credential ends; `None` if never.
    pub(crate) expires: Option<SystemTime>,
}

impl Recognised {
    /// This caller until an earlier time, if it is one `now`.
    pub(super) fn until(
        self,
        end: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<Self, Unrecognised> {
        let expires = self.expires.into_iter().chain(end).min();
        match expires {
            Some(time) if time <= now => Err(Unrecognised::Expired),
            _ => Ok(Self { expires, ..self }),
        }
    }

    /// How long it is a caller; `None` for ever.
    pub(super) fn remaining(&self, now: SystemTime) -> Option<Duration> {
        self.expires.map(|time| time.duration_since(now).unwrap_or_default())
    }
}

/// Why a caller is not recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unrecognised {
    /// The request has no credential.
    #[error("the request has no credential: send the header `authorization: Bearer KEY`")]
    Missing,
    /// The header with the credential is not as it should be.
    #[error("the request must have one header `authorization: Bearer KEY`")]
    Malformed,
    /// The gateway does not know the credential.
    #[error("the credential is not valid")]
    Invalid,
    /// The request has no token, and no line of the file of keys is about its certificate.
    #[error(
        "the request has no token, and its client certificate has none of the names of callers"
    )]
    Certificate,
    /// The names of the certificate belong to several callers.
    #[error("the client certificate has the names of several callers")]
    Ambiguous,
    /// A JSON Web Token is refused.
    #[error("the token is not valid: {0}")]
    Token(TokenError),
    /// The credential was valid once.
    #[error("the credential has expired")]
    Expired,
    /// The credential is valid, but its tenant or its role is another one than at the start of the
    /// call.
    #[error("the tenant or the role of the credential has changed")]
    Changed,
}
