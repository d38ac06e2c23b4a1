//! The server: one port for gRPC and gRPC-Web, health, reflection.

use std::{io, time::Duration};

use http::{HeaderName, Method};
use solvemesh_broker::Health;
use solvemesh_rpc::job_service_server::JobServiceServer;
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::{Routes, RoutesBuilder},
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_web::GrpcWebLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tracing::{info, warn};

use crate::{
    api::{
        admission::{Admission, Bounds},
        service::Service,
    },
    jobs::Jobs,
};

/// The name under which the health service tells about the jobs' service; `""` tells
/// the same.
pub const HEALTH_SERVICE: &str = "solvemesh.v1.JobService";

/// How often the server asks a silent connection whether it is alive.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// No message over 1 MiB leaves a gateway, so that a generated client with its default
/// limit reads all of them. What is larger travels in parts; this is the fence.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// What may go wrong with the server as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors of the API can't be read.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
    /// The listener failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves gRPC and gRPC-Web on one port until `stop`; then the watchers and those who wait
/// for a job are ended, and requests that are under way have `grace` to finish.
///
/// # Errors
///
/// When the server can't begin, or its transport fails.
pub async fn serve(
    listener: TcpListener,
    jobs: Jobs,
    origins: Origins,
    stop: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let max_message = jobs.policy.max_message_bytes;
    let service = JobServiceServer::new(Service::new(jobs.clone()))
        .max_decoding_message_size(max_message)
        .max_encoding_message_size(MAX_ANSWER_BYTES);
    let mut routes = RoutesBuilder::default();
    routes.add_service(service).add_service(health);
    reflect(&mut routes)?;
    let routes: Routes = routes.routes();

    // Before anyone can ask: a watch on a service that was never told of fails.
    tell(&reporter, ServingStatus::NotServing).await;
    let telling = tokio::spawn(tell_health(reporter, jobs.clone(), stop.clone()));
    let bounds = Bounds {
        max_requests: jobs.policy.max_requests,
        max_watchers: jobs.policy.max_watchers,
        max_message_bytes: max_message,
    };
    let server = Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .layer(cors(origins))
        .layer(GrpcWebLayer::new())
        .layer(Admission::new(bounds))
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.clone().cancelled_owned(),
        );
    tokio::pin!(server);
    tokio::select! {
        outcome = &mut server => outcome?,
        () = stop.cancelled() => {
            info!("stopping: no new requests, {} s for those under way", grace.as_secs());
            jobs.stopping.cancel();
            match timeout(grace, server).await {
                Ok(outcome) => outcome?,
                Err(_) => warn!("requests were cut off at the end of the grace"),
            }
        }
    }
    telling.abort();
    Ok(())
}

/// Reflection in both versions: older clients know the older one only.
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

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for service in ["", HEALTH_SERVICE] {
        reporter.set_service_status(service, status).await;
    }
}

/// Which web pages may call.
#[derive(Clone, Debug, Default)]
pub enum Origins {
    /// Those of any site: there are no cookies or other credentials to steal.
    #[default]
    Any,
    /// Those of these origins.
    These(Vec<http::HeaderValue>),
}

fn cors(origins: Origins) -> CorsLayer {
    let origins = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::These(origins) => AllowOrigin::list(origins),
    };
    let exposed = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::POST, Method::OPTIONS])
        .allow_headers(Any)
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(Duration::from_secs(24 * 3600))
}

/// Tells through the health service whether this gateway can do its work: the broker
/// can be reached and the log was read.
async fn tell_health(mut reporter: HealthReporter, jobs: Jobs, stop: CancellationToken) {
    let mut mesh: watch::Receiver<Health> = jobs.mesh.health();
    let mut ready = jobs.table.ready();
    loop {
        let serving = !stop.is_cancelled()
            && *ready.borrow_and_update()
            && !matches!(*mesh.borrow_and_update(), Health::Disconnected { .. });
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        tell(&reporter, status).await;
        if stop.is_cancelled() {
            // Whoever watches the health has heard it, and shall not hold up the end.
            for service in ["", HEALTH_SERVICE] {
                reporter.clear_service_status(service).await;
            }
            tell(&reporter, status).await;
            return;
        }
        tokio::select! {
            changed = mesh.changed() => if changed.is_err() { return },
            changed = ready.changed() => if changed.is_err() { return },
            () = stop.cancelled() => {}
        }
    }
}
