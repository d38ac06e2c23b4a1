use std::time::Duration;

/// A throughput, in items per second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Rate(f64);

impl Rate {
    /// The rate of this number of items in this time.
    pub(crate) fn of(count: usize, time: Duration) -> Self {
        Self(count as f64 / time.as_secs_f64())
    }

    /// Items per second.
    pub(crate) fn per_second(self) -> f64 {
        self.0
    }

    /// The median; NaN if there are no rates.
    pub(crate) fn median(mut rates: Vec<Self>) -> Self {
        rates.sort_by(|a, b| a.0.total_cmp(&b.0));
        rates.get(rates.len() / 2).copied().unwrap_or(Self(f64::NAN))
    }

    /// The ratio to another rate.
    pub(crate) fn over(self, other: Self) -> f64 {
        self.0 / other.0
    }

    /// Prints a line of the table: the rate and its percentage of the ceiling.
    pub(crate) fn print(self, what: &str, ceiling: Option<Self>) {
        let share = ceiling.map(|ceiling| format!("{:6.1} %", 100.0 * self.0 / ceiling.0));
        println!("{what:50} {:9.0}/s {}", self.0, share.unwrap_or_default());
    }
}
