//! Where in a policy's code a call failed: its functions by name, and by line where the compiler kept lines.

use std::fmt;

use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

use super::v0_2::convert::one_line;

/// Functions in a message, the innermost first.
const FRAMES: usize = 5;
/// Bytes of a name, and of a file's path.
const NAME_BYTES: usize = 120;

/// Crates whose functions lie between a policy's own and what went wrong.
const BENEATH: [&str; 8] =
    ["std", "core", "alloc", "gingham_sdk", "wit_bindgen", "dlmalloc", "rustc_demangle", "panic_abort"];
/// Functions of C's library that a C policy gets with its own.
const OF_C: [&str; 8] = ["abort", "malloc", "calloc", "realloc", "free", "memcpy", "memmove", "memset"];

/// The functions that were being called, the innermost first. Empty if the component has no names for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backtrace {
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    function: String,
    /// `FILE:LINE`
    line: Option<String>,
}

impl Backtrace {
    pub(super) fn of(error: &wasmtime::Error) -> Self {
        let Some(captured) = error.downcast_ref::<WasmBacktrace>() else { return Self::default() };
        let mut all: Vec<Frame> = captured.frames().iter().flat_map(frames_of).collect();
        // Recursion fills the whole of what is captured.
        all.dedup_by(|later, earlier| later.function == earlier.function);
        let has_own = all.iter().any(|frame| is_of_policy(&frame.function));
        let shown = all.into_iter().filter(|frame| !has_own || is_of_policy(&frame.function));
        Self { frames: shown.take(FRAMES).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub fn has_lines(&self) -> bool {
        self.frames.iter().any(|frame| frame.line.is_some())
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Frame { function, line }) in self.frames.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " <- " })?;
            f.write_str(function)?;
            line.as_ref().map_or(Ok(()), |line| write!(f, " ({line})"))?;
        }
        Ok(())
    }
}

/// One function of the machine code, or with debug information those that were inlined into it as well.
fn frames_of(frame: &FrameInfo) -> Vec<Frame> {
    let inlined: Vec<Frame> = frame.symbols().iter().filter_map(of_symbol).collect();
    if !inlined.is_empty() {
        return inlined;
    }
    let named = frame.func_name().map(|name| Frame { function: shown(name), line: None });
    named.into_iter().collect()
}

fn of_symbol(symbol: &FrameSymbol) -> Option<Frame> {
    let line = symbol.file().zip(symbol.line()).map(|(file, line)| format!("{}:{line}", one_line(file, NAME_BYTES)));
    Some(Frame { function: shown(symbol.name()?), line })
}

/// The name as its author wrote it. It is foreign text like every other of a component.
fn shown(name: &str) -> String {
    one_line(&format!("{:#}", rustc_demangle::demangle(name)), NAME_BYTES)
}

/// Whether a function is the author's own, as far as its name shows.
fn is_of_policy(function: &str) -> bool {
    let is_wrapper = function.contains("_cabi") || function.contains('#') || function.contains("gingham:ipam");
    let is_adapter = function.starts_with("adapter ") || function.starts_with("__") || function.starts_with("rust_");
    !is_wrapper && !is_adapter && !BENEATH.contains(&crate_of(function)) && !OF_C.contains(&function)
}

/// `bad` of `<bad::Bad as core::fmt::Debug>::fmt`
fn crate_of(function: &str) -> &str {
    let path = function.trim_start_matches(['<', '&', '*', '[', '(']);
    let path = path.strip_prefix("dyn ").or_else(|| path.strip_prefix("mut ")).unwrap_or(path);
    path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_functions_are_told_from_those_around_them() {
        for own in [
            "bad::pick_from_table",
            "<bad::Bad as gingham_sdk::guest::Policy>::allocate",
            "<&bad::Table as core::ops::index::Index<usize>>::index",
            "bad::allocate::{{closure}}",
            "pick",
            "exports_gingham_ipam_allocator_allocate",
        ] {
            assert!(is_of_policy(own), "{own}");
        }
        for around in [
            "core::panicking::panic_fmt",
            "<core::iter::adapters::map::Map<I,F> as core::iter::traits::iterator::Iterator>::next",
            "<gingham_sdk::plain::Plain<P> as gingham_sdk::bindings::Guest>::allocate",
            "rust_begin_unwind",
            "__rustc::rust_begin_unwind",
            "gingham:ipam/allocator@0.2.0#allocate",
            "bad::_export_allocate_cabi",
            "abort",
        ] {
            assert!(!is_of_policy(around), "{around}");
        }
    }

    #[test]
    fn names_are_demangled_and_bounded() {
        assert_eq!(shown("_ZN3bad4pick17h0123456789abcdefE"), "bad::pick");
        assert_eq!(shown("pick\n\u{1b}[2J"), "pick \\u{1b}[2J");
        assert!(shown(&"x".repeat(10_000)).len() <= NAME_BYTES + '…'.len_utf8());
    }
}
