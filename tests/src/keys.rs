//! Callers with keys: the file that a gateway reads, and what sends one with each request.

use std::{path::PathBuf, process::Command};

use tempfile::TempDir;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

use crate::{files, processes};

/// A file of keys, in a folder of its own.
#[derive(Debug)]
pub struct Keys {
    folder: TempDir,
    text: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), text: String::new() }
    }
}

impl Keys {
    /// Makes a key with the program, adds it to the file, and returns it.
    pub fn add(&mut self, id: &str, tenant: &str, role: &str) -> String {
        let flags = ["key", "new", "--id", id, "--tenant", tenant, "--role", role];
        let program = processes::program("solvemesh-gateway");
        let made = Command::new(program).args(flags).output().expect("a gateway that runs");
        assert!(made.status.success(), "{made:?}");
        let lines = String::from_utf8(made.stderr).expect("text");
        let line =
            lines.lines().find(|line| line.starts_with("key ")).expect("a line for the file");
        self.text = format!("{}{line}\n", self.text);
        files::replace(&self.path(), &self.text);
        String::from_utf8(made.stdout).expect("text").trim().to_owned()
    }

    /// The path of the file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("keys")
    }
}

/// Sends a key with each request, or none.
#[derive(Clone, Debug, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Of a key.
    pub fn new(key: &str) -> Self {
        Self(Some(format!("Bearer {key}").parse().expect("a header")))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}
