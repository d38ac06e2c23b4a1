//! Command-line flags of the programs that connect to a broker.

mod broker;
mod parse;
mod topology;

pub use broker::{BrokerUrls, TlsArgs};
pub use parse::{exit_without_passwords, parse};
pub use topology::{SegmentTooLarge, TopologyArgs};
