//! Where numbers and letters of an NL file come from: its text form, or its binary form.

mod binary;
mod text;

pub(super) use self::{binary::Binary, text::Text};
use crate::{Fault, FaultKind, Place};

/// The field of the request that holds a file.
const FIELD: &str = "file";

/// The content of an NL file after its header, read piece by piece.
///
/// The text form has one record per line, the binary form has them one after the other; the reader
/// of segments is the same for both.
pub(super) trait Input<'a> {
    /// The letter of the next segment; `None` at the end of the file.
    fn segment(&mut self) -> Option<u8>;
    /// Goes to the beginning of the next record.
    fn begin(&mut self) -> Result<(), Fault>;
    /// The next byte of a record: the letter of a node of an expression, or the digit that says
    /// which bounds follow.
    fn letter(&mut self) -> Result<u8, Fault>;
    /// An integer: a count, an index, or the code of an operator.
    fn int(&mut self) -> Result<i64, Fault>;
    /// An integer of two bytes in the binary form.
    fn short(&mut self) -> Result<i64, Fault>;
    /// A number. Infinite ones are accepted, NaN is not.
    fn real(&mut self) -> Result<f64, Fault>;
    /// The name of a suffix or a function.
    fn name(&mut self) -> Result<&'a [u8], Fault>;
    /// Checks that the record has ended.
    fn end(&mut self) -> Result<(), Fault>;
    /// An error at what was read last.
    fn fault(&self, kind: FaultKind, message: String) -> Fault;

    /// An index below `count`, of a `what`.
    fn index(&mut self, count: usize, what: &str) -> Result<usize, Fault> {
        let index = self.int()?;
        usize::try_from(index).ok().filter(|&index| index < count).ok_or_else(|| {
            let message = format!("there is no {what} {index}: the header announces {count}");
            self.fault(FaultKind::Invalid, message)
        })
    }

    /// The number of records that follow.
    fn count(&mut self) -> Result<usize, Fault> {
        let count = self.int()?;
        usize::try_from(count).map_err(|_| {
            self.fault(FaultKind::Invalid, format!("a count must not be negative: {count}"))
        })
    }
}

/// An error of the file, at a place of its text if it has one.
pub(super) fn fault(place: Option<Place>, kind: FaultKind, message: String) -> Fault {
    let message = crate::findings::truncate_message(message);
    Fault { field: FIELD.to_owned(), place, kind, message }
}
