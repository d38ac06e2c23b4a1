//! Recognises the caller of each request, before anything else is done for it; and ends a call that
//! lasts when its caller is no longer one.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};
use tracing::info;

use super::{admission::Answer, any_body::AnyBody, ending::until};
use crate::{
    access::{Access, Caller, Credential, Origin, Rates, TooFast, is_short, required_role},
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

    /// The origin of a request and its credential, if it may call its method.
    fn origin<B>(&self, request: &Request<B>) -> Result<Option<(Origin, Credential)>, Refusal> {
        let path = request.uri().path();
        let Some(required) = required_role(path) else { return Ok(None) };
        let peer = request.extensions().get::<Peer>();
        let certificate = peer.and_then(|peer| peer.certificate.as_ref());
        let credential = Credential::of(request.headers(), certificate);
        let peer = peer.map(|peer| peer.address);
        let refuse = |key: &str, tenant: &str, refusal: Refusal| {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
            info!(path, key, tenant, peer, cause = %refusal, "request refused");
            Err(refusal)
        };
        let caller = match self.access.recognise(&credential, SystemTime::now()) {
            Ok(found) => found.caller,
            Err(cause) => return refuse("", "", Refusal::Unauthenticated { cause }),
        };
        let role = caller.role;
        if role < required {
            return refuse(&caller.key, &caller.tenant, Refusal::RoleTooLow { role, required });
        }
        if let Err(TooFast { scope, limit, retry }) = self.rates.count(&caller, Instant::now()) {
            let (quota, limit) = ("requests_per_second", u64::from(limit));
            let refusal = Refusal::QuotaExceeded { quota, scope, limit, retry: Some(retry) };
            return refuse(&caller.key, &caller.tenant, refusal);
        }
        Ok(Some((Origin { caller, peer }, credential)))
    }

    /// Waits until the caller of a call is no longer one, and logs it.
    async fn end(access: Access, credential: Credential, origin: Origin, path: String) -> Status {
        let cause = access.end(credential, origin.caller.clone()).await;
        let Caller { key, tenant, .. } = &*origin.caller;
        info!(path, key, tenant, peer = origin.peer(), %cause, "call ended");
        Refusal::Unauthenticated { cause }.into()
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
    R: Default + AnyBody,
{
    type Response = Response<R>;
    type Error = E;
    type Future = Answer<R, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.access.origin(&request) {
            Ok(None) => self.inner.call(request),
            Ok(Some((origin, credential))) => {
                request.extensions_mut().insert(origin.clone());
                let path = request.uri().path();
                if is_short(path) || self.access.access.is_open() {
                    return self.inner.call(request);
                }
                let access = self.access.access.clone();
                let end = AccessLayer::end(access, credential, origin, path.to_owned());
                let response = self.inner.call(request);
                Box::pin(async move {
                    let mut end = Box::pin(end);
                    tokio::select! {
                        status = &mut end => Ok(status.into_http()),
                        response = response => Ok(response?.map(|body| until(body, end))),
                    }
                })
            }
            Err(refusal) => Box::pin(async move { Ok(Status::from(refusal).into_http()) }),
        }
    }
}
