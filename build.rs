//! Compiles the protos with protox, so that no `protoc` is needed, into messages
//! and one descriptor set. The gRPC stubs are generated from that set in `rpc/`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const PROTOS: [&str; 13] = [
    "solvemesh/v1/mesh.proto",
    "solvemesh/v1/model.proto",
    "solvemesh/v1/options.proto",
    "solvemesh/v1/result.proto",
    "solvemesh/v1/sweep.proto",
    "solvemesh/v1/job.proto",
    "solvemesh/v1/job_service.proto",
    "solvemesh/broker/v1/envelope.proto",
    "solvemesh/broker/v1/heartbeat.proto",
    "solvemesh/broker/v1/log.proto",
    "solvemesh/broker/v1/lookup.proto",
    "solvemesh/solver/v1/solver.proto",
    "solvemesh/gateway/v1/snapshot.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    prost_build::Config::new()
        .bytes([
            ".solvemesh.v1.ModelFile.content",
            ".solvemesh.broker.v1.BulkPart.content",
            ".solvemesh.broker.v1.JobBatch.jobs",
            ".solvemesh.broker.v1.JobEnvelope.payload",
            ".solvemesh.solver.v1.SolveTask.payload",
            ".solvemesh.solver.v1.SweepTask.payload",
        ])
        // By far the largest kinds: the others must not be stored and moved at their size.
        .boxed(".solvemesh.broker.v1.LogEntry.kind.finished")
        .boxed(".solvemesh.v1.JobEvent.kind.finished")
        .boxed(".solvemesh.v1.JobEvent.kind.queued")
        .btree_map(["."])
        .enable_type_names()
        .compile_fds(descriptors)?;
    Ok(())
}
