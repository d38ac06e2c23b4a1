//! Rays: the numbers that prove a model infeasible or unbounded.

use std::ffi::c_void;

use highs_sys as sys;

use super::{Highs, Observer};

/// A function of HiGHS that writes whether there is a ray, and its entries.
type Getter = unsafe extern "C" fn(*const c_void, *mut sys::HighsInt, *mut f64) -> sys::HighsInt;

impl Highs {
    /// The dual ray of a model that HiGHS found infeasible, ignoring integrality: a number for
    /// each row. If HiGHS has none yet, it solves again. `None` if it finds none within the time
    /// limit, which counts from this call.
    pub(crate) fn dual_ray(&mut self, observer: &Observer<'_>) -> Option<Vec<f64>> {
        // SAFETY: `instance` is alive.
        let rows = unsafe { sys::Highs_getNumRow(self.raw()) };
        self.ray(sys::Highs_getDualRay, rows, observer)
    }

    /// As [`Self::dual_ray`], for an unbounded model: a step for each column.
    pub(crate) fn primal_ray(&mut self, observer: &Observer<'_>) -> Option<Vec<f64>> {
        // SAFETY: `instance` is alive.
        let columns = unsafe { sys::Highs_getNumCol(self.raw()) };
        self.ray(sys::Highs_getPrimalRay, columns, observer)
    }

    fn ray(
        &mut self,
        get: Getter,
        entries: sys::HighsInt,
        observer: &Observer<'_>,
    ) -> Option<Vec<f64>> {
        let mut ray = vec![0.0; usize::try_from(entries).ok()?];
        let mut found = 0;
        // Observed like a run, because HiGHS may solve again to find a ray.
        let status = self.observed(observer, |highs| {
            // SAFETY: `highs` is alive and not used elsewhere; the ray has as many entries as the
            // model has rows or columns, whichever the getter writes.
            unsafe { get(highs, &mut found, ray.as_mut_ptr()) }
        });
        (status != sys::kHighsStatusError && found != 0).then_some(ray)
    }
}
