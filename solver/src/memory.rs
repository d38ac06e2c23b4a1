//! Exits the process at once when an allocation fails: solvers do not handle it reliably (an
//! exception that is caught halfway, an abort, a crash). The worker recognises the cause by
//! the exit code.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, Ordering},
};

/// The exit code of a solver process whose allocation failed.
pub const OUT_OF_MEMORY: i32 = 4;

/// Whether this process exits when an allocation fails.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// The system's allocator, which in a solver process exits with [`OUT_OF_MEMORY`] when an
/// allocation fails. In any other process it changes nothing. A program that may run as a solver
/// process declares it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct ExitOnOom;

// SAFETY: every call is forwarded to the system's allocator.
unsafe impl GlobalAlloc for ExitOnOom {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(block, layout) }
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
    /// `std::set_new_handler` of C++.
    #[link_name = "_ZSt15set_new_handlerPFvvE"]
    fn set_new_handler(handler: Option<extern "C" fn()>) -> Option<extern "C" fn()>;
}

/// Makes this process exit with [`OUT_OF_MEMORY`] when an allocation fails, in Rust's allocator or
/// in C++'s `new`.
pub(crate) fn exit_on_failed_allocation() {
    // Relaxed is enough: this runs before the process has other threads.
    ENABLED.store(true, Ordering::Relaxed);
    // SAFETY: the handler is a function that never returns, and calls nothing that allocates.
    unsafe { set_new_handler(Some(exit)) };
}
