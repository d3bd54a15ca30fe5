//! Who holds which addresses, as a table shows it.

use gingham_engine::attachment::Pod;

pub(crate) use gingham_network::holdings::{Held, Holdings};

use crate::table::short;

/// Cells for a table: network, address, container, interface, pod. One row for each address.
pub(crate) fn cells(held: &Held) -> Vec<[String; 5]> {
    let row = |address: String| {
        let Held { network, key, record, .. } = held;
        let interface = if key.interface.is_empty() { "?" } else { &key.interface };
        [network.clone(), address, short(&key.container_id), interface.to_owned(), pod(&record.pod)]
    };
    match held.record.addresses.as_slice() {
        [] => vec![row("-".to_owned())],
        addresses => addresses.iter().map(|address| row(address.to_string())).collect(),
    }
}

fn pod(pod: &Pod) -> String {
    match (&pod.namespace, &pod.name) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        (None, Some(name)) => name.clone(),
        (Some(namespace), None) => format!("{namespace}/?"),
        (None, None) => "-".to_owned(),
    }
}
