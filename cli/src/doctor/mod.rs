//! What is wrong with a mesh: findings from the answers of a gateway and a broker. Pure; the
//! questions are in `commands/doctor.rs`.

pub(crate) mod broker;
pub(crate) mod clocks;
pub(crate) mod finding;
pub(crate) mod mesh;
pub(crate) mod reach;
pub(crate) mod rights;
pub(crate) mod versions;
