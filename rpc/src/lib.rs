//! The gRPC stubs of `solvemesh.v1.JobService`. The messages are those of the
//! package `solvemesh`, which does not depend on gRPC.

mod codec;

mod client {
    #![allow(missing_docs, clippy::all, unreachable_pub, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/client/solvemesh.v1.rs"));
}

mod server {
    #![allow(missing_docs, clippy::all, unreachable_pub, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/server/solvemesh.v1.rs"));
}

pub use client::job_service_client;
pub use codec::{StrictCodec, refused_field};
pub use server::job_service_server;
