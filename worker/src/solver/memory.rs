//! The end of a solver process that is refused memory. What a solver would make of that is
//! anyone's guess (an exception that is caught halfway, an abort, a crash), so it does not
//! come to that: the process ends at once, in a way that its worker knows.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, Ordering},
};

/// The exit code of a solver process that was refused memory.
pub(crate) const OUT_OF_MEMORY: i32 = 4;

/// Whether this process ends when it is refused memory.
static ENDS: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// The system's allocator, and an eye on what it refuses.
struct Watched;

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller.
        given(unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(block, layout) }
    }
}

fn given(block: *mut u8) -> *mut u8 {
    if block.is_null() && ENDS.load(Ordering::Relaxed) {
        end();
    }
    block
}

/// Ends without another word: a destructor may want memory too.
extern "C" fn end() {
    // SAFETY: takes and touches nothing.
    unsafe { libc::_exit(OUT_OF_MEMORY) }
}

unsafe extern "C" {
    /// `std::set_new_handler` of C++.
    #[link_name = "_ZSt15set_new_handlerPFvvE"]
    fn set_new_handler(handler: Option<extern "C" fn()>) -> Option<extern "C" fn()>;
}

/// From now on this process ends with [`OUT_OF_MEMORY`] when it is refused memory, by
/// Rust's allocator or C++'s `new`.
pub(super) fn end_without() {
    ENDS.store(true, Ordering::Relaxed);
    // SAFETY: the handler is a function without an end, and calls nothing that allocates.
    unsafe { set_new_handler(Some(end)) };
}
