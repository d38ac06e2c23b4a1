//! The bare handler: a gRPC server whose `SubmitJob` publishes the request to one quorum queue and
//! awaits its confirm, and does nothing else. It is a process of its own, as a gateway is:
//! `solvemesh-bench bare-handler`.

use futures::stream::BoxStream;
use lapin::{Channel, options::ConfirmSelectOptions};
use prost::Message as _;
use solvemesh::v1::{
    CancelJobRequest, CancelJobResponse, GetCapabilitiesRequest, GetCapabilitiesResponse,
    GetJobRequest, GetJobResponse, GetUsageRequest, GetUsageResponse, Job, ListJobsRequest,
    ListJobsResponse, SolveRequest, SolveResponse, SubmitJobRequest, SubmitJobResponse,
    WatchMeshRequest, WatchMeshResponse, WatchResultsRequest, WatchResultsResponse,
};
use solvemesh_rpc::job_service_server::{JobService, JobServiceServer};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::amqp::{check_confirmed, connect, declare, send};

const QUEUE: &str = "bare.jobs";

/// Arguments of `bare-handler`.
#[derive(Debug, clap::Args)]
pub(crate) struct BareArgs {
    /// Publish to this RabbitMQ
    #[arg(long)]
    amqp: String,
}

impl BareArgs {
    /// Serves on a free port, which it prints, until the process is killed.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let connection = connect(&self.amqp).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        declare(&channel, QUEUE, "quorum").await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on {}", listener.local_addr()?);
        let service = JobServiceServer::new(Handler { channel });
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().add_service(service).serve_with_incoming(incoming).await?;
        Ok(())
    }
}

struct Handler {
    channel: Channel,
}

impl Handler {
    async fn store(&self, body: &[u8]) -> anyhow::Result<()> {
        check_confirmed(send(&self.channel, QUEUE, body).await?.await?)
    }
}

/// What the methods that nobody calls respond.
fn absent<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the bare handler has SubmitJob only"))
}

type Events<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl JobService for Handler {
    async fn submit_job(
        &self,
        request: Request<SubmitJobRequest>,
    ) -> Result<Response<SubmitJobResponse>, Status> {
        let stored = self.store(&request.into_inner().encode_to_vec()).await;
        stored.map_err(|error| Status::unavailable(format!("{error:#}")))?;
        let job = Job { job_id: "stored".to_owned(), ..Job::default() };
        Ok(Response::new(SubmitJobResponse { job: Some(job) }))
    }

    type WatchResultsStream = Events<WatchResultsResponse>;

    async fn watch_results(
        &self,
        _: Request<WatchResultsRequest>,
    ) -> Result<Response<Self::WatchResultsStream>, Status> {
        absent()
    }

    type WatchMeshStream = Events<WatchMeshResponse>;

    async fn watch_mesh(
        &self,
        _: Request<WatchMeshRequest>,
    ) -> Result<Response<Self::WatchMeshStream>, Status> {
        absent()
    }

    async fn solve(&self, _: Request<SolveRequest>) -> Result<Response<SolveResponse>, Status> {
        absent()
    }

    async fn get_job(&self, _: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        absent()
    }

    async fn list_jobs(
        &self,
        _: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        absent()
    }

    async fn cancel_job(
        &self,
        _: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        absent()
    }

    async fn get_usage(
        &self,
        _: Request<GetUsageRequest>,
    ) -> Result<Response<GetUsageResponse>, Status> {
        absent()
    }

    async fn get_capabilities(
        &self,
        _: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        absent()
    }
}
