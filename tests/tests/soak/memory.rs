//! Whether memory stops growing.

use std::fmt;

/// The largest growth from the second to the last quarter of a soak that passes. Allocators and
/// caches fluctuate; a leak of one kilobyte a job would double the memory several times.
const MAX_GROWTH: f64 = 1.25;

/// The memory of some processes over time, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Growth(Vec<f64>);

impl Growth {
    /// Adds the memory of the processes now.
    pub(crate) fn add(&mut self, bytes: &[f64]) {
        self.0.push(bytes.iter().sum());
    }

    /// The maximum in the last quarter, relative to that in the second one. `None` with fewer than
    /// eight values.
    fn ratio(&self) -> Option<f64> {
        let quarter = self.0.len() / 4;
        let max = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let early = max(self.0.get(quarter..2 * quarter)?);
        let late = max(self.0.get(self.0.len() - quarter..)?);
        (quarter >= 2).then(|| late / early)
    }

    /// Whether it has stopped to grow; also if the soak was too short to say.
    pub(crate) fn has_ended(&self) -> bool {
        self.ratio().is_none_or(|ratio| ratio <= MAX_GROWTH)
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ratio() {
            Some(ratio) => write!(f, "in the last quarter {ratio:.2} × that in the second"),
            None => f.write_str("not judged: eight minutes are too few"),
        }
    }
}

/// Memory of several processes, for people.
pub(crate) fn shown(bytes: &[f64]) -> String {
    let mib = bytes.iter().map(|bytes| format!("{:.0} MiB", bytes / f64::from(1 << 20)));
    mib.collect::<Vec<_>>().join(", ")
}
