//! The number of open connections: in all, and of each address.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use parking_lot::Mutex;

/// How many connections may be open at once, those in their handshake included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Maximum number in all.
    pub total: usize,
    /// Maximum number from one IPv4 address or one /64 network of IPv6.
    pub per_address: usize,
}

/// The limit that refused a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// [`ConnectionLimits::total`].
    Total,
    /// [`ConnectionLimits::per_address`].
    Address,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "max-connections",
            Self::Address => "max-connections-per-address",
        })
    }
}

/// What counts as one address. A host of IPv6 can use any address of its /64 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// Counts the open connections.
#[derive(Debug)]
pub(super) struct Slots {
    limits: ConnectionLimits,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_source: HashMap<Source, usize>,
}

/// The place of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    source: Source,
}

impl Slots {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default() })
    }

    /// Takes the place of a connection from `address`.
    ///
    /// # Errors
    ///
    /// The limit that has been reached.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Full> {
        let source = Source::from(address);
        let mut open = self.open.lock();
        if open.total >= self.limits.total {
            return Err(Full::Total);
        }
        let of_source = open.by_source.get(&source).copied().unwrap_or_default();
        if of_source >= self.limits.per_address {
            return Err(Full::Address);
        }
        open.total += 1;
        open.by_source.insert(source, of_source + 1);
        Ok(Slot { slots: Arc::clone(self), source })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open.lock();
        open.total -= 1;
        if let Some(count) = open.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(slots: &Arc<Slots>, address: &str) -> Result<Slot, Full> {
        slots.take(address.parse().unwrap())
    }

    #[test]
    fn an_address_has_a_limit_and_a_closed_connection_frees_its_place() {
        let slots = Slots::new(ConnectionLimits { total: 10, per_address: 2 });
        let first = take(&slots, "10.0.0.1").unwrap();
        let _second = take(&slots, "::ffff:10.0.0.1").unwrap();
        assert_eq!(take(&slots, "10.0.0.1").unwrap_err(), Full::Address);
        let _other = take(&slots, "10.0.0.2").unwrap();
        drop(first);
        let _third = take(&slots, "10.0.0.1").unwrap();
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let slots = Slots::new(ConnectionLimits { total: 10, per_address: 1 });
        let _one = take(&slots, "2001:db8::1").unwrap();
        assert_eq!(take(&slots, "2001:db8::ffff:2").unwrap_err(), Full::Address);
        let _other = take(&slots, "2001:db8:0:1::1").unwrap();
    }

    #[test]
    fn there_is_a_limit_in_all_and_no_memory_of_closed_connections() {
        let slots = Slots::new(ConnectionLimits { total: 2, per_address: 2 });
        let open = [take(&slots, "10.0.0.1").unwrap(), take(&slots, "10.0.0.2").unwrap()];
        assert_eq!(take(&slots, "10.0.0.3").unwrap_err(), Full::Total);
        drop(open);
        let open = slots.open.lock();
        assert_eq!((open.total, open.by_source.len()), (0, 0));
    }
}
