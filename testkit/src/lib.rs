//! Parts of tests that several crates share: private RabbitMQ nodes, a network that fails on
//! purpose, certificates, JSON Web Tokens, files that are replaced; with feature `models`, models in
//! normal form; with feature `fake-gateway`, a gateway that follows a script.
//!
//! Everything here panics when it fails: the panic is the failure of the test.

pub mod certificates;
#[cfg(feature = "fake-gateway")]
pub mod fake_gateway;
pub mod files;
pub mod instances;
#[cfg(feature = "models")]
pub mod models;
pub mod proxy;
pub mod rabbit;
pub mod tokens;
