//! Interface `context`: the network and the node.

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::context as wit;
use crate::attachment::{Context, Fact, Labels};
use crate::runtime::state::HostState;

impl wit::Host for HostState {}

impl wit::HostContext for HostState {
    fn network_name(&mut self, context: Resource<Context>) -> wasmtime::Result<String> {
        self.getter(&context, |context| context.network.clone())
    }

    fn node_name(&mut self, context: Resource<Context>) -> wasmtime::Result<String> {
        self.getter(&context, |context| context.node.clone())
    }

    fn node_label(&mut self, context: Resource<Context>, key: String) -> wasmtime::Result<wit::Fact> {
        self.charge_for(key.len())?;
        self.getter(&context, |context| label(context.node_labels.as_ref(), &key))
    }

    fn node_labels(&mut self, context: Resource<Context>) -> wasmtime::Result<Option<Vec<(String, String)>>> {
        self.getter(&context, |context| pairs(context.node_labels.as_ref()))
    }

    fn drop(&mut self, context: Resource<Context>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

pub(super) fn fact(fact: Fact<String>) -> wit::Fact {
    match fact {
        Fact::Known(value) => wit::Fact::Known(value),
        Fact::Absent => wit::Fact::Absent,
        Fact::Unknown => wit::Fact::Unknown,
    }
}

/// One of them: that it is not among those that are known means that there is none.
pub(super) fn label(labels: Option<&Labels>, key: &str) -> wit::Fact {
    match labels.map(|labels| labels.get(key)) {
        Some(Some(value)) => wit::Fact::Known(value.clone()),
        Some(None) => wit::Fact::Absent,
        None => wit::Fact::Unknown,
    }
}

pub(super) fn pairs(labels: Option<&Labels>) -> Option<Vec<(String, String)>> {
    labels.map(|labels| labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}
