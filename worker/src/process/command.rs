//! Encodes the commands to a solver process that carry a payload. A payload may have hundreds of
//! megabytes, so it is not copied into its message: the bytes before it are encoded here, and the
//! payload itself is written after them.

use bytes::{BufMut, Bytes};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint},
};
use solvemesh::solver::v1::{SolveTask, SweepTask};

/// The field of `SolverCommand` that holds a task.
const SOLVE: u32 = 1;
const SWEEP: u32 = 3;
/// The field of both tasks that holds the payload.
const PAYLOAD: u32 = 2;

/// A length-delimited `SolverCommand` in two pieces, the second after the first.
#[derive(Debug)]
pub(super) struct Command {
    /// The message up to the payload.
    pub(super) head: Bytes,
    /// The payload; may be empty.
    pub(super) payload: Bytes,
}

/// The command to solve a task.
pub(super) fn solve(mut task: SolveTask) -> Command {
    let payload = std::mem::take(&mut task.payload);
    assemble(SOLVE, &task, payload)
}

/// The command to solve scenarios.
pub(super) fn sweep(mut task: SweepTask) -> Command {
    let payload = std::mem::take(&mut task.payload);
    assemble(SWEEP, &task, payload)
}

/// Puts the payload after the other fields of its task: decoders accept fields in any order.
fn assemble(field: u32, rest: &impl Message, payload: Bytes) -> Command {
    let mut payload_head = Vec::new();
    if !payload.is_empty() {
        encode_key(PAYLOAD, WireType::LengthDelimited, &mut payload_head);
        encode_varint(payload.len() as u64, &mut payload_head);
    }
    let task_length = (rest.encoded_len() + payload_head.len() + payload.len()) as u64;
    let mut task_head = Vec::new();
    encode_key(field, WireType::LengthDelimited, &mut task_head);
    encode_varint(task_length, &mut task_head);

    let length = task_head.len() as u64 + task_length;
    let mut head = Vec::with_capacity(
        encoded_len_varint(length) + task_head.len() + rest.encoded_len() + payload_head.len(),
    );
    encode_varint(length, &mut head);
    head.put_slice(&task_head);
    head.put_slice(&rest.encode_to_vec());
    head.put_slice(&payload_head);
    Command { head: head.into(), payload }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use solvemesh::{
        broker::v1::ScenarioRange,
        frame,
        solver::v1::{SolverCommand, solver_command::Kind},
        v1::{Basis, SolveOptions, StartingPoint},
    };

    use super::*;

    fn decoded(command: Command) -> Option<Kind> {
        let bytes = [command.head, command.payload].concat();
        let mut reader = bytes.as_slice();
        let command: SolverCommand =
            frame::read(&mut reader, frame::MAX_FRAME_BYTES).unwrap().unwrap();
        assert!(reader.is_empty());
        command.kind
    }

    proptest! {
        #[test]
        fn a_command_decodes_to_its_task(
            task: u64,
            payload in prop::collection::vec(any::<u8>(), 0..300),
            seed: Option<i32>,
            values in prop::collection::vec(any::<i32>(), 0..50),
        ) {
            let payload = Bytes::from(payload);
            let options = Some(SolveOptions { seed, ..SolveOptions::default() });
            let values = values.into_iter().map(f64::from).collect();
            let start = Some(StartingPoint { values, ..StartingPoint::default() });
            let one = SolveTask { task, payload: payload.clone(), options: options.clone(), start };
            prop_assert_eq!(decoded(solve(one.clone())), Some(Kind::Solve(one)));
            let scenarios = vec![ScenarioRange { first: 3, count: 4 }];
            let basis = Some(Basis { variables: vec![1, 2], constraints: vec![2] });
            let other = SweepTask { task, payload, options, scenarios, basis };
            prop_assert_eq!(decoded(sweep(other.clone())), Some(Kind::Sweep(other)));
        }
    }
}
