//! The call of clang.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{LIBRARY, source_of};
use crate::{DebugInformation, Manifest, Program, ToolchainError};

const INSTALL: &str = "apt-get install clang lld wasi-libc";

pub(super) const CLANG: Program = Program { name: "clang", install: INSTALL };
/// clang starts it.
pub(super) const LINKER: Program = Program { name: "wasm-ld", install: INSTALL };
const LIBC: Program = Program { name: "wasi-libc", install: INSTALL };
/// A package that wasi-libc recommends: images of containers often leave those out.
const RUNTIME: Program =
    Program { name: "clang's runtime for wasm32", install: "apt-get install libclang-rt-dev-wasm32" };

/// What clang and its linker print where a package is missing.
const MISSING: [(&str, Program); 5] = [
    ("wasm-ld\" doesn't exist", LINKER),
    ("'stdio.h' file not found", LIBC),
    ("'wasi/api.h' file not found", LIBC),
    ("unable to find library -lc", LIBC),
    ("libclang_rt.builtins-wasm32.a: No such file", RUNTIME),
];

/// Sources of every policy, besides the author's.
const LIBRARY_SOURCES: [&str; 6] = ["policy.c", "gingham.c", "json.c", "addresses.c", "allocator.c", "output.c"];

/// `compile_flags.txt` of the template has those that matter to editors.
const OPTIONS: [&str; 15] = [
    "--target=wasm32-wasi",
    "-std=gnu17",
    "-O2",
    "-Wall",
    "-Wextra",
    // A function that is called without a declaration gets the wrong type, and the call is a trap.
    "-Werror=implicit-function-declaration",
    // The same source is to give the same bytes.
    "-Werror=date-time",
    // Address 0 is memory like any other here, and an index out of bounds changes other data: these are traps instead.
    "-fsanitize=undefined",
    "-fsanitize-trap=undefined",
    "-nostartfiles",
    "-Wl,--no-entry",
    // A stack that overflows leaves the memory instead of running into the data.
    "-Wl,--stack-first",
    "-Wl,-z,stack-size=262144",
    "-I",
    LIBRARY,
];

/// wasi-libc has debug information; function names stay.
const NAMES: &[&str] = &["-Wl,--strip-debug"];
/// Paths are those in the policy's directory.
const LINES: &[&str] = &["-g", "-fdebug-compilation-dir=."];

/// Compiles the policy in a directory and links it with the contract's object file to the module. Returns the warnings.
pub(super) fn link(
    directory: &Path,
    manifest: &Manifest,
    debug: DebugInformation,
    (contract, module): (&Path, &Path),
) -> Result<String, ToolchainError> {
    let exports = &manifest.exports;
    let contract = absolute(contract)?;
    let module = absolute(module)?;
    let library = LIBRARY_SOURCES.into_iter().map(str::to_owned).chain(exports.iter().copied().map(source_of));
    let mut command = CLANG.command();
    // Paths are relative to it, so that none of this machine is in the policy.
    command.current_dir(directory).args(OPTIONS);
    command.args(if debug == DebugInformation::Lines { LINES } else { NAMES });
    command.arg("-o").arg(module).arg(contract);
    command.args(own_sources(directory)?).args(library.map(|name| format!("{LIBRARY}/{name}")));
    let printed = CLANG.run(command).map_err(|error| missing_part(&error).unwrap_or(error))?;
    Ok(String::from_utf8_lossy(&printed.stderr).trim_end().to_owned())
}

/// The package that the compiler misses, by its messages.
fn missing_part(error: &ToolchainError) -> Option<ToolchainError> {
    let ToolchainError::Failed { output, .. } = error else { return None };
    let program = MISSING.iter().find(|(message, _)| output.contains(message)).map(|(_, program)| *program)?;
    Some(ToolchainError::Missing { program })
}

/// The C files of `src`, in an order that does not depend on the file system.
fn own_sources(directory: &Path) -> Result<Vec<PathBuf>, ToolchainError> {
    let sources = directory.join("src");
    let read = || -> io::Result<Vec<PathBuf>> {
        let names = fs::read_dir(&sources)?.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        let mut paths: Vec<PathBuf> = names.into_iter().map(|name| Path::new("src").join(name)).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
        paths.sort();
        Ok(paths)
    };
    let found = read().map_err(|source| ToolchainError::File { path: sources.clone(), source })?;
    if found.is_empty() { Err(ToolchainError::NoSource { path: sources, extension: "c" }) } else { Ok(found) }
}

fn absolute(path: &Path) -> Result<PathBuf, ToolchainError> {
    std::path::absolute(path).map_err(|source| ToolchainError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of clang 14 on Debian, without recommended packages.
    #[test]
    fn the_package_that_is_missing_is_named() {
        let output = "wasm-ld-14: error: cannot open /usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/\
                      libclang_rt.builtins-wasm32.a: No such file or directory";
        let failed = |output: &str| ToolchainError::Failed { program: "clang", output: output.to_owned() };
        let missing = missing_part(&failed(output)).unwrap().to_string();
        assert!(missing.contains("libclang-rt-dev-wasm32") && !missing.contains("wasi-libc"), "{missing}");
        let missing = missing_part(&failed("src/policy.c:1:10: fatal error: 'stdio.h' file not found")).unwrap();
        assert!(missing.to_string().contains("wasi-libc"), "{missing}");
        assert!(missing_part(&failed("src/policy.c:1:10: error: expected ';'")).is_none());
    }
}
