//! Random moments that can be had again.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

/// A generator of random numbers (xorshift). Its seed is printed.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// One with the seed of `SOLVEMESH_RELIABILITY_SEED`, or one of the clock's.
    pub(crate) fn seeded() -> Self {
        let told = env::var("SOLVEMESH_RELIABILITY_SEED").ok();
        let seed = told.map_or_else(clock, |seed| seed.parse().expect("a seed"));
        println!("reliability: SOLVEMESH_RELIABILITY_SEED={seed}");
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
