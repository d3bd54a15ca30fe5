//! A module whose memory begins as an instance of it left it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::{Instance, Store, StoreLimits, Val};
use wasmtime_wizer::{InstanceState, ModuleContext, SnapshotVal, Wizer};

pub(super) fn of(
    wizer: &Wizer,
    module: &ModuleContext<'_>,
    store: &mut Store<StoreLimits>,
    instance: Instance,
) -> wasmtime::Result<Vec<u8>> {
    let mut state = State { store, instance };
    let snapshot = pin!(wizer.snapshot(module, &mut state));
    // Nothing in it waits.
    match snapshot.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(snapshot) => snapshot,
        Poll::Pending => Err(wasmtime::Error::msg("its memory cannot be read")),
    }
}

struct State<'a> {
    store: &'a mut Store<StoreLimits>,
    instance: Instance,
}

impl InstanceState for State<'_> {
    async fn global_get(&mut self, name: &str, _: wasmparser::ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut *self.store, name);
        match global.map(|global| global.get(&mut *self.store)) {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            // The trait has no error. Wizer lists the globals of numbers that the module has, and exports them.
            other => unreachable!("{name} is {other:?}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(memory) = self.instance.get_memory(&mut *self.store, name) {
            contents(memory.data(&self.store));
        }
    }
}
