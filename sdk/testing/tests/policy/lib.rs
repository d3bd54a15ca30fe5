//! A policy that does what its configuration says, for the tests of the SDK and of the test runner.

use std::net::IpAddr;

use gingham_sdk::{Answer, Ended, IpNet, Policy, Pool, Problem, Refusal, Release, Request, leases, log, memory};

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

    fn pools(config: &Config) -> Result<Vec<Pool>, Vec<Problem>> {
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
            "strays" => Ok(Answer { addresses: vec![stray(pool)], ..Answer::default() }),
            "ignores" => pool.first_free().and_then(|free| pool.assign(free)).map(Answer::from).ok_or(pool.exhausted()),
            "denies" => Err(Refusal::Denied("nobody comes in here".to_owned())),
            "loops" => loop {
                std::hint::black_box(0);
            },
            _ => Ok(pool.take(request)?.into()),
        }
    }
}

impl Release for Obedient {
    fn release(config: &Config, ended: &Ended) {
        match config.does.as_str() {
            "fails to notice" => panic!("what ended?"),
            _ => memory::set("ended", &(&ended.container_id, &ended.addresses, &ended.pod_name)).unwrap(),
        }
    }
}

/// A pod gets the address it had.
fn stay(pool: &Pool, request: &Request) -> Result<Answer, Refusal> {
    let key = format!("pod/{}", request.pod_name().unwrap_or_default());
    let known = memory::get::<IpAddr>(&key).filter(|address| leases::state(*address) == leases::State::Free);
    let address = known.or_else(|| pool.first_free()).ok_or_else(|| pool.exhausted())?;
    memory::set(&key, &address).map_err(|error| Refusal::Other(error.to_string()))?;
    pool.assign(address).map(Answer::from).ok_or_else(|| pool.exhausted())
}

fn explain(pool: &Pool, request: &Request) -> Result<Answer, Refusal> {
    let range = &pool.ranges[0];
    for offset in 0..4 {
        let IpAddr::V4(first) = range.first else { panic!("an IPv4 pool") };
        let address = IpAddr::from(std::net::Ipv4Addr::from(u32::from(first) + offset));
        log::info(&format!("{address} is {}", leases::state(address)));
        if let Some(lease) = leases::holder(address) {
            log::warn(&format!("held by {} {} of {:?}", lease.container_id, lease.interface_name, lease.pod_name));
        }
    }
    let (used, free) = (leases::used_count(range.first, range.last), leases::free_count(range.first, range.last));
    let next: Vec<String> = pool.free().take(2).map(|address| address.to_string()).collect();
    log::debug(&format!("{used} used, {free} free, next {}", next.join(" ")));
    log::debug(&format!("{:?} on {}, {:?}", request.argument("K"), request.node_name(), request.annotation("a")));
    Err(Refusal::TryAgain("explained".to_owned()))
}

fn note(pool: &Pool, request: &Request) -> Result<Answer, Refusal> {
    for number in 0..2_500 {
        memory::set_bytes(&format!("n/{number:04}"), b"").map_err(|error| Refusal::Other(error.to_string()))?;
    }
    memory::delete("n/0007");
    let keys: Vec<String> = memory::keys("n/").collect();
    assert!(keys.is_sorted());
    log::info(&format!("{} keys, {} to {}", keys.len(), keys[0], keys[keys.len() - 1]));
    assert_eq!(memory::set_bytes("", b""), Err(memory::MemoryError::BadKey));
    assert_eq!(memory::set_bytes("long", &[0; 70_000]), Err(memory::MemoryError::BadValue));
    assert_eq!(memory::get::<u32>("n/0001"), None, "an empty note is no number");
    Ok(pool.take(request)?.into())
}

fn draw(pool: &Pool, request: &Request) -> Answer {
    let IpAddr::V4(first) = pool.ranges[0].first else { panic!("an IPv4 pool") };
    let offset = u32::try_from(2 + request.random().below(250)).unwrap();
    pool.assign(IpAddr::from(std::net::Ipv4Addr::from(u32::from(first) + offset))).unwrap().into()
}

fn stray(pool: &Pool) -> gingham_sdk::Assigned {
    let mut assigned = pool.assign(pool.first_free().unwrap()).unwrap();
    assigned.address = "192.0.2.7/24".parse().unwrap();
    assigned
}

gingham_sdk::policy!(Obedient, release);
