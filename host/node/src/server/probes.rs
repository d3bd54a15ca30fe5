//! `/readyz` and `/livez`, for the probes of a container. Neither depends on the store: an agent that is restarted because the
//! store is away helps nobody.

use std::collections::BTreeMap;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};

use super::response::{TEXT, response};
use crate::publication::{Publication, Published};
use crate::reconcile::{State, Status};

/// None for another path.
pub(super) fn answer(
    method: &Method,
    path: &str,
    networks: &BTreeMap<String, Status>,
    published: Option<&Published>,
    now: Instant,
) -> Option<Response<Full<Bytes>>> {
    let problem = match path {
        "/readyz" => unready(networks, published.map(Published::now)),
        "/livez" => stuck(networks, now),
        _ => return None,
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some(response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET or HEAD\n".to_owned()));
    }
    Some(match problem {
        None => response(StatusCode::OK, TEXT, "ok\n".to_owned()),
        Some(problem) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{problem}\n")),
    })
}

/// `publication`: what the runtime's configuration waits for, if the agent writes it.
fn unready(networks: &BTreeMap<String, Status>, publication: Option<Publication>) -> Option<String> {
    let unusable = networks.iter().find_map(|(name, status)| Some((name, status.unusable.as_ref()?)));
    let unusable = unusable.map(|(name, unusable)| format!("network {name}: {}", unusable.reason()));
    if let Some(publication) = publication {
        return publication.waiting.or(unusable);
    }
    if unusable.is_some() {
        return unusable;
    }
    let starting = networks.iter().find(|(_, status)| status.state == State::Starting);
    starting.map(|(name, _)| format!("network {name} is starting"))
}

fn stuck(networks: &BTreeMap<String, Status>, now: Instant) -> Option<String> {
    let stuck = networks.iter().find(|(_, status)| status.is_stuck(now));
    stuck.map(|(name, _)| format!("network {name} is stuck in a reconcile"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reconcile::Unusable;

    fn of(state: State) -> BTreeMap<String, Status> {
        BTreeMap::from([("pods".to_owned(), Status { state, ..Status::new(Duration::from_secs(5)) })])
    }

    #[test]
    fn the_store_decides_neither() {
        let away = of(State::StoreUnreachable("no answer".to_owned()));
        let waiting = Publication { waiting: Some("no network".to_owned()), ..Publication::default() };
        assert_eq!(unready(&away, None), None);
        assert_eq!(unready(&away, Some(Publication::default())), None);
        assert_eq!(stuck(&away, Instant::now()), None);
        assert_eq!(unready(&away, Some(waiting)), Some("no network".to_owned()));
        let mut renamed = of(State::Failed("another name".to_owned()));
        assert_eq!(
            unready(&renamed, Some(Publication::default())),
            None,
            "a full cluster does not stop a rollout of agents"
        );
        renamed.get_mut("pods").unwrap().unusable = Some(Unusable::Cluster("another name".to_owned()));
        for publication in [None, Some(Publication::default())] {
            assert_eq!(unready(&renamed, publication), Some("network pods: another name".to_owned()));
        }
        assert!(unready(&of(State::Starting), None).unwrap().contains("is starting"));
        let later = Instant::now() + Duration::from_secs(100);
        assert!(stuck(&of(State::Reconciled), later).unwrap().contains("stuck"));
    }
}
