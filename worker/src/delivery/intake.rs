//! The consumer of a slot: deliveries of jobs from its lane.

use std::sync::Arc;

use solvemesh_broker::{Consumer, Delivery, Lane, MeshError};

use crate::context::Context;

/// Consumes a lane while its slot asks for jobs. A delivery can be settled even after the intake
/// was paused or dropped.
pub(crate) struct Intake {
    context: Arc<Context>,
    lane: Lane,
    consumer: Option<Consumer<Delivery>>,
    /// A delivery that was received and not returned yet.
    received: Option<Delivery>,
    /// Number of parked jobs that were delivered to the current consumer.
    parked: u16,
}

impl Intake {
    pub(crate) fn new(context: Arc<Context>, lane: Lane) -> Self {
        Self { context, lane, consumer: None, received: None, parked: 0 }
    }

    /// Waits for the next delivery; `None` when the broker has ended the consumer. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`solvemesh_broker::Mesh::consume`].
    pub(crate) async fn next(&mut self) -> Result<Option<Delivery>, MeshError> {
        if let Some(delivery) = self.received.take() {
            return Ok(Some(delivery));
        }
        let prefetch = self.prefetch();
        let consumer = match &mut self.consumer {
            Some(consumer) => consumer,
            none => {
                // Until this worker has read all cancels, the jobs are left to other workers.
                self.context.cancels.caught_up().await;
                none.insert(self.context.mesh.consume(&self.lane, prefetch).await?)
            }
        };
        Ok(consumer.next().await)
    }

    /// The deliveries that are here already, as long as they meet a condition, at most `count`.
    pub(crate) fn more_that(
        &mut self,
        count: usize,
        condition: impl Fn(&Delivery) -> bool,
    ) -> Vec<Delivery> {
        let mut more = Vec::new();
        while more.len() < count
            && self.received.is_none()
            && let Some(next) = self.consumer.as_mut().and_then(Consumer::try_next)
        {
            if condition(&next) { more.push(next) } else { self.received = Some(next) }
        }
        more
    }

    /// Closes the consumer, so that the broker requeues the prefetched jobs. The lane is consumed
    /// again, on a new channel, when the slot asks for the next job.
    pub(crate) fn pause(&mut self) {
        self.consumer = None;
        self.received = None;
        self.parked = 0;
    }

    /// Counts the last delivery as parked: it stays unsettled for long. Once parked jobs fill the
    /// prefetch of the consumer, it gets no more jobs and is replaced.
    pub(crate) fn park(&mut self) {
        self.parked += 1;
        if self.parked >= self.prefetch() {
            self.pause();
        }
    }

    /// Whether prefetched jobs may wait here while the slot is busy.
    pub(crate) fn may_hold_others(&self) -> bool {
        self.prefetch() > 1
    }

    fn prefetch(&self) -> u16 {
        self.context.config.prefetch(&self.lane)
    }
}
