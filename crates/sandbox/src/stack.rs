//! How much of the calling thread's own stack is left.
//!
//! Guests run on the stack of the thread that calls them, and functions call functions through SQL.
//! Running out of the thread's stack would end the whole process, so it is measured before each entry.

#![allow(unsafe_code)]

use std::cell::Cell;

thread_local! {
    static LOWEST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Bytes between here and the end of this thread's stack; 0 where the system does not say.
pub fn remaining() -> usize {
    let here = 0u8;
    let lowest = LOWEST.get().or_else(|| {
        let found = lowest_address();
        LOWEST.set(found);
        found
    });
    lowest.map_or(0, |lowest| (&raw const here as usize).saturating_sub(lowest))
}

fn lowest_address() -> Option<usize> {
    // SAFETY: `attributes` is filled by the first call before it is read by the second, and destroyed
    // once; the calls only ask about the current thread.
    unsafe {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let mut lowest = std::ptr::null_mut();
        let mut size = 0;
        let outcome = libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (outcome == 0).then_some(lowest as usize)
    }
}
