//! The contract of solvemesh, generated from the `.proto` files beside this file:
//! the messages, and the descriptor set that reflection and the gRPC stubs are made
//! from. The documentation of a message is that of its `.proto`.

mod seconds;

pub use seconds::{MAX_SECONDS, seconds, seconds_or_zero};

/// The public API, package `solvemesh.v1`.
pub mod v1 {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/solvemesh.v1.rs"));
}

/// What travels through the broker, package `solvemesh.broker.v1`.
pub mod broker {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        include!(concat!(env!("OUT_DIR"), "/solvemesh.broker.v1.rs"));
    }
}

/// What a worker and its solver process say to each other, package
/// `solvemesh.solver.v1`.
pub mod solver {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        include!(concat!(env!("OUT_DIR"), "/solvemesh.solver.v1.rs"));
    }
}

/// What a gateway keeps in files of its own, package `solvemesh.gateway.v1`.
pub mod gateway {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        include!(concat!(env!("OUT_DIR"), "/solvemesh.gateway.v1.rs"));
    }
}

/// Encoded `google.protobuf.FileDescriptorSet` of all packages, imports and source
/// comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
