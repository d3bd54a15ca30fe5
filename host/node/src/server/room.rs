//! `POST /networks/NETWORK/room?addresses=NUMBER`: an ADD of this node found no address and waits for a block.

use gingham_cluster::RoomAnswer;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};

use super::response::{TEXT, response};
use crate::reconcile::Rooms;

const JSON: &str = "application/json";

/// More than an ADD needs: a container's address and the node's own.
const MOST_ADDRESSES: u64 = 16;

/// The network in such a path.
pub(super) fn network(uri: &Uri) -> Option<&str> {
    let network = uri.path().strip_prefix("/networks/")?.strip_suffix("/room")?;
    (!network.is_empty() && !network.contains('/')).then_some(network)
}

pub(super) async fn answer<B>(
    request: &Request<B>,
    network: &str,
    is_root: bool,
    rooms: &Rooms,
) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use POST\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    if !is_root {
        let text = "only root's processes on this machine may have blocks claimed, on the unix socket\n";
        return response(StatusCode::FORBIDDEN, TEXT, text.to_owned());
    }
    let Some(addresses) = addresses(request.uri()) else {
        let text = format!("use ?addresses=NUMBER, from 1 to {MOST_ADDRESSES}\n");
        return response(StatusCode::BAD_REQUEST, TEXT, text);
    };
    let answer = rooms.make(network, addresses).await;
    let code = match answer {
        RoomAnswer::Claimed(_) => StatusCode::OK,
        RoomAnswer::Exhausted(_) => StatusCode::CONFLICT,
        RoomAnswer::Failed(_) | RoomAnswer::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        RoomAnswer::UnknownNetwork => StatusCode::NOT_FOUND,
    };
    response(code, JSON, serde_json::to_string(&answer).unwrap_or_default())
}

fn addresses(uri: &Uri) -> Option<u64> {
    let number = uri.query()?.strip_prefix("addresses=")?.parse().ok()?;
    (1..=MOST_ADDRESSES).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_root_may_ask_and_only_for_a_known_network() {
        let code = async |method: Method, uri: &str, is_root: bool| {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            let network = network(request.uri()).unwrap().to_owned();
            answer(&request, &network, is_root, &Rooms::default()).await.status().as_u16()
        };
        assert_eq!(code(Method::POST, "/networks/pods/room?addresses=1", true).await, 404);
        assert_eq!(code(Method::POST, "/networks/pods/room?addresses=1", false).await, 403);
        assert_eq!(code(Method::POST, "/networks/pods/room?addresses=17", true).await, 400);
        assert_eq!(code(Method::POST, "/networks/pods/room", true).await, 400);
        assert_eq!(code(Method::GET, "/networks/pods/room?addresses=1", true).await, 405);
        for path in ["/networks//room", "/networks/a/b/room", "/networks/a", "/metrics"] {
            assert_eq!(network(&path.parse().unwrap()), None, "{path}");
        }
    }
}
