//! Reads certificates and keys from PEM files, and makes the configurations of rustls from them.
//! There is no network here, and no runtime.
//!
//! TLS 1.2 is the oldest version, and ring does the cryptography.

mod client;
mod pem;
mod server;

pub use client::{ClientFiles, trusted_roots};
pub use pem::{PairFiles, PemFile, TlsFileError};
pub use server::{ClientCertificates, ServerContents, ServerFiles};
