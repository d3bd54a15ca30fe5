//! The process: what it holds, what it waits for, how it ends.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gingham_engine::store::{Store, StoreError};
use gingham_net::node_routes::{AgentLock, AgentLockError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::cli::Cli;
use crate::ip_masquerade;
use crate::keeping::{Board, Keepers, Open, Pace, State, Status};
use crate::log;
use crate::member;
use crate::reload::Reload;
use crate::server::{self, ListenError, Listener};
use crate::service_manager::ServiceManager;
use crate::stale_leases;

/// How often the configuration directory is read.
const CONFIG_EVERY: Duration = Duration::from_secs(10);
/// How often the service manager is told how it goes, if that changed.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Why it cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another one runs.
    #[error(transparent)]
    AgentLock(#[from] AgentLockError),
    /// Nobody could ask.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The service manager that started this cannot be told.
    #[error("cannot reach the service manager at NOTIFY_SOCKET: {0}")]
    ServiceManager(io::Error),
    /// The system refuses what any process may do.
    #[error("cannot start: {0}")]
    Start(io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(cli: &Cli) -> Result<(), DaemonError> {
    Store::make_directory(&cli.data_dir)?;
    let _lock = AgentLock::take(&cli.data_dir)?;
    let manager = ServiceManager::of_this_process().map_err(DaemonError::ServiceManager)?;
    stale_leases::start(cli.data_dir.clone(), cli.config_dir.clone(), cli.looks_apart).map_err(DaemonError::Start)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DaemonError::Start)?;
    let ended = runtime.block_on(watch(cli, &manager));
    // Not waiting for a thread that reads from a file system that hangs.
    runtime.shutdown_background();
    ended
}

async fn watch(cli: &Cli, manager: &ServiceManager) -> Result<(), DaemonError> {
    let (mut terminate, mut interrupt) = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);
    let mut hangup = listen_for(SignalKind::hangup())?;
    let keepers = keepers(cli);
    let board = keepers.board();
    let masquerading = ip_masquerade::Reconciling::start(cli.data_dir.clone(), cli.every);
    let serving = serve(cli, board.clone()).await?;
    let mut reload = Reload::new(keepers, &cli.config_dir);
    let (mut config, mut status) = (every(CONFIG_EVERY), every(STATUS_EVERY));
    let mut pulse = every(manager.pulse().unwrap_or(Duration::from_hours(1)));
    let (mut said, mut is_ready) = (String::new(), false);
    loop {
        let followed = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            followed = reload.step() => followed.map_err(DaemonError::Start)?,
            _ = hangup.recv() => { reload.begin(); false }
            _ = config.tick() => { reload.begin(); false }
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
        } else if is_ready && line != said {
            manager.status(&line);
        }
        said = line;
    }
    log::info(None, "told to stop");
    manager.stopping();
    let ended = reload.end().await.map_err(DaemonError::Start);
    tokio::task::spawn_blocking(move || masquerading.end()).await.map_err(|error| DaemonError::Start(error.into()))?;
    if let Some(serving) = serving {
        // Its end removes the socket.
        serving.abort();
        let _ = serving.await;
    }
    ended
}

fn keepers(cli: &Cli) -> Keepers {
    let pace = Pace { every: cli.every, looks_apart: cli.looks_apart };
    let library = cli.library.clone();
    let open: Open = Arc::new(move |network| member::open(network, &library, pace.looks_apart));
    Keepers::new(open, pace)
}

fn listen_for(kind: SignalKind) -> Result<Signal, DaemonError> {
    signal(kind).map_err(DaemonError::Start)
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Begins to serve, unless nowhere.
async fn serve(cli: &Cli, board: Board) -> Result<Option<JoinHandle<()>>, DaemonError> {
    let Some(listener) = Listener::start(&cli.listen, cli.listen_anywhere).await? else { return Ok(None) };
    log::info(None, &format!("/metrics and /healthz are served on {}", listener.place()));
    Ok(Some(tokio::spawn(server::serve(listener, board))))
}

/// A line for people: `mynet kept (3 members, 2 routes), other failed`.
fn summary(networks: &BTreeMap<String, Status>) -> String {
    if networks.is_empty() {
        return "no network has ipam.cluster".to_owned();
    }
    let word = |status: &Status| match status.state {
        State::Starting => "starts".to_owned(),
        State::Kept => {
            let count = |number: u64, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
            format!("kept ({}, {})", count(status.members, "member"), count(status.routes, "route"))
        }
        State::StoreSilent(_) => "kept as last known, the store is silent".to_owned(),
        State::Failed(_) => "failed".to_owned(),
    };
    networks.iter().map(|(name, status)| format!("{name} {}", word(status))).collect::<Vec<_>>().join(", ")
}
