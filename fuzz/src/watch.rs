//! What ends the process: panics that are findings, and too much memory.

use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::panic::{set_hook, take_hook};
use std::process;
use std::sync::{Mutex, Once};

use millstream::input::guarded;

/// The most address space that there is for reading text and models, and for formats of which Arrow's readers make room,
/// of which they may use nothing, for what a page's header says: up to 2 GiB. An allocation that fails ends the process.
/// (libFuzzer's own limit of single allocations needs a sanitizer, with which targets take far longer to build and to run.)
const MOST: u64 = 1 << 30;
const MOST_WITH_ARROW: u64 = 7 << 29;

/// Ends the process at a panic, guarded or not, but for guarded ones of others' decoders if the format has
/// such. Of those each place is shown once. From now on address space is limited.
pub(crate) fn watch(decoders_of_others: bool) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let most = if decoders_of_others { MOST_WITH_ARROW } else { MOST };
        rlimit::setrlimit(rlimit::Resource::AS, most, most).expect("a limit can be set");
        // The guard's own hook comes before this one, or it would hide what is guarded.
        let _ = guarded(|| Ok(()));
        let before = take_hook();
        let places = Mutex::new(HashMap::<Option<String>, usize>::new());
        set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string);
            let times =
                places.lock().unwrap().entry(place).and_modify(|times| *times += 1).or_default().to_owned();
            // To find out who called takes longer than all else: a place that was theirs so often is theirs.
            if !decoders_of_others || times < 50 {
                let trace = Backtrace::force_capture().to_string();
                if !decoders_of_others || is_ours(&trace) {
                    eprintln!("{info}\n{trace}");
                    process::abort();
                }
                if times == 0 {
                    eprintln!("GUARDED {info}\n{trace}");
                }
            }
            before(info);
        }));
    });
}

/// Whether millstream comes before any decoder of others in the stack of calls, from its top on.
fn is_ours(trace: &str) -> bool {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/").replace("/fuzz/..", "");
    let mut calls = trace.lines().map(|line| {
        line.trim_start_matches([' ', ':', '<', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    });
    calls
        .find_map(|call| {
            let is_decoder = call.starts_with("parquet::") || call.starts_with("arrow_ipc::");
            // What the crate says of a footer is asked by millstream, too.
            if is_decoder && !call.starts_with("parquet::file::metadata") {
                return Some(false);
            }
            let is_inlined = call.starts_with("at ") && call.contains(&source);
            (call.starts_with("millstream::") || is_inlined).then_some(true)
        })
        .unwrap_or(true)
}
