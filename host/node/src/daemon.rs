//! The process: its lock and threads, the events it waits for, and its end.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gingham_engine::store::{Store, StoreError};
use gingham_net::node_routes::{AgentLock, AgentLockError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::info;

use crate::cli::Cli;
use crate::facts::{self, Places};
use crate::garbage_collection;
use crate::ip_masquerade;
use crate::kubernetes::{Kubernetes, KubernetesError};
use crate::kubernetes_node::{self, KubernetesNodeError};
use crate::local_networks::LocalNetworks;
use crate::member;
use crate::pod_events;
use crate::policies;
use crate::publication::{self, Published};
use crate::reconcile::{Board, Open, Reconcilers, State, Status, Timing};
use crate::reload::Reload;
use crate::server::{self, ListenError, Listener, Sources};
use crate::service_manager::ServiceManager;

/// Between two readings of the configuration directory.
const CONFIG_INTERVAL: Duration = Duration::from_secs(10);
/// Between two checks whether the status for the service manager changed.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    AgentLock(#[from] AgentLockError),
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot connect to the service manager at NOTIFY_SOCKET: {0}")]
    ServiceManager(io::Error),
    #[error(transparent)]
    KubernetesNode(#[from] KubernetesNodeError),
    #[error("cannot start: {0}")]
    Start(io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(cli: &Cli) -> Result<(), DaemonError> {
    server::allow_descriptors();
    Store::make_directory(&cli.data_dir)?;
    let _lock = AgentLock::take(&cli.data_dir)?;
    let manager = ServiceManager::of_this_process().map_err(DaemonError::ServiceManager)?;
    garbage_collection::start(cli.data_dir.clone(), cli.config_dir.clone(), cli.grace_period)
        .map_err(DaemonError::Start)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DaemonError::Start)?;
    let ended = runtime.block_on(watch(cli, &manager));
    // Without waiting for a thread that reads from a file system that hangs.
    runtime.shutdown_background();
    ended
}

async fn watch(cli: &Cli, manager: &ServiceManager) -> Result<(), DaemonError> {
    let (mut terminate, mut interrupt) = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);
    let mut hangup = listen_for(SignalKind::hangup())?;
    let kubernetes = Kubernetes::of_this_process(&cli.kubernetes)?;
    let reconcilers = reconcilers(cli, kubernetes.clone());
    let (board, rooms) = (reconcilers.board(), reconcilers.rooms());
    let masquerading = ip_masquerade::Reconciling::start(cli.data_dir.clone(), cli.interval);
    let local = LocalNetworks::start(cli.config_dir.clone(), cli.library.clone(), CONFIG_INTERVAL);
    start_kubernetes(cli, kubernetes.clone())?;
    let staged = Arc::new(Notify::new());
    let published = kubernetes_node(cli, kubernetes, &board, &staged)?;
    let local = local.map_err(DaemonError::Start)?;
    let sources = Sources { board: board.clone(), local, rooms, published };
    let serving = serve(cli, &sources).await?;
    let mut reload = Reload::new(reconcilers, cli.directories());
    let (mut config, mut status) = (every(CONFIG_INTERVAL), every(STATUS_INTERVAL));
    let mut pulse = every(manager.pulse().unwrap_or(Duration::from_hours(1)));
    let (mut last_line, mut is_ready) = (String::new(), false);
    loop {
        let followed = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            followed = reload.step() => followed.map_err(DaemonError::Start)?,
            _ = hangup.recv() => { reload.begin(); false }
            _ = config.tick() => { reload.begin(); false }
            () = staged.notified() => { reload.begin(); false }
            _ = pulse.tick() => {
                if board.statuses().values().all(|network| !network.is_stuck(Instant::now())) {
                    manager.alive();
                }
                false
            }
            _ = status.tick() => { reload.watch(); false }
        };
        let line = summary(&board.statuses());
        if followed && !is_ready {
            manager.ready(&line);
            is_ready = true;
        } else if is_ready && line != last_line {
            manager.status(&line);
        }
        last_line = line;
    }
    info!("stopping on a signal");
    manager.stopping();
    end(reload, masquerading, serving).await
}

async fn end(
    reload: Reload,
    masquerading: ip_masquerade::Reconciling,
    serving: Vec<JoinHandle<()>>,
) -> Result<(), DaemonError> {
    let ended = reload.end().await.map_err(DaemonError::Start);
    tokio::task::spawn_blocking(move || masquerading.end()).await.map_err(|error| DaemonError::Start(error.into()))?;
    for serving in serving {
        // Its destructor removes the socket.
        serving.abort();
        let _ = serving.await;
    }
    ended
}

/// What the agent does in Kubernetes alone.
fn start_kubernetes(cli: &Cli, kubernetes: Option<Kubernetes>) -> Result<(), DaemonError> {
    let places =
        Places { config_dir: cli.config_dir.clone(), library: cli.library.clone(), data_dir: cli.data_dir.clone() };
    let Some(kubernetes) = kubernetes else {
        facts::switch_off(&places);
        return Ok(());
    };
    info!("the Kubernetes API is at {}, this is node {}", kubernetes.api.server(), kubernetes.node);
    facts::start(kubernetes.clone(), places.clone()).map_err(DaemonError::Start)?;
    policies::start(kubernetes.clone(), places.clone(), cli.registry.clone()).map_err(DaemonError::Start)?;
    pod_events::start(kubernetes, places).map_err(DaemonError::Start)
}

fn reconcilers(cli: &Cli, kubernetes: Option<Kubernetes>) -> Reconcilers {
    let timing = Timing { interval: cli.interval, grace_period: cli.grace_period };
    let library = cli.library.clone();
    let open: Open = Arc::new(move |network| member::open(network, &library, timing.grace_period, kubernetes.as_ref()));
    Reconcilers::new(open, timing)
}

fn listen_for(kind: SignalKind) -> Result<Signal, DaemonError> {
    signal(kind).map_err(DaemonError::Start)
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// None where people write the configurations.
fn kubernetes_node(
    cli: &Cli,
    kubernetes: Option<Kubernetes>,
    board: &Board,
    staged: &Arc<Notify>,
) -> Result<Option<Published>, KubernetesNodeError> {
    let Some(values) = &cli.network_values else { return Ok(None) };
    let (data_dir, config_dir, plugin_dir) = (cli.data_dir.clone(), cli.config_dir.clone(), cli.plugin_dir.clone());
    let places = publication::Places { library: cli.library.clone(), data_dir, config_dir, plugin_dir };
    kubernetes_node::start((values, places), kubernetes, board, Arc::clone(staged)).map(Some)
}

async fn serve(cli: &Cli, sources: &Sources) -> Result<Vec<JoinHandle<()>>, DaemonError> {
    let mut serving = Vec::new();
    for listen in &cli.listen {
        if let Some(listener) = Listener::start(listen, cli.listen_anywhere).await? {
            info!("serving /metrics and /healthz on {}", listener.place());
            serving.push(tokio::spawn(server::serve(listener, sources.clone())));
        }
    }
    Ok(serving)
}

/// `mynet reconciled (3 members, 2 routes), other failed`
fn summary(networks: &BTreeMap<String, Status>) -> String {
    if networks.is_empty() {
        return "no network has ipam.cluster".to_owned();
    }
    let word = |status: &Status| match status.state {
        State::Starting => "starting".to_owned(),
        State::Reconciled => {
            let count = |number: u64, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
            format!("reconciled ({}, {})", count(status.members, "member"), count(status.routes, "route"))
        }
        State::StoreUnreachable(_) => "store unreachable, routes as last known".to_owned(),
        State::Failed(_) => "failed".to_owned(),
    };
    networks.iter().map(|(name, status)| format!("{name} {}", word(status))).collect::<Vec<_>>().join(", ")
}
