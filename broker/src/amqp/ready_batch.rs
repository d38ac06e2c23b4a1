//! Polls a set of futures for all outputs that are ready, not just the first.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::{Stream, stream::FuturesUnordered};

/// Waits until some of `futures` are ready, and returns the outputs of *all* that are ready.
///
/// Never skips an earlier one: if A became ready before B on the same thread and B is returned,
/// then A is returned with it or was returned before. [`FuturesUnordered`] by itself does not
/// promise that: it polls in the order in which futures were woken, for whatever reason. Matching
/// returned messages with their confirms depends on it, see [`unroutable`](super::unroutable).
/// Pending while `futures` is empty.
///
/// Do not use it with tokio's resources: their cooperative budget can make a ready future report
/// `Pending`.
pub(super) fn ready_batch<F: Future + Unpin>(
    futures: &mut FuturesUnordered<F>,
) -> impl Future<Output = Vec<F::Output>> {
    poll_fn(|cx| {
        let mut ready = Vec::new();
        loop {
            let woken = Arc::new(Woken { flag: AtomicBool::new(false), waker: cx.waker().clone() });
            let waker = Waker::from(Arc::clone(&woken));
            match Pin::new(&mut *futures).poll_next(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(output)) => ready.push(output),
                // Woken during the poll: `FuturesUnordered` yielded before it had polled all
                // futures, or one became ready just now. Poll again.
                Poll::Pending if woken.flag.load(Ordering::Acquire) => {}
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(ready) }
    })
}

/// A waker that also records whether it was called.
struct Woken {
    flag: AtomicBool,
    waker: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.flag.store(true, Ordering::Release);
        self.waker.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, channel::oneshot};

    use super::*;

    #[tokio::test]
    async fn all_ready_outputs_are_returned_in_one_batch() {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..1000).map(|_| oneshot::channel::<usize>()).unzip();
        let mut futures: FuturesUnordered<_> = receivers.into_iter().collect();
        assert!(ready_batch(&mut futures).now_or_never().is_none());
        let mut later = Vec::new();
        for (n, sender) in senders.into_iter().enumerate() {
            if n % 10 == 0 { later.push(sender) } else { assert_eq!(sender.send(n), Ok(())) }
        }
        assert_eq!(ready_batch(&mut futures).await.len(), 900);
        drop(later);
        assert_eq!(ready_batch(&mut futures).await.len(), 100);
        assert!(ready_batch(&mut futures).now_or_never().is_none());
    }
}
