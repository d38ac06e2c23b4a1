//! A slot's jobs, as they come from its lane.

use std::sync::Arc;

use solvemesh_broker::{Consumer, Delivery, Lane, MeshError};

use crate::context::Context;

/// Consumes a lane while its slot asks for jobs. What was taken can be settled
/// whatever becomes of the intake.
pub(crate) struct Intake {
    context: Arc<Context>,
    lane: Lane,
    consumer: Option<Consumer<Delivery>>,
    /// How many jobs that came by the consumer stay unsettled for long.
    parked: u16,
}

impl Intake {
    pub(crate) fn new(context: Arc<Context>, lane: Lane) -> Self {
        Self { context, lane, consumer: None, parked: 0 }
    }

    /// The next job; `None` when the consumer ended by itself. Waiting may be given up
    /// at any time.
    ///
    /// # Errors
    ///
    /// As [`solvemesh_broker::Mesh::consume`].
    pub(crate) async fn next(&mut self) -> Result<Option<Delivery>, MeshError> {
        let prefetch = self.prefetch();
        let consumer = match &mut self.consumer {
            Some(consumer) => consumer,
            none => {
                // Whoever knows its cancels may have the jobs meanwhile.
                self.context.cancels.caught_up().await;
                none.insert(self.context.mesh.consume(&self.lane, prefetch).await?)
            }
        };
        Ok(consumer.next().await)
    }

    /// Gives back what waits here; the lane is consumed again, by another channel, when
    /// the slot asks for the next job.
    pub(crate) fn pause(&mut self) {
        self.consumer = None;
        self.parked = 0;
    }

    /// The job that came last stays unsettled for long: where such jobs are all that
    /// the broker lets a consumer hold, another one takes its place.
    pub(crate) fn park(&mut self) {
        self.parked += 1;
        if self.parked >= self.prefetch() {
            self.pause();
        }
    }

    /// Whether jobs may wait here while the slot is busy with another.
    pub(crate) fn may_hold_others(&self) -> bool {
        self.prefetch() > 1
    }

    fn prefetch(&self) -> u16 {
        self.context.config.prefetch(&self.lane)
    }
}
