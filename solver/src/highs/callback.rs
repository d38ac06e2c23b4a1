//! The events of a running HiGHS, and the C callback that receives them.

use std::{
    borrow::Cow,
    ffi::{CStr, c_char, c_int, c_void},
    slice,
};

use highs_sys::{self as sys, HighsCallbackDataIn, HighsCallbackDataOut, HighsInt};

use super::Scale;

/// An event that HiGHS reports while it runs. Numbers that are not known yet are infinite.
#[derive(Clone, Debug)]
pub(crate) enum CallbackEvent<'a> {
    /// The simplex or the interior point method is solving an LP.
    Lp {
        /// Iterations so far.
        iterations: i64,
    },
    /// Branch and bound is running.
    Mip(MipProgress),
    /// Branch and bound found a better solution, the new incumbent: the value of each variable.
    Incumbent(MipProgress, &'a [f64]),
    /// HiGHS wrote a piece of its log, not necessarily whole lines.
    Log(Cow<'a, str>),
}

/// The progress of branch and bound, in the sense as submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MipProgress {
    /// The objective of the best solution.
    pub objective: f64,
    /// The best proven bound.
    pub bound: f64,
    /// Nodes so far.
    pub nodes: i64,
    /// Iterations so far, of all LPs.
    pub iterations: i64,
}

impl MipProgress {
    /// Converts objective and bound to the units of the model as it was passed.
    pub(super) fn unscaled(self, scale: &Scale) -> Self {
        let (objective, bound) =
            (scale.unscale_running(self.objective), scale.unscale_running(self.bound));
        Self { objective, bound, ..self }
    }
}

/// Handles an event; false asks HiGHS to stop. It is called on any thread of HiGHS, and often: in
/// every simplex iteration.
pub(crate) type Observer<'a> = dyn Fn(CallbackEvent<'_>) -> bool + Sync + 'a;

/// The callback types of HiGHS that [`trampoline`] handles in every solve.
pub(super) const EVENTS: [HighsInt; 4] = [
    sys::kHighsCallbackSimplexInterrupt,
    sys::kHighsCallbackIpmInterrupt,
    sys::kHighsCallbackMipInterrupt,
    sys::kHighsCallbackMipImprovingSolution,
];

/// The callback type of HiGHS's log, which [`trampoline`] handles too, if the log is requested.
pub(super) const LOGGING: HighsInt = sys::kHighsCallbackLogging;

/// The callback that HiGHS calls: passes an event on to the observer. A panic of the observer
/// aborts the process, as it must: HiGHS can't be unwound.
///
/// # Safety
///
/// `observer` points to an `&Observer` that lives as long as HiGHS may call this function, and the
/// other pointers are HiGHS's own.
pub(super) unsafe extern "C" fn trampoline(
    event: c_int,
    message: *const c_char,
    out: *const HighsCallbackDataOut,
    answer: *mut HighsCallbackDataIn,
    observer: *mut c_void,
) {
    // SAFETY: HiGHS passes a struct on its stack; the caller guarantees `observer`.
    let (Some(out), Some(observer)) =
        (unsafe { (out.as_ref(), observer.cast::<&Observer<'_>>().as_ref()) })
    else {
        return;
    };
    let keep_running = match event {
        sys::kHighsCallbackLogging => {
            if !message.is_null() {
                // SAFETY: a text on HiGHS's stack that ends with a zero byte.
                let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
                // HiGHS reads no answer here; the observer repeats it at the next interrupt event.
                let _ = observer(CallbackEvent::Log(text));
            }
            return;
        }
        sys::kHighsCallbackSimplexInterrupt => {
            observer(CallbackEvent::Lp { iterations: out.simplex_iteration_count.into() })
        }
        sys::kHighsCallbackIpmInterrupt => {
            observer(CallbackEvent::Lp { iterations: out.ipm_iteration_count.into() })
        }
        sys::kHighsCallbackMipInterrupt => observer(CallbackEvent::Mip(mip(out))),
        sys::kHighsCallbackMipImprovingSolution => {
            // SAFETY: for this event HiGHS points to a vector of the size in `out`.
            let values = unsafe { values(out) };
            // HiGHS reads no answer here; the observer repeats it at the next interrupt event.
            let event = MipProgress { objective: out.objective_function_value, ..mip(out) };
            let _ = observer(CallbackEvent::Incumbent(event, values));
            return;
        }
        _ => return,
    };
    // SAFETY: null or a struct on HiGHS's stack.
    if let Some(answer) = unsafe { answer.as_mut() } {
        answer.user_interrupt = (!keep_running).into();
    }
}

fn mip(out: &HighsCallbackDataOut) -> MipProgress {
    MipProgress {
        objective: out.mip_primal_bound,
        bound: out.mip_dual_bound,
        nodes: out.mip_node_count,
        iterations: out.mip_total_lp_iterations,
    }
}

/// The values of the new solution; empty if HiGHS passes none.
///
/// # Safety
///
/// `mip_solution` is null or points to `mip_solution_size` numbers that outlive `out`.
unsafe fn values(out: &HighsCallbackDataOut) -> &[f64] {
    match usize::try_from(out.mip_solution_size) {
        Ok(size) if !out.mip_solution.is_null() => {
            // SAFETY: as above.
            unsafe { slice::from_raw_parts(out.mip_solution, size) }
        }
        _ => &[],
    }
}
