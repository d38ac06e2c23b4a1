//! The server: gRPC, gRPC-Web and the page for browsers on one port, with health checks and
//! reflection.

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware};
use http::{HeaderName, Method};
use solvemesh_rpc::job_service_server::JobServiceServer;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::ServingStatus;
use tonic_web::GrpcWebLayer;
use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};
use tower_http::{
    compression::CompressionLayer,
    cors::{AllowHeaders, AllowOrigin, CorsLayer},
};
use tracing::{info, warn};

use crate::{
    access::Access,
    api::{
        access::AccessLayer,
        admission::{Admission, Limits},
        browser::{BrowserPolicy, Origins, check_browser},
        connections,
        front::Front,
        health,
        measure::MeasureLayer,
        page,
        service::Service,
    },
    jobs::Jobs,
    listener::Listener,
};

/// Maximum size of a response, in bytes, so that a generated client with its default limit
/// accepts every response. Larger content is sent in parts; this limit only catches mistakes.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// Why the server as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors of the API can't be decoded.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// What the server offers, and to whom.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// How callers are recognised.
    pub access: Access,
    /// What it offers to browsers.
    pub web: WebConfig,
    /// Whether clients can ask for the descriptors of the API.
    pub reflection: bool,
    /// Whether submissions continue the traces of their callers.
    pub trace_callers: bool,
    /// Maximum number of requests, streams included, that a connection of HTTP/2 may have in
    /// progress. Its client holds further ones back.
    pub max_streams_per_connection: u32,
}

/// What the server offers to browsers.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Whether the page is served.
    pub page: bool,
    /// Which requests of browsers are accepted.
    pub browsers: BrowserPolicy,
}

/// Serves gRPC, gRPC-Web and the page on one port until `stop`. Then watch streams, and requests that wait
/// for a job, are ended with an error, and other requests in progress have `grace` to finish.
///
/// # Errors
///
/// If the server can't start.
pub async fn serve(
    listener: Listener,
    jobs: Jobs,
    config: ServeConfig,
    stop: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let max_message = jobs.policy().max_message_bytes;
    let service = JobServiceServer::new(Service::new(jobs.clone(), config.trace_callers))
        .max_decoding_message_size(max_message)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    let mut routes = RoutesBuilder::default();
    routes.add_service(service.clone()).add_service(health_service);
    if config.reflection {
        reflect(&mut routes)?;
    }
    let routes: Routes = routes.routes();

    // Before the first request: a health watch fails for a service without a status.
    health::set_status(&reporter, ServingStatus::NotServing).await;
    let health_task = tokio::spawn(health::report(reporter, jobs.clone(), stop.clone()));
    let limits = Limits {
        max_requests: jobs.policy().max_requests,
        max_watchers: jobs.policy().max_watchers,
        max_message_bytes: max_message,
    };
    let admission = Admission::new(limits);
    let access = AccessLayer::new(config.access);
    let measure = MeasureLayer::new(jobs.metrics().rpc.clone());
    let entrance = ServiceBuilder::new().layer(measure).layer(access).layer(admission);
    let native = entrance.service(service);
    let all = Routes::from(app(routes, entrance.into_inner(), config.web));
    let front = Front { native, all };
    let server =
        connections::serve(listener, front, config.max_streams_per_connection, stop.clone());
    tokio::pin!(server);
    tokio::select! {
        () = &mut server => {}
        () = stop.cancelled() => {
            info!(grace_seconds = grace.as_secs(), "stopping, draining requests");
            // Ends what would otherwise not finish within the grace.
            jobs.shut_down();
            if timeout(grace, server).await.is_err() {
                warn!("requests aborted after the drain grace");
            }
        }
    }
    health_task.abort();
    Ok(())
}

/// Adds reflection in both versions, as older clients support only `v1alpha`.
fn reflect(routes: &mut RoutesBuilder) -> Result<(), tonic_reflection::server::Error> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(solvemesh::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?);
    Ok(())
}

/// What every gRPC request passes: it is measured, and its caller is recognised before it takes a
/// place among those in progress.
type Entrance = Stack<Admission, Stack<AccessLayer, Stack<MeasureLayer, Identity>>>;

/// All routes. The layer of gRPC-Web is around the gRPC routes alone: it answers every other
/// request over HTTP/1.1 with 400, the page's too. Compression is outermost; it leaves native gRPC
/// as it is, and compresses the page and the messages of gRPC-Web one by one.
fn app(grpc: Routes, entrance: Entrance, web: WebConfig) -> Router {
    let grpc = grpc.into_axum_router().layer(entrance).layer(GrpcWebLayer::new());
    let cors = cors(&web.browsers.origins);
    let browsers = Arc::new(web.browsers);
    let check = middleware::from_fn(move |request, next| {
        check_browser(Arc::clone(&browsers), request, next)
    });
    page::in_front_of(grpc, web.page).layer(cors).layer(check).layer(CompressionLayer::new())
}

/// The headers that let pages of other origins call. There are none for the gateway's own page.
fn cors(origins: &Origins) -> CorsLayer {
    let origins = match origins {
        Origins::SameOrigin => return CorsLayer::new(),
        Origins::Any => AllowOrigin::any(),
        Origins::List(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    let exposed = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::POST, Method::OPTIONS])
        // Not `*`, which does not include `authorization` (Fetch standard, CORS-safelisting).
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(Duration::from_secs(24 * 3600))
}
