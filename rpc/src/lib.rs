//! The gRPC stubs of `solvemesh.v1.JobService`. The messages are those of the
//! package `solvemesh`, which knows nothing of gRPC.

mod generated {
    #![allow(missing_docs, clippy::all, unreachable_pub, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/solvemesh.v1.rs"));
}

pub use generated::{job_service_client, job_service_server};
