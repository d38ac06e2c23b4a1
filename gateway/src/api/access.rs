//! Recognises the caller of each request, before anything else is done for it.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};
use tracing::info;

use super::admission::Answer;
use crate::{
    access::{Access, Origin, Rates, TooFast, required_role},
    listener::Peer,
    refusal::Refusal,
};

/// A tower layer that refuses requests whose caller is not recognised or may not call the method.
/// To the others it adds their [`Origin`].
#[derive(Clone, Debug)]
pub(crate) struct AccessLayer {
    access: Access,
    rates: Arc<Rates>,
}

impl AccessLayer {
    pub(crate) fn new(access: Access) -> Self {
        Self { access, rates: Arc::default() }
    }

    /// The origin of a request, if it may call its method.
    fn origin<B>(&self, request: &Request<B>) -> Result<Option<Origin>, Refusal> {
        let path = request.uri().path();
        let Some(required) = required_role(path) else { return Ok(None) };
        let peer = request.extensions().get::<Peer>().map(|peer| peer.address);
        let refuse = |key: &str, refusal: Refusal| {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
            info!(path, key, peer, cause = %refusal, "request refused");
            Err(refusal)
        };
        let caller = match self.access.caller(request.headers(), SystemTime::now()) {
            Ok(caller) => caller,
            Err(cause) => return refuse("", Refusal::Unauthenticated { cause }),
        };
        let role = caller.role;
        if role < required {
            return refuse(&caller.key, Refusal::RoleTooLow { role, required });
        }
        if let Err(TooFast { scope, limit, retry }) = self.rates.count(&caller, Instant::now()) {
            let (quota, limit) = ("requests_per_second", u64::from(limit));
            let refusal = Refusal::QuotaExceeded { quota, scope, limit, retry: Some(retry) };
            return refuse(&caller.key, refusal);
        }
        Ok(Some(Origin { caller, peer }))
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Recognised<S>;

    fn layer(&self, inner: S) -> Recognised<S> {
        Recognised { inner, access: self.clone() }
    }
}

/// A service behind [`AccessLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Recognised<S> {
    inner: S,
    access: AccessLayer,
}

impl<S, B, R, E> Service<Request<B>> for Recognised<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = E, Future = Answer<R, E>>,
    E: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = E;
    type Future = Answer<R, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.access.origin(&request) {
            Ok(origin) => {
                if let Some(origin) = origin {
                    request.extensions_mut().insert(origin);
                }
                self.inner.call(request)
            }
            Err(refusal) => Box::pin(async move { Ok(Status::from(refusal).into_http()) }),
        }
    }
}
