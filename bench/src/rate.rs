use std::time::Duration;

/// How many things happened a second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Rate(f64);

impl Rate {
    /// So many in that time.
    pub(crate) fn of(count: usize, time: Duration) -> Self {
        Self(count as f64 / time.as_secs_f64())
    }

    /// The one in the middle.
    pub(crate) fn median(mut rates: Vec<Self>) -> Self {
        rates.sort_by(|a, b| a.0.total_cmp(&b.0));
        rates.get(rates.len() / 2).copied().unwrap_or(Self(f64::NAN))
    }

    /// How many times as much as another.
    pub(crate) fn over(self, other: Self) -> f64 {
        self.0 / other.0
    }

    /// A line of the table: the figure, and its share of the ceiling.
    pub(crate) fn print(self, what: &str, ceiling: Option<Self>) {
        let share = ceiling.map(|ceiling| format!("{:6.1} %", 100.0 * self.0 / ceiling.0));
        println!("{what:50} {:9.0}/s {}", self.0, share.unwrap_or_default());
    }
}
