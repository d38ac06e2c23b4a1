use std::{
    borrow::Cow,
    ffi::{CStr, c_char, c_int, c_void},
    slice,
};

use highs_sys::{self as sys, HighsCallbackDataIn, HighsCallbackDataOut, HighsInt};

use super::Scale;

/// What HiGHS tells while it runs. Numbers that are not known yet are infinite.
#[derive(Clone, Debug)]
pub(crate) enum Sight<'a> {
    /// The simplex or the interior point method is at work on an LP.
    Lp {
        /// Its iterations so far.
        iterations: i64,
    },
    /// Branch and bound is at work.
    Mip(MipSight),
    /// Branch and bound found a better solution: the value of each variable.
    Improved(MipSight, &'a [f64]),
    /// HiGHS wrote into its log: pieces of lines.
    Log(Cow<'a, str>),
}

/// How far branch and bound has come, in the sense as submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MipSight {
    /// The objective of the best solution.
    pub objective: f64,
    /// The best proven bound.
    pub bound: f64,
    /// Nodes.
    pub nodes: i64,
    /// Iterations of all LPs.
    pub iterations: i64,
}

impl MipSight {
    /// In the units of the model as it was passed.
    pub(super) fn unscaled(self, scale: &Scale) -> Self {
        let (objective, bound) = (scale.unrunning(self.objective), scale.unrunning(self.bound));
        Self { objective, bound, ..self }
    }
}

/// Sees what HiGHS tells, and says whether it is to go on. Called from whatever thread
/// HiGHS is on, and often: every simplex iteration.
pub(crate) type Observer<'a> = dyn Fn(Sight<'_>) -> bool + Sync + 'a;

/// The events of HiGHS that [`trampoline`] understands.
pub(super) const EVENTS: [HighsInt; 4] = [
    sys::kHighsCallbackSimplexInterrupt,
    sys::kHighsCallbackIpmInterrupt,
    sys::kHighsCallbackMipInterrupt,
    sys::kHighsCallbackMipImprovingSolution,
];

/// The event of HiGHS's log, which [`trampoline`] understands too.
pub(super) const LOGGING: HighsInt = sys::kHighsCallbackLogging;

/// Passes an event of HiGHS on to the observer. A panic in there aborts the process,
/// as it must: HiGHS can't be unwound.
///
/// # Safety
///
/// `observer` points to an `&Observer` that lives as long as HiGHS may call, and the
/// other pointers are HiGHS's own.
pub(super) unsafe extern "C" fn trampoline(
    event: c_int,
    message: *const c_char,
    out: *const HighsCallbackDataOut,
    answer: *mut HighsCallbackDataIn,
    observer: *mut c_void,
) {
    // SAFETY: HiGHS hands out a struct on its stack; the caller vouches for `observer`.
    let (Some(out), Some(observer)) =
        (unsafe { (out.as_ref(), observer.cast::<&Observer<'_>>().as_ref()) })
    else {
        return;
    };
    let go_on = match event {
        sys::kHighsCallbackLogging => {
            if !message.is_null() {
                // SAFETY: a text on HiGHS's stack that ends with a zero.
                let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
                // HiGHS asks for no answer here; the next interrupt event gets it.
                let _ = observer(Sight::Log(text));
            }
            return;
        }
        sys::kHighsCallbackSimplexInterrupt => {
            observer(Sight::Lp { iterations: out.simplex_iteration_count.into() })
        }
        sys::kHighsCallbackIpmInterrupt => {
            observer(Sight::Lp { iterations: out.ipm_iteration_count.into() })
        }
        sys::kHighsCallbackMipInterrupt => observer(Sight::Mip(mip(out))),
        sys::kHighsCallbackMipImprovingSolution => {
            // SAFETY: for this event HiGHS points to a vector of the size it tells.
            let values = unsafe { values(out) };
            // HiGHS asks for no answer here; the next interrupt event gets it.
            let sight = MipSight { objective: out.objective_function_value, ..mip(out) };
            let _ = observer(Sight::Improved(sight, values));
            return;
        }
        _ => return,
    };
    // SAFETY: null or a struct on HiGHS's stack.
    if let Some(answer) = unsafe { answer.as_mut() } {
        answer.user_interrupt = (!go_on).into();
    }
}

fn mip(out: &HighsCallbackDataOut) -> MipSight {
    MipSight {
        objective: out.mip_primal_bound,
        bound: out.mip_dual_bound,
        nodes: out.mip_node_count,
        iterations: out.mip_total_lp_iterations,
    }
}

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
