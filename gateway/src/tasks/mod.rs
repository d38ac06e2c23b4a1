//! Background tasks of a gateway.

pub mod dead_letters;
pub mod expiry;
pub mod heartbeats;
pub mod lookups;
