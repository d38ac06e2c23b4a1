//! Recognises callers by their credentials, at the start of a call and while it lasts.

use std::{
    future,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::sleep};
use tracing::info;

use super::{
    Caller, Credential, Recognised, TokenError, Unrecognised,
    credential::bearer,
    files::{AccessFileError, JwksFile, KeyFile, RELOAD_INTERVAL},
    jwk::Jwks,
    jwt::{TokenCaller, TokenRules, is_jwt},
    keys::Keys,
};
use crate::reload::Reloaded;

/// How often the credential of a call that lasts is checked at least. It bounds how wrong the end
/// of a credential can be after the machine's clock was set.
const CHECK_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// How callers are recognised. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Access {
    keys: Option<Arc<Reloaded<KeyFile>>>,
    tokens: Option<Tokens>,
}

/// How JSON Web Tokens are verified.
#[derive(Clone, Debug)]
struct Tokens {
    keys: Arc<Reloaded<JwksFile>>,
    rules: Arc<TokenRules>,
}

impl Access {
    /// Not at all: everyone may do everything, and all jobs belong to one tenant, which has no
    /// name.
    pub fn everyone() -> Self {
        Self::default()
    }

    /// By the keys and certificates of a file, and by tokens that the keys of another one sign.
    ///
    /// # Errors
    ///
    /// If a file can't be used.
    pub fn open(
        keys: Option<PathBuf>,
        tokens: Option<(PathBuf, TokenRules)>,
    ) -> Result<Self, AccessFileError> {
        let keys = keys.map(|path| Reloaded::open(KeyFile(path))).transpose()?;
        let tokens = tokens.map(|(path, rules)| {
            let keys = Reloaded::open(JwksFile(path))?;
            Ok::<_, AccessFileError>(Tokens { keys, rules: Arc::new(rules) })
        });
        let tokens = tokens.transpose()?;
        if let Some(keys) = &keys {
            info!(callers = keys.current().len(), "file of keys read");
        }
        if let Some(Tokens { keys, .. }) = &tokens {
            let keys = keys.current();
            info!(keys = keys.len(), ignored = keys.ignored(), "file of token keys read");
        }
        Ok(Self { keys, tokens })
    }

    /// Whether everyone may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.keys.is_none() && self.tokens.is_none()
    }

    /// Whether callers are recognised by client certificates.
    pub fn has_certificates(&self) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.current().has_certificates())
    }

    /// Reads the files again and again, until its task is aborted.
    pub async fn follow(self) {
        let keys = self.keys.map(|keys| keys.follow(RELOAD_INTERVAL));
        let tokens = self.tokens.map(|tokens| tokens.keys.follow(RELOAD_INTERVAL));
        tokio::join!(or_pending(keys), or_pending(tokens));
    }

    /// The caller with a credential.
    pub(crate) fn recognise(
        &self,
        credential: &Credential,
        now: SystemTime,
    ) -> Result<Recognised, Unrecognised> {
        if self.is_open() {
            return Ok(Recognised { caller: Caller::anyone(), expires: None });
        }
        let keys = self.keys.as_ref().map(|keys| keys.current());
        let keys = keys.as_deref();
        match credential {
            Credential::Missing => Err(Unrecognised::Missing),
            Credential::Repeated => Err(Unrecognised::Malformed),
            Credential::Certificate(certificate) => match keys {
                Some(keys) => keys.by_certificate(certificate, now),
                None => Err(Unrecognised::Missing),
            },
            Credential::Header(header) => {
                let token = bearer(header).ok_or(Unrecognised::Malformed)?;
                let by_key = keys.map(|keys| keys.by_key(token, now)).transpose()?.flatten();
                match (by_key, &self.tokens) {
                    (Some(found), _) => Ok(found),
                    (None, Some(tokens)) if is_jwt(token) => tokens.caller(token, keys, now),
                    (None, _) => Err(Unrecognised::Invalid),
                }
            }
        }
    }

    /// Waits until the caller with a credential is no longer the one that it was, and returns why:
    /// its key was removed or has expired, or it may do something else now.
    pub(crate) async fn end(self, credential: Credential, caller: Arc<Caller>) -> Unrecognised {
        let mut changes = Changes {
            keys: self.keys.as_ref().map(|keys| keys.subscribe()),
            token_keys: self.tokens.as_ref().map(|tokens| tokens.keys.subscribe()),
        };
        loop {
            let now = SystemTime::now();
            let found = match self.recognise(&credential, now) {
                Err(cause) => return cause,
                Ok(found) if !found.caller.has_rights_of(&caller) => return Unrecognised::Changed,
                Ok(found) => found,
            };
            let wait = found.remaining(now).map_or(CHECK_INTERVAL, |it| it.min(CHECK_INTERVAL));
            tokio::select! {
                () = changes.next() => {}
                () = sleep(wait) => {}
            }
        }
    }
}

impl Tokens {
    /// The caller whom a token names.
    fn caller(
        &self,
        token: &str,
        keys: Option<&Keys>,
        now: SystemTime,
    ) -> Result<Recognised, Unrecognised> {
        let found = self.rules.check(token, &self.keys.current(), now);
        let TokenCaller { subject, tenant, role, expires } =
            found.map_err(|error| match error {
                TokenError::Expired => Unrecognised::Expired,
                error => Unrecognised::Token(error),
            })?;
        let caller = Caller {
            key: format!("jwt:{subject}"),
            role,
            key_quotas: Default::default(),
            tenant_quotas: keys.map(|keys| keys.tenant_quotas(&tenant)).unwrap_or_default(),
            tenant,
        };
        Ok(Recognised { caller: Arc::new(caller), expires: Some(expires) })
    }
}

/// Notice of new keys.
struct Changes {
    keys: Option<watch::Receiver<Arc<Keys>>>,
    token_keys: Option<watch::Receiver<Arc<Jwks>>>,
}

impl Changes {
    async fn next(&mut self) {
        tokio::select! {
            () = changed(&mut self.keys) => {}
            () = changed(&mut self.token_keys) => {}
        }
    }
}

async fn changed<T>(value: &mut Option<watch::Receiver<T>>) {
    if let Some(value) = value
        && value.changed().await.is_ok()
    {
        return;
    }
    // There is no value, or there will be no other one.
    future::pending().await
}

async fn or_pending(task: Option<impl Future<Output = ()>>) {
    match task {
        Some(task) => task.await,
        None => future::pending().await,
    }
}
