//! HTTP/2 and HTTP/1.1 over the connections of a listener.
//!
//! tonic's own server does the same, but neither limits the headers of HTTP/1.1 nor lets its
//! connections wait for a handshake.

use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};
use tower::Service;
use tracing::debug;

use super::{deadline::grpc_timeout, front::Answer};
use crate::listener::{Listener, Peer};

/// How often the server pings a silent connection of HTTP/2, and how long it waits for the reply
/// before it closes the connection.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Maximum size of the headers of a request, in bytes: of HTTP/2, each header counts 32 more
/// (RFC 9113, 6.5.2).
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// Size of the buffers of a connection of HTTP/1.1, in bytes. The headers of a request have to fit
/// into it, and hyper accepts 100 of them.
const HTTP1_BUFFER: usize = 64 << 10;

/// How long the headers of a request of HTTP/1.1 may take, the wait for them included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves the connections of a listener until `stop`, and returns once all have ended. If dropped,
/// closes them.
pub(super) async fn serve<S>(
    mut listener: Listener,
    service: S,
    max_streams: u32,
    stop: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let protocols = protocols(max_streams);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => {
                let (service, protocols, stop) = (service.clone(), protocols.clone(), stop.clone());
                connections.spawn(async move {
                    let address = accepted.address();
                    match accepted.open().await {
                        Ok((io, peer)) => {
                            let entrance = Entrance { service, peer };
                            serve_connection(io, entrance, &protocols, &stop).await;
                        }
                        Err(error) => debug!(%address, cause = %error, "connection not opened"),
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    // Further connections are refused by the system.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// HTTP with the limits of this server.
fn protocols(max_streams: u32) -> auto::Builder<TokioExecutor> {
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HTTP1_BUFFER);
    protocols
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(max_streams)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    protocols
}

async fn serve_connection<I, S>(
    io: I,
    entrance: Entrance<S>,
    protocols: &auto::Builder<TokioExecutor>,
    stop: &CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>
        + Clone
        + Send
        + 'static,
{
    let address = entrance.peer.address;
    let service = TowerToHyperService::new(entrance);
    let mut connection = pin!(protocols.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%address, cause = %error, "connection failed");
    }
}

/// The entrance of a connection: notes in each request who sent it, and ends it at its deadline.
#[derive(Clone)]
struct Entrance<S> {
    service: S,
    peer: Peer,
}

impl<S> Service<Request<Incoming>> for Entrance<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Answer {
        let header = request.headers().get("grpc-timeout").map(HeaderValue::to_str);
        let deadline = header.and_then(Result::ok).and_then(grpc_timeout);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer.clone());
        let answer = self.service.call(request);
        let Some(deadline) = deadline else { return answer };
        Box::pin(async move {
            timeout(deadline, answer).await.unwrap_or_else(|_| {
                Ok(Status::deadline_exceeded("the deadline of the call has passed").into_http())
            })
        })
    }
}
