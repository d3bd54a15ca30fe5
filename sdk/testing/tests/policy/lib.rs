//! A policy that does what its configuration says, for the tests of the SDK and of the test runner.

use std::net::IpAddr;
use std::time::Duration;

use gingham_sdk::{
    Answer, Context, Ended, IpNet, Policy, Pool, Problem, Refusal, ReleaseHook, Request, leases, log, state,
};

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    subnet: IpNet,
    #[serde(default)]
    does: String,
}

pub struct Obedient;

impl Policy for Obedient {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        match config.does.as_str() {
            "complains" => Err(vec![Problem::new("subnet", "is ugly"), Problem::new("", "all of it is")]),
            _ => Ok(vec![Pool::new("the pool").subnet(config.subnet)]),
        }
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let pool = &pools[0];
        match config.does.as_str() {
            "stays" => stay(pool, request),
            "panics" => panic!("on purpose,\nin two lines"),
            "explains" => explain(pool, request),
            "notes" => note(pool, request),
            "draws" => Ok(draw(pool, request)),
            "strays" => Ok(stray(pool).into()),
            "ignores" => pool.first_free().and_then(|free| pool.assign(free)).map(Answer::from).ok_or(pool.exhausted()),
            "denies" => Err(Refusal::Denied("nobody comes in here".to_owned())),
            "loops" => loop {
                std::hint::black_box(0);
            },
            _ => Ok(pool.take(request)?.into()),
        }
    }
}

impl ReleaseHook for Obedient {
    fn release(config: &Config, _: &Context, ended: &Ended) {
        match config.does.as_str() {
            "fails to notice" => panic!("what ended?"),
            _ => state::set("ended", &(ended.container_id(), ended.addresses(), ended.pod_name().known())).unwrap(),
        }
    }
}

/// A pod gets the address it had.
fn stay(pool: &Pool, request: &Request) -> Result<Answer, Refusal> {
    let key = format!("pod/{}", request.pod_name().known().unwrap_or_default());
    let known = state::get::<IpAddr>(&key).filter(|address| leases::is_free(*address));
    let address = known.or_else(|| pool.first_free()).ok_or_else(|| pool.exhausted())?;
    state::set(&key, &address).map_err(|error| Refusal::Other(error.to_string()))?;
    pool.assign(address).map(Answer::from).ok_or_else(|| pool.exhausted())
}

fn explain(pool: &Pool, request: &Request) -> Result<Answer, Refusal> {
    let range = pool.ranges()[0].range();
    for offset in 0..4 {
        let IpAddr::V4(first) = range.first() else { panic!("an IPv4 pool") };
        let address = IpAddr::from(std::net::Ipv4Addr::from(u32::from(first) + offset));
        log::info(&format!("{address} is {}", leases::state(address)));
        if let Some(lease) = leases::holder(address) {
            log::warn(&format!(
                "held by {} {} of {:?}",
                lease.container_id(),
                lease.interface_name(),
                lease.pod_name()
            ));
        }
    }
    let (used, free) = (leases::used_count(range), leases::free_count(range));
    let next: Vec<String> = pool.free().take(2).map(|address| address.to_string()).collect();
    log::debug(&format!("{used} used, {free} free, next {}", next.join(" ")));
    let (node, label) = (request.context().node_name(), request.pod_annotation("a"));
    log::debug(&format!("{:?} on {node}, {label:?}", request.cni_arg("K")));
    Err(Refusal::TryAgain { message: "explained".to_owned(), after: Some(Duration::from_secs(5)) })
}

fn note(pool: &Pool, request: &Request) -> Result<Answer, Refusal> {
    for number in 0..2_500 {
        state::set_bytes(&format!("n/{number:04}"), b"").map_err(|error| Refusal::Other(error.to_string()))?;
    }
    state::delete("n/0007");
    let keys: Vec<String> = state::keys("n/").collect();
    assert!(keys.is_sorted());
    log::info(&format!("{} keys, {} to {}", keys.len(), keys[0], keys[keys.len() - 1]));
    assert_eq!(state::set_bytes("", b""), Err(state::StateError::BadKey));
    assert_eq!(state::set_bytes("long", &[0; 70_000]), Err(state::StateError::TooLong));
    assert_eq!(state::get::<u32>("n/0001"), None, "an empty note is no number");
    Ok(pool.take(request)?.into())
}

fn draw(pool: &Pool, request: &Request) -> Answer {
    let IpAddr::V4(first) = pool.ranges()[0].range().first() else { panic!("an IPv4 pool") };
    let offset = u32::try_from(2 + request.random().below(250)).unwrap();
    pool.assign(IpAddr::from(std::net::Ipv4Addr::from(u32::from(first) + offset))).unwrap().into()
}

fn stray(pool: &Pool) -> gingham_sdk::Assigned {
    let mut assigned = pool.assign(pool.first_free().unwrap()).unwrap();
    assigned.address = "192.0.2.7/24".parse().unwrap();
    assigned
}

gingham_sdk::policy!(Obedient, release);
