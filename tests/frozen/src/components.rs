//! The kept components.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What `build` names them: the language, and the version of its bindings.
pub fn names() -> Vec<String> {
    let files = fs::read_dir(directory("components")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".wasm.zst").map(str::to_owned)).collect();
    names.sort_unstable();
    names
}

pub fn read(name: &str) -> Vec<u8> {
    let packed = fs::read(directory("components").join(format!("{name}.wasm.zst"))).unwrap();
    let mut component = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(packed.as_slice()).unwrap().read_to_end(&mut component).unwrap();
    component
}

/// What the component saw and answered when it was kept.
pub fn expected(name: &str) -> String {
    fs::read_to_string(directory("expected").join(format!("{name}.txt"))).unwrap()
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
