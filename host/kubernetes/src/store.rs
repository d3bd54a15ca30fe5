//! A network's records as objects of the Kubernetes API.
//!
//! Only what the API's etcd has is believed: no read comes from an API server's cache. A write counts only if the answer
//! carries its nonce.

mod read;
mod write;

use std::time::Instant;

use gingham_ownership::shared_store::{Call, Reply, SharedStore};

use crate::api::Api;
use crate::failure::unusable;
use crate::name::{NetworkNameError, check_network};
use crate::nonce::Nonces;

pub(crate) use read::record;

pub struct KubernetesStore {
    api: Api,
    network: String,
    nonces: Nonces,
}

impl KubernetesStore {
    /// The store of a network. Nothing is opened yet.
    ///
    /// # Errors
    /// [`NetworkNameError`]: no object can have a name with this network's in it.
    pub fn new(api: Api, network: &str) -> Result<Self, NetworkNameError> {
        check_network(network)?;
        Ok(Self { api, network: network.to_owned(), nonces: Nonces::default() })
    }

    fn write(&mut self, call: &Call, deadline: Instant) -> Reply {
        let nonce = match self.nonces.of(call) {
            Ok(nonce) => nonce,
            Err(reason) => return unusable(reason),
        };
        let reply = match call {
            Call::Create { key, value } => self.create(key, value, &nonce, deadline),
            Call::Update { key, value, expected } => self.update(key, value, *expected, &nonce, deadline),
            Call::Delete { .. } | Call::Get { .. } | Call::List { .. } => Err(unusable("the call writes nothing")),
        };
        let reply = reply.unwrap_or_else(|reply| reply);
        if !matches!(reply, Reply::Unknown(_)) {
            self.nonces.forget(call);
        }
        reply
    }
}

impl SharedStore for KubernetesStore {
    fn call(&mut self, call: &Call, deadline: Instant) -> Reply {
        match call {
            Call::Get { key } => self.get(key, deadline),
            Call::List { prefix } => self.list(prefix, deadline),
            Call::Create { .. } | Call::Update { .. } => self.write(call, deadline),
            Call::Delete { key, expected } => self.delete(key, *expected, deadline).unwrap_or_else(|reply| reply),
        }
    }
}
