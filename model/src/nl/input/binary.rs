//! The binary form of NL files, in the byte order of either kind of machine.

use super::{Input, fault};
use crate::{Fault, FaultKind};

/// Reads numbers of fixed sizes, without anything between them.
#[derive(Clone, Debug)]
pub(in crate::nl) struct Binary<'a> {
    bytes: &'a [u8],
    /// The offset of the next byte.
    next: usize,
    /// The offset of what was read last, for errors.
    last: usize,
    /// Whether numbers have their highest byte first.
    big_endian: bool,
}

impl<'a> Binary<'a> {
    /// Reads `bytes` from this offset on.
    pub(in crate::nl) fn new(bytes: &'a [u8], next: usize, big_endian: bool) -> Self {
        Self { bytes, next, last: next, big_endian }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.last = self.next;
        let Some(taken) = self.bytes.get(self.next..).and_then(|rest| rest.first_chunk::<N>())
        else {
            return Err(self.ends_early());
        };
        self.next += N;
        let mut taken = *taken;
        if self.big_endian {
            taken.reverse();
        }
        Ok(taken)
    }

    fn ends_early(&self) -> Fault {
        self.fault(FaultKind::Syntax, "the file ends early: it may be truncated".to_owned())
    }
}

impl<'a> Input<'a> for Binary<'a> {
    fn segment(&mut self) -> Option<u8> {
        self.take::<1>().ok().map(|[letter]| letter)
    }

    fn begin(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn letter(&mut self) -> Result<u8, Fault> {
        self.take::<1>().map(|[letter]| letter)
    }

    fn int(&mut self) -> Result<i64, Fault> {
        self.take().map(i32::from_le_bytes).map(i64::from)
    }

    fn short(&mut self) -> Result<i64, Fault> {
        self.take().map(i16::from_le_bytes).map(i64::from)
    }

    fn real(&mut self) -> Result<f64, Fault> {
        let number = self.take().map(f64::from_le_bytes)?;
        if number.is_nan() {
            return Err(self.fault(FaultKind::Invalid, "a number is NaN".to_owned()));
        }
        Ok(number)
    }

    fn name(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.count()?;
        self.last = self.next;
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        let name = rest.get(..length).ok_or_else(|| self.ends_early())?;
        self.next += length;
        Ok(name)
    }

    fn end(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn fault(&self, kind: FaultKind, message: String) -> Fault {
        fault(None, kind, format!("byte {}: {message}", self.last))
    }
}
