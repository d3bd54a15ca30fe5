//! Linked modules do what they did when the component model linked them.

use wasmparser::{Parser, Payload};
use wasmtime::{Engine, Linker, Store};

use super::*;

const MODULES: &str = include_str!("modules.wat");

fn linked(modules: &str) -> Result<Vec<u8>, LinkError> {
    link(&wat::parse_str(modules).unwrap()).map(Module::finish)
}

/// What `allocate` of the linked module hands to the host.
fn logged(module: &[u8]) -> Vec<u32> {
    let engine = Engine::default();
    let mut linker: Linker<Vec<u32>> = Linker::new(&engine);
    let log = |mut caller: wasmtime::Caller<'_, Vec<u32>>, value: u32| caller.data_mut().push(value);
    linker.func_wrap("gingham:ipam/log@0.2.0", "log", log).unwrap();
    let mut store = Store::new(&engine, Vec::new());
    let module = wasmtime::Module::new(&engine, module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let allocate = instance.get_typed_func::<(), ()>(&mut store, "gingham:ipam/allocator@0.2.0#allocate").unwrap();
    allocate.call(&mut store, ()).unwrap();
    store.into_data()
}

#[test]
fn calls_tables_and_memory_of_all_modules_are_one() {
    let module = linked(MODULES).unwrap();
    assert_eq!(logged(&module), [4 * 42]);
    let later = MODULES.replace("(i32.const 3))", "(i32.const 5))").replace("\\2a", "\\07");
    assert_eq!(logged(&linked(&later).unwrap()), [4 * 7]);
}

#[test]
fn objects_of_the_snapshot_are_immortal() {
    let list = "(data (i32.const 64) \"gingham: immortal objects\\01\\00\\00\\00\\10\\00\\00\\00\\10\\00\\00\\00\"))";
    let listed = MODULES.replacen("\\2a\\00\\00\\00\"))", &format!("\\2a\\00\\00\\00\") {list}"), 1);
    // The word at 16 was 42.
    assert_eq!(logged(&linked(&listed).unwrap()), [0x5000_0000_u32.wrapping_mul(4)]);
}

#[test]
fn what_nothing_needs_is_left_out() {
    let module = linked(MODULES).unwrap();
    let (mut functions, mut globals) = (0, 0);
    for payload in Parser::new(0).parse_all(&module) {
        match payload.unwrap() {
            Payload::FunctionSection(section) => functions = section.count(),
            Payload::GlobalSection(section) => globals = section.count(),
            _ => {}
        }
    }
    // allocate, four-times, answer, twice, read; of the globals, the one that is set.
    assert_eq!((functions, globals), (5, 1));
}

#[test]
fn what_cannot_be_linked_is_refused() {
    let fault = |from: &str, to: &str| linked(&MODULES.replacen(from, to, 1)).unwrap_err().to_string();
    assert_eq!(
        fault("(data (i32.const 16)", "(start 0) (data (i32.const 16)"),
        "it has a module with a start function"
    );
    assert_eq!(fault("(func (export \"unused\") (result i32) (i32.const 7))", "(memory 1)"), "it has a second memory");
    assert_eq!(fault("\"gingham:ipam/allocator@0.2.0#allocate\"", "\"allocate\""), "it has no export of the contract");
}
