//! End-to-end tests on real processes and a real broker.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod agreement;
mod amqps;
mod answers;
mod broker;
mod broker_rights;
mod callers;
mod cli;
mod connections;
mod dashboard;
mod doctor;
mod fairness;
mod formats;
mod grpcurl;
mod large;
mod live;
mod memory_limit;
mod mesh_state;
mod metrics;
mod models;
mod once;
mod readers;
mod resumption;
mod service;
mod solvers;
mod stops;
mod sweeps;
mod tls;
mod traces;
mod upgrade;
mod watchers;
mod web;
