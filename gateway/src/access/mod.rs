//! Who may call, and what each caller may do. Only `key_file` does I/O: it reads the keys, and
//! reads them again when the file changes.

mod caller;
mod key_file;
mod keys;
mod methods;
mod new_key;
mod quotas;
mod rates;

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, header::AUTHORIZATION};

pub(crate) use self::{
    caller::{Caller, Origin, Role},
    methods::{HEALTH_CHECKS, JOB_SERVICE, required_role},
    quotas::{QuotaScope, Quotas},
    rates::{Rates, TooFast},
};
pub use self::{
    key_file::{KeyFile, KeyFileError},
    new_key::NewKey,
};

/// How callers are recognised.
#[derive(Clone, Debug)]
pub enum Access {
    /// Not at all: everyone may do everything, and all jobs belong to one tenant, which has no
    /// name.
    Open,
    /// By the keys of a file.
    Keys(KeyFile),
}

/// Why a caller is not recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unrecognised {
    /// The request has no credential.
    #[error("the request has no credential: send the header `authorization: Bearer KEY`")]
    Missing,
    /// The gateway does not know the credential.
    #[error("the credential is not valid")]
    Invalid,
    /// The credential was valid once.
    #[error("the credential has expired")]
    Expired,
}

impl Access {
    /// The caller who sent a request with these headers.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Arc<Caller>, Unrecognised> {
        match self {
            Self::Open => Ok(Caller::anyone()),
            Self::Keys(file) => file.keys().caller(bearer(headers)?, now),
        }
    }
}

/// The credential of a request (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Unrecognised> {
    let header = headers.get(AUTHORIZATION).ok_or(Unrecognised::Missing)?;
    let text = header.to_str().map_err(|_| Unrecognised::Invalid)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Unrecognised::Invalid),
    }
}
