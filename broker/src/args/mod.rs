//! The command line of programs that use a broker.

mod broker;
mod parse;
mod topology;

pub use broker::{BrokerUrls, TlsArgs};
pub use parse::parse;
pub use topology::{SegmentTooLarge, TopologyArgs};
