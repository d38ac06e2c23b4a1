//! Reproducible random numbers.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

/// A generator of random numbers (xorshift). Its seed is printed.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Seeds a generator from `SOLVEMESH_RELIABILITY_SEED`, or else from the clock.
    pub(crate) fn seeded() -> Self {
        let value = env::var("SOLVEMESH_RELIABILITY_SEED").ok();
        let seed = value.map_or_else(clock, |seed| seed.parse().expect("a seed"));
        println!("reliability: SOLVEMESH_RELIABILITY_SEED={seed}");
        // Not 0, from which xorshift yields only 0.
        Self(seed.max(1))
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64)
}
