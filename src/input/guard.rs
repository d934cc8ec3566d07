//! The guard: a decoder may panic on bytes it does not expect; that must become an error.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::error::{Error, Result};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, a decoder's; a panic in it becomes an error with the panic's message. Whatever `work` was changing
/// must not be used again after an error.
///
/// # Errors
/// Those of `work`, or its panic.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(work).unwrap_or_else(|message| {
        Err(Error::data(format!("the decoder gave up on the data ({message})"))
            .remedy("the file may be damaged: write or copy it again"))
    })
}

/// Runs `work`.
///
/// # Errors
/// The message of its panic, which is printed nowhere else.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                print(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.map_err(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let error = guarded::<()>(|| panic!("index {} out of range", 7)).unwrap_err();
        assert!(error.to_string().contains("index 7 out of range"));
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
