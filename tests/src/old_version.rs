//! The programs of an older version, for tests of upgrades.

use std::{env, path::PathBuf};

use crate::{mesh::Gateway, processes::Process};

/// Names the folder of the programs. `scripts/upgrade` builds them and sets it.
const FOLDER: &str = "SOLVEMESH_OLD_BIN";

/// The programs of an older version.
#[derive(Clone, Debug)]
pub struct OldVersion {
    folder: PathBuf,
}

impl OldVersion {
    /// The programs in the folder that `SOLVEMESH_OLD_BIN` names. `None`, with a message, if it is
    /// not set: then the test is to be skipped.
    pub fn find() -> Option<Self> {
        let folder = env::var_os(FOLDER).filter(|folder| !folder.is_empty());
        if folder.is_none() {
            eprintln!("skipped: {FOLDER} is not set; scripts/upgrade sets it");
        }
        Some(Self { folder: folder?.into() })
    }

    /// Starts a gateway on a broker.
    pub async fn gateway(&self, broker: &str, flags: &[&str]) -> Gateway {
        let flags = [&["--amqp", broker], flags].concat();
        Gateway::of_program(&self.program("solvemesh-gateway"), &flags).await
    }

    /// Starts a worker on a broker, with one slot in each of the two common lanes.
    pub fn worker(&self, broker: &str, flags: &[&str]) -> Process {
        let common = ["--amqp", broker, "--slots", "express=1,standard=1"];
        Process::start(&self.program("solvemesh-worker"), &[&common, flags].concat()).0
    }

    fn program(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path of UTF-8").to_owned()
    }
}
