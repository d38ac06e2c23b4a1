//! Generates the stubs alone: the messages are those of the root package. The server's codec
//! refuses unknown fields; the client's accepts them, as a later gateway may send some.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let mut descriptors = FileDescriptorSet::decode(solvemesh::DESCRIPTORS)?;
    descriptors.file.retain(|file| !file.service.is_empty());
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for side in ["client", "server"] {
        let out = out.join(side);
        fs::create_dir_all(&out)?;
        let is_server = side == "server";
        let codec = if is_server { "crate::StrictCodec" } else { "tonic_prost::ProstCodec" };
        tonic_prost_build::configure()
            .build_client(!is_server)
            .build_server(is_server)
            .codec_path(codec)
            .extern_path(".solvemesh.v1", "::solvemesh::v1")
            .out_dir(out)
            .compile_fds(descriptors.clone())?;
    }
    Ok(())
}
