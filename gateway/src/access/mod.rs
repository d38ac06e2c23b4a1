//! Who may call, and what each caller may do. Only `files` does I/O: it reads the keys of callers,
//! and those that verify tokens, and `crate::reload` lets it read them again.

mod args;
mod caller;
mod credential;
mod files;
mod jwk;
mod jwt;
mod key_lines;
mod keys;
mod methods;
mod new_key;
mod quotas;
mod rates;
mod recognised;
mod recognition;

pub use self::{
    args::AccessArgs, files::AccessFileError, jwt::TokenRules, new_key::NewKey, recognition::Access,
};
pub(crate) use self::{
    caller::{Caller, Origin, Role},
    credential::Credential,
    jwt::TokenError,
    methods::{HEALTH_CHECKS, JOB_SERVICE, is_short, method_name, required_role},
    quotas::{QuotaScope, Quotas},
    rates::{Rates, TooFast},
    recognised::{Recognised, Unrecognised},
};
