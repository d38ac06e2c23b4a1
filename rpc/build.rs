//! Generates the stubs alone: the messages are those of the root package.

use std::error::Error;

use prost::Message;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let mut descriptors = FileDescriptorSet::decode(solvemesh::DESCRIPTORS)?;
    descriptors.file.retain(|file| !file.service.is_empty());
    tonic_prost_build::configure()
        .extern_path(".solvemesh.v1", "::solvemesh::v1")
        .compile_fds(descriptors)?;
    Ok(())
}
