//! The allocators of the programs, and what a solver process does when memory runs out.
//!
//! A solver process exits at once when an allocation fails: solvers do not handle it reliably (an
//! exception that is caught halfway, an abort, a crash). The worker recognises the cause by
//! the exit code.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::CStr,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};

use mimalloc::MiMalloc;

/// The exit code of a solver process whose allocation failed.
pub const OUT_OF_MEMORY: i32 = 4;

/// Whether this process exits when an allocation fails.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// Set in the environment of a solver process by the worker that starts it.
pub const SOLVER_PROCESS: &CStr = c"SOLVEMESH_SOLVER_PROCESS";

/// The allocator of a program that may run as a solver process; such a program declares it as its
/// `#[global_allocator]`.
///
/// In a solver process it is the system's allocator, which HiGHS uses too, and whose memory can be
/// limited to what is in use; it exits with [`OUT_OF_MEMORY`] when an allocation fails. In any
/// other process it is mimalloc, which takes a fifth off the CPU time of gateways and workers.
#[derive(Debug)]
pub struct Allocator;

/// Which allocator this process uses. Decided by its first allocation, and never changed: a block
/// has to be freed by the allocator that it came from.
static CHOICE: AtomicU8 = AtomicU8::new(UNDECIDED);

const UNDECIDED: u8 = 0;
const SYSTEM: u8 = 1;
const MIMALLOC: u8 = 2;

/// Whether this process uses the system's allocator.
#[inline]
fn uses_system() -> bool {
    match CHOICE.load(Ordering::Relaxed) {
        UNDECIDED => decide(),
        choice => choice == SYSTEM,
    }
}

/// Decides. If several threads do so at once, all decide the same.
#[cold]
fn decide() -> bool {
    // SAFETY: the name is a C string. `std::env` would allocate. The environment is not changed:
    // before its first allocation, a program cannot have started to.
    let is_solver = unsafe { !libc::getenv(SOLVER_PROCESS.as_ptr()).is_null() };
    CHOICE.store(if is_solver { SYSTEM } else { MIMALLOC }, Ordering::Relaxed);
    is_solver
}

// SAFETY: every call is forwarded to one of two allocators, in a process always to the same.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe {
            if uses_system() { System.alloc(layout) } else { MiMalloc.alloc(layout) }
        })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe {
            if uses_system() { System.alloc_zeroed(layout) } else { MiMalloc.alloc_zeroed(layout) }
        })
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe {
            if uses_system() {
                System.realloc(block, layout, size)
            } else {
                MiMalloc.realloc(block, layout, size)
            }
        })
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe {
            if uses_system() {
                System.dealloc(block, layout)
            } else {
                MiMalloc.dealloc(block, layout)
            }
        }
    }
}

/// Exits if the allocation of a block failed in a solver process; otherwise returns the block.
fn checked(block: *mut u8) -> *mut u8 {
    if block.is_null() && ENABLED.load(Ordering::Relaxed) {
        exit();
    }
    block
}

/// Exits without running destructors: they may allocate too.
extern "C" fn exit() {
    // SAFETY: ends the process without touching any memory of it.
    unsafe { libc::_exit(OUT_OF_MEMORY) }
}

unsafe extern "C" {
    /// What C++'s `new` calls when an allocation fails; see `native/cpp_runtime.c`.
    static mut solvemesh_new_handler: Option<extern "C" fn()>;
}

/// Makes this process exit with [`OUT_OF_MEMORY`] when an allocation fails, in Rust's allocator or
/// in C++'s `new`.
pub(crate) fn exit_on_failed_allocation() {
    // Relaxed is enough: this runs before the process has other threads.
    ENABLED.store(true, Ordering::Relaxed);
    // SAFETY: the handler is a function that never returns, and calls nothing that allocates. No
    // other thread reads it yet.
    unsafe { solvemesh_new_handler = Some(exit) };
}

/// Makes this process the first choice of the kernel's OOM killer, before its worker.
pub(crate) fn raise_oom_score() {
    // A process may always raise its own score. Where this does not exist, the kernel chooses.
    let _ = std::fs::write("/proc/self/oom_score_adj", "900");
}
