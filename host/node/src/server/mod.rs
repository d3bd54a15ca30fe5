//! `/metrics` and `/healthz`, by HTTP/1.1 on a unix socket or an address of this machine; for root's processes on the unix
//! socket, room for ADDs.

mod connections;
mod listen;
mod probes;
mod response;
mod room;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::time::{Duration, Instant};

use gingham_untrusted::text as untrusted_text;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::ALLOW;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use self::connections::allow_descriptors;
use self::connections::{Activity, Connections};
pub(crate) use self::listen::{Listen, ListenError, Listener};
use self::response::{TEXT, response};
use crate::local_networks::{LocalNetwork, LocalNetworks};
use crate::metrics;
use crate::publication::Published;
use crate::reconcile::{Board, Rooms, State, Status};

/// For the headers of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two accepts: then a connection has half a second for its request, whatever comes after it.
const CROWDED: Duration = Duration::from_millis(1);

/// Of what a connection may send before it is answered, in bytes.
const LARGEST_REQUEST: usize = 16 << 10;

/// What is served.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) board: Board,
    pub(crate) local: LocalNetworks,
    pub(crate) rooms: Rooms,
    /// None where people write the configurations.
    pub(crate) published: Option<Published>,
}

pub(crate) async fn serve(listener: Listener, sources: Sources) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, is_root)) => {
                connections.admit(|activity| tokio::spawn(converse(stream, is_root, sources.clone(), activity)));
                // It has its turn before the next one is accepted: many that come together must not end it unread.
                tokio::task::yield_now().await;
                if connections.is_crowded() {
                    tokio::time::sleep(CROWDED).await;
                }
            }
            // No descriptor is free, or the client went away.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(stream: Box<dyn Stream>, is_root: bool, sources: Sources, activity: Activity) {
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (answering, sources) = (activity.begin(), sources.clone());
        async move {
            let _answering = answering;
            if let Some(network) = room::network(request.uri()) {
                return Ok::<_, Infallible>(room::answer(&request, network, is_root, &sources.rooms).await);
            }
            let (method, path) = (request.method(), request.uri().path());
            let now = Instant::now();
            let statuses = sources.board.statuses();
            if let Some(answer) = probes::answer(method, path, &statuses, sources.published.as_ref(), now) {
                return Ok(answer);
            }
            Ok(answer(method, path, (&statuses, &sources.local.last()), now))
        }
    });
    // A client may break off.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(LARGEST_REQUEST)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn answer(
    method: &Method,
    path: &str,
    (networks, local): (&BTreeMap<String, Status>, &BTreeMap<String, LocalNetwork>),
    now: Instant,
) -> Response<Full<Bytes>> {
    let known = matches!(path, "/metrics" | "/healthz");
    if known && !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET or HEAD\n".to_owned());
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/metrics" => response(StatusCode::OK, metrics::MEDIA_TYPE, metrics::render(networks, local, now)),
        "/healthz" => {
            let (well, text) = health(networks, now);
            response(if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, TEXT, text)
        }
        _ => response(StatusCode::NOT_FOUND, TEXT, "not found: use /metrics or /healthz\n".to_owned()),
    }
}

/// An unreachable store is no reason to restart the agent: traffic and ADD go on.
fn health(networks: &BTreeMap<String, Status>, now: Instant) -> (bool, String) {
    let (mut well, mut text) = (true, String::new());
    for (network, status) in networks {
        let (is_well, word) = match &status.state {
            _ if status.is_stuck(now) => (false, "stuck".to_owned()),
            State::Starting => (true, "starting".to_owned()),
            State::Reconciled => (true, "reconciled".to_owned()),
            State::StoreUnreachable(reason) => (true, format!("store unreachable, routes as last known: {reason}")),
            State::Failed(reason) => (false, format!("failed: {reason}")),
        };
        well &= is_well;
        let _ = writeln!(text, "{}", untrusted_text::line(&format!("{network}: {word}")));
    }
    if text.is_empty() {
        "no network has ipam.cluster\n".clone_into(&mut text);
    }
    (well, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health_of(states: &[State], after: u64) -> (bool, String) {
        let networks = states
            .iter()
            .zip(["a", "b", "c", "d"])
            .map(|(state, name)| {
                (name.to_owned(), Status { state: state.clone(), ..Status::new(Duration::from_secs(5)) })
            })
            .collect();
        health(&networks, Instant::now() + Duration::from_secs(after))
    }

    #[test]
    fn an_unreachable_store_is_healthy_and_a_stuck_reconcile_is_not() {
        let unreachable = State::StoreUnreachable("no answer".to_owned());
        assert_eq!(
            health_of(&[State::Reconciled, unreachable.clone(), State::Starting], 0),
            (true, "a: reconciled\nb: store unreachable, routes as last known: no answer\nc: starting\n".to_owned())
        );
        assert!(!health_of(&[State::Failed("no such key".to_owned())], 0).0);
        assert_eq!(health_of(&[State::Reconciled, unreachable], 71), (false, "a: stuck\nb: stuck\n".to_owned()));
        assert!(health_of(&[], 0).0);
    }
}
