//! Tests of the mesh: in memory, and over RabbitMQ.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod amqp;
mod behaviour;
mod inspection;
mod memory;
mod shared_messages;
mod tls;
mod tls_files;
