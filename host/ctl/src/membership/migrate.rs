//! `ginghamctl cluster migrate`: the network's cluster moves between etcd and the Kubernetes API while its nodes run.

use std::io;
use std::path::Path;

use gingham_cluster::{Contents, Migrated, Migration, MigrationError, NodeUids, Plan, SETTLE_TIME, Side};
use gingham_engine::settings::membership::StoreSettings;
use gingham_kubernetes::Api;
use gingham_network::network::Network;
use gingham_ownership::grid::Grid;
use gingham_ownership::record::Membership;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::session::{choose, grids};
use super::{CommandError, Session};
use crate::cli::{MigrateArguments, MigrationTarget};
use crate::confirmation::confirm;
use crate::kubernetes::{self, KubernetesError};
use crate::network::keys::{get, with, without};
use crate::network::{Configuration, Plugins, find_plugin, read_network};
use crate::output::Output;
use crate::table::Table;

const ETCD: &str = "etcd";
const KUBERNETES: &str = "kubernetes";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MigrationReport<'a> {
    network: &'a str,
    from: &'a str,
    to: &'a str,
    plan: &'static str,
    /// Whether the stores are as the plan has them now.
    done: bool,
    members: usize,
    blocks: usize,
}

pub(super) fn run(arguments: &MigrateArguments, library: &Path, out: &mut Output) -> Result<(), CommandError> {
    let configuration = choose(&arguments.cluster)?;
    let network = read_network(&configuration, library)?;
    Session::in_network(&network, &arguments.cluster.kubernetes, |session| {
        migrate(session, &configuration, (arguments, library), out)
    })
}

fn migrate(
    session: &mut Session<'_>,
    configuration: &Configuration,
    (arguments, library): (&MigrateArguments, &Path),
    out: &mut Output,
) -> Result<(), CommandError> {
    let (network, json) = (session.network, arguments.cluster.format.json);
    if !matches!(session.cluster.settings().store, StoreSettings::Etcd(_)) {
        return Err(CommandError::NotEtcd { network: network.to_owned() });
    }
    let of_kubernetes = |source| CommandError::Kubernetes { network: network.to_owned(), source };
    let api = kubernetes::api(&arguments.cluster.kubernetes)
        .and_then(|api| api.ok_or(KubernetesError::NoServer))
        .map_err(of_kubernetes)?;
    let is_back = arguments.to == MigrationTarget::Etcd;
    let nodes = if is_back { None } else { Some(nodes(session, &api, library)?) };
    let mut store = kubernetes::store(api, network).map_err(of_kubernetes)?;
    let grids = session.policy.grids().to_vec();
    let other = Side { store: &mut *store, name: KUBERNETES };
    let migration = session.cluster.migration(ETCD, other, is_back);
    let mut migration =
        migration.map_err(|source| CommandError::Cluster { network: network.to_owned(), source: Box::new(source) })?;
    migration.node_uids = nodes;
    if !is_back {
        migration.new_rest = Map::from_iter([("config".to_owned(), object_of(configuration))]);
    }
    let failed =
        |source: MigrationError| CommandError::Migration { network: network.to_owned(), source: Box::new(source) };
    let found = migration.examine(&grids).map_err(failed)?;
    if !json {
        announce(&migration, &found, network, out)?;
    }
    let is_done = if arguments.dry_run || found.plan == Plan::Nothing {
        found.plan == Plan::Nothing
    } else {
        confirm("No node can join or claim a block meanwhile. Go on?", &arguments.confirmed, json, out)?;
        let report = |step: &str| {
            if !json {
                // What is done is done, even if the output is closed.
                let _ = writeln!(out, "{step} …").and_then(|()| out.flush());
            }
        };
        migration.run(&grids, SETTLE_TIME, report).map_err(failed)?;
        true
    };
    conclude(&migration, (&found, is_done), network, (json, arguments.dry_run), out)?;
    Ok(())
}

/// The Nodes that members must be, after a look whether the object of the network fits.
fn nodes(session: &Session<'_>, api: &Api, library: &Path) -> Result<NodeUids, CommandError> {
    let network = session.network;
    let of_kubernetes = |source| CommandError::Kubernetes { network: network.to_owned(), source };
    if let Some(config) = kubernetes::configured(api, network, Session::deadline()).map_err(of_kubernetes)? {
        let theirs = configured_grids(config, network, library)?;
        if theirs != session.policy.grids() {
            return Err(CommandError::OtherObject {
                network: network.to_owned(),
                theirs: listed(&theirs),
                ours: listed(session.policy.grids()),
            });
        }
    }
    kubernetes::node_uids(api, Session::deadline()).map_err(of_kubernetes)
}

/// The configuration as an `AddressNetwork` has it: agents make the same of it again for their nodes.
fn object_of(configuration: &Configuration) -> Value {
    let plugin = find_plugin(configuration, &Plugins::of_environment(), true);
    let mut object = plugin.map(|(_, plugin)| plugin.object.clone()).unwrap_or_default();
    for key in ["name", "cniVersion", "type"] {
        object = without(object, key);
    }
    let ipam = get(&object, "ipam").and_then(Value::as_object).cloned().unwrap_or_default();
    object = with(object, "ipam", without(ipam, "cluster").into());
    // Agents switch on what is not said.
    for key in ["isDefaultGateway", "ipMasq", "hairpinMode"] {
        if get(&object, key).is_none() {
            object = with(object, key, false.into());
        }
    }
    Value::Object(object)
}

/// How the configuration in an `AddressNetwork` divides the range.
fn configured_grids(mut config: Value, network: &str, library: &Path) -> Result<Vec<Grid>, CommandError> {
    config["cniVersion"] = "1.0.0".into();
    config["name"] = network.into();
    config["type"] = "gingham".into();
    config["ipam"]["type"] = "gingham".into();
    config["ipam"]["cluster"] = json!({"store": KUBERNETES});
    let read = Network::read("gingham", library, config.to_string().as_bytes());
    grids(&read.map_err(|source| CommandError::Network { network: network.to_owned(), source })?)
}

fn listed(grids: &[Grid]) -> String {
    grids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn announce(migration: &Migration<'_>, found: &Migrated, network: &str, out: &mut Output) -> io::Result<()> {
    let (from, to) = (migration.source.name, migration.target.name);
    let Contents { members, blocks } = &found.contents;
    match found.plan {
        Plan::Move => {
            writeln!(
                out,
                "network {network}: {} members and {} blocks move from {from} to {to}",
                members.len(),
                blocks.len()
            )?;
        }
        Plan::GiveUp => {
            writeln!(
                out,
                "network {network}: the move from {to} to {from} has not ended; it is given up, and {to} is opened again"
            )?;
        }
        Plan::Nothing => return writeln!(out, "network {network}: {to} is its store already"),
    }
    let mut table = Table::new(["NODE", "STATE", "BLOCKS"]);
    for (name, member) in members {
        let state = match member.membership {
            Membership::Member => "member",
            Membership::Left => "left",
            Membership::Taken => "taken over",
        };
        let held = blocks.values().filter(|block| block.owner == *name).count();
        table.row([name.clone(), state.to_owned(), held.to_string()]);
    }
    out.table(&table)
}

fn conclude(
    migration: &Migration<'_>,
    (found, done): (&Migrated, bool),
    network: &str,
    (json, dry_run): (bool, bool),
    out: &mut Output,
) -> io::Result<()> {
    let (from, to) = (migration.source.name, migration.target.name);
    if json {
        let plan = match found.plan {
            Plan::Move => "move",
            Plan::GiveUp => "give-up",
            Plan::Nothing => "nothing",
        };
        let (members, blocks) = (found.contents.members.len(), found.contents.blocks.len());
        return out.json(&MigrationReport { network, from, to, plan, done, members, blocks });
    }
    match found.plan {
        _ if dry_run => writeln!(out, "nothing was changed (--dry-run)"),
        Plan::Nothing => Ok(()),
        Plan::GiveUp => writeln!(out, "done; nodes go on with {to}"),
        Plan::Move => {
            writeln!(out, "done; {to} was compared with {from}, and has the same members and blocks")?;
            writeln!(out, "next: set cluster.store to \"{to}\" on each node; gingham-node takes the node's blocks over")
        }
    }
}
