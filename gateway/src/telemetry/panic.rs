//! What is said of a panic: where it was, and its message only if it is the program's own.
//!
//! The standard hook prints the whole message. That of a string cut in the middle of a character, and that of `unwrap` on an error, quote what
//! they failed on, which here is a client's data.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Replaces the standard hook. Called once, first of all.
pub fn keep_data_out_of_panics() {
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let (message, place) = (message(panic.payload()), place(panic));
        let trace = Backtrace::capture();
        // The log's format, where a log was started.
        if tracing::dispatcher::has_been_set() {
            tracing::error!(thread = thread.name(), place, "a bug in data-vault: {message}");
        } else {
            eprintln!("data-vault: a bug, at {place}: {message}");
        }
        // Places of code, no values.
        if trace.status() == BacktraceStatus::Captured {
            eprintln!("{trace}");
        }
    }));
}

/// The message if it stands in the program as it is. One that was put together may hold anything.
fn message(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref().copied().unwrap_or("its message may quote data and is left out")
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_of_the_program_are_told() {
        let text = String::from("Müller, 4111 1111 1111 1111");
        let cut = panic::catch_unwind(|| text[..2].len()).unwrap_err();
        assert!(cut.downcast_ref::<String>().is_some_and(|message| message.contains("Müller")), "why this is needed");
        assert_eq!(message(&*cut), "its message may quote data and is left out");
        let own = panic::catch_unwind(|| panic!("no such state")).unwrap_err();
        assert_eq!(message(&*own), "no such state");
    }
}
