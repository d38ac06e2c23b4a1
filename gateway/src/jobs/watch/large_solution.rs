//! Large solutions, which watchers receive in parts.

use std::collections::VecDeque;

use bytes::Bytes;
use prost::Message;
use solvemesh::{
    broker::v1::BulkReference,
    v1::{JobEvent, Solution, SolutionPart, job_event},
};
use solvemesh_broker::MeshError;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tracing::warn;

use super::shutting_down;
use crate::{
    jobs::Jobs,
    refusal::Refusal,
    table::{HistoryEvent, Position},
};

/// Maximum number of large solutions that are sent to watchers at the same time. Each is held in
/// memory while it is sent.
pub(crate) const MAX_LARGE_SOLUTIONS: usize = 32;

/// A large solution as it was stored. Its parts are decoded one at a time, when they are sent.
pub(super) struct LargeSolution {
    /// The next part's event, without the part itself.
    event: JobEvent,
    /// The next part's position.
    at: Position,
    /// The next part's index, from 0.
    index: i32,
    count: i32,
    /// The parts that have not been sent, encoded.
    remaining: VecDeque<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl LargeSolution {
    /// Loads the solution of an event from the bulk store, without the parts at or before the
    /// cursor; `None` if it is no longer stored. Waits for a permit, up to the broker timeout.
    pub(super) async fn load(
        gateway: &Jobs,
        history_event: &HistoryEvent,
        reference: &BulkReference,
        cursor: Position,
    ) -> Result<Option<Box<Self>>, Refusal> {
        let exhausted =
            || Refusal::Exhausted { limit: "large_solutions", value: MAX_LARGE_SOLUTIONS };
        let permit = gateway.large_solution_permits.clone().acquire_owned();
        let permit = timeout(gateway.broker_timeout(), permit).await.map_err(|_| exhausted())?;
        let _permit = permit.map_err(|_| shutting_down())?;
        let mut remaining: VecDeque<Bytes> = match gateway.mesh.load(reference).await {
            Ok(parts) => parts.into(),
            Err(MeshError::Gone(cause)) => {
                warn!(job = history_event.event.job_id, cause, "stored solution is lost");
                return Ok(None);
            }
            Err(error) => return Err(Refusal::Unavailable { message: error.to_string() }),
        };
        // The parts occupy the sequence numbers and positions directly before the event's own.
        let count = history_event.part_count();
        let mut event = JobEvent { kind: None, ..JobEvent::clone(&history_event.event) };
        event.sequence -= count;
        let before = history_event.position.event.saturating_sub(reference.parts);
        let mut at = Position { event: before, ..history_event.position };
        let mut index = 0;
        while at <= cursor && remaining.pop_front().is_some() {
            (at, index, event.sequence) = (at.later(1), index + 1, event.sequence + 1);
        }
        Ok(Some(Box::new(Self { event, at, index, count, remaining, _permit })))
    }

    /// The event of the next part, and its position. Skips parts that can't be decoded; `None`
    /// after the last one.
    pub(super) fn next_part(&mut self) -> Option<(JobEvent, Position)> {
        while let Some(bytes) = self.remaining.pop_front() {
            let (mut event, at, index) = (self.event.clone(), self.at, self.index);
            self.index += 1;
            self.event.sequence += 1;
            self.at = at.later(1);
            match Solution::decode(bytes) {
                Ok(solution) => {
                    let part = SolutionPart { index, count: self.count, solution: Some(solution) };
                    event.kind = Some(job_event::Kind::SolutionPart(part));
                    return Some((event, at));
                }
                // The digest matched, so the worker that stored it must have another version.
                Err(error) => {
                    warn!(job = event.job_id, cause = %error, "undecodable solution part");
                }
            }
        }
        None
    }
}

/// Changes the event of a finished job whose stored solution is lost: no parts, and a warning.
pub(super) fn mark_solution_lost(event: &mut JobEvent) {
    if let Some(job_event::Kind::Finished(finished)) = &mut event.kind
        && let Some(result) = &mut finished.result
    {
        result.solution_part_count = 0;
        let termination = result.termination.get_or_insert_default();
        termination.warnings.push("the solution is no longer stored".to_owned());
    }
}
