//! What happens when a mapped file is cut short while it is read: the system sends SIGBUS, whose
//! default is to die without a word. Belongs to the memory map and its `unsafe`.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A watched map. The message is leaked when it is replaced, never freed: the handler may be reading it.
struct Watched {
    start: AtomicUsize,
    end: AtomicUsize,
    message: AtomicPtr<CString>,
}

const MOST: usize = 256;
static WATCHED: [Watched; MOST] = [const {
    Watched { start: AtomicUsize::new(0), end: AtomicUsize::new(0), message: AtomicPtr::new(null_mut()) }
}; MOST];
/// A file that shall not outlive a run that dies in the handler.
static UNFINISHED: AtomicPtr<CString> = AtomicPtr::new(null_mut());

/// Has the file named if reading these addresses fails. With very many maps some go unnamed.
pub(super) fn watch(path: &Path, start: usize, len: usize) {
    install();
    let text = format!(
        "{}: {}: the file was cut short or its device failed while it was read; \
         leave the files alone during a run, or read them as Parquet\n",
        crate::error::program(),
        path.display()
    );
    let Ok(text) = CString::new(text) else { return };
    for slot in &WATCHED {
        if slot.start.compare_exchange(0, start, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            slot.message.store(Box::into_raw(Box::new(text)), Ordering::SeqCst);
            slot.end.store(start + len, Ordering::SeqCst);
            return;
        }
    }
}

/// Ends the watch of the map that starts there.
pub(super) fn forget(start: usize) {
    for slot in &WATCHED {
        if slot.start.load(Ordering::SeqCst) == start {
            slot.end.store(0, Ordering::SeqCst);
            slot.start.store(0, Ordering::SeqCst);
        }
    }
}

/// Names the file to remove if the run dies in the handler; `None` once it is finished.
pub fn set_unfinished(path: Option<&Path>) {
    let path = path.and_then(|p| CString::new(p.as_os_str().as_bytes()).ok());
    UNFINISHED.store(path.map_or(null_mut(), |p| Box::into_raw(Box::new(p))), Ordering::SeqCst);
}

/// Removes that file, for a run that is about to end without further ado.
pub fn remove_unfinished() {
    // SAFETY: a message is never freed once it is stored.
    if let Some(path) = unsafe { UNFINISHED.load(Ordering::SeqCst).as_ref() } {
        let _ = std::fs::remove_file(OsStr::from_bytes(path.as_bytes()));
    }
}

/// Has writing beyond the limit of a file's size (`ulimit -f`) fail like writing to a full disk, instead of ending the
/// program.
pub fn ignore_file_limit() {
    // SAFETY: no handler is involved.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the struct is filled as sigaction(2) asks; the handler calls nothing but
        // functions that are safe in a handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGBUS, &action, null_mut());
        }
    });
}

extern "C" fn handle(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system passes a valid `info`; messages are never freed; `write`, `unlink`, `signal` and
    // `_exit` may be called in a handler. Threads that fail at the same time all come here: one of them
    // ends the process. For a foreign address the default is restored, and the access fails again.
    unsafe {
        let address = (*info).si_addr() as usize;
        for slot in &WATCHED {
            if (slot.start.load(Ordering::SeqCst)..slot.end.load(Ordering::SeqCst)).contains(&address) {
                let message = slot.message.load(Ordering::SeqCst);
                if let Some(message) = message.as_ref() {
                    let bytes = message.as_bytes();
                    libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len());
                }
                if let Some(path) = UNFINISHED.load(Ordering::SeqCst).as_ref() {
                    libc::unlink(path.as_ptr());
                }
                libc::_exit(1);
            }
        }
        libc::signal(libc::SIGBUS, libc::SIG_DFL);
    }
}
