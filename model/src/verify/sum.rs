/// A compensated sum (Neumaier 1974): rounding errors are summed up separately, and added in
/// the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        // The smaller of the two numbers loses digits, so the error is computed from it.
        self.lost += if self.sum.abs() >= term.abs() {
            (self.sum - sum) + term
        } else {
            (term - sum) + self.sum
        };
        self.sum = sum;
    }

    /// Returns the sum. It is not finite if the sum overflowed.
    pub(super) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

impl From<f64> for Sum {
    fn from(sum: f64) -> Self {
        Sum { sum, lost: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_cancel_leave_no_rounding_error() {
        let mut sum = Sum::default();
        for term in [1.0, 1e100, 1.0, -1e100] {
            sum.add(term);
        }
        assert_eq!(sum.value(), 2.0);
    }
}
