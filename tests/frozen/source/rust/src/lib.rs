//! A policy that calls every function of the contract and logs what it sees, with the bindings of wit-bindgen alone.

wit_bindgen::generate!({ path: "wit", world: "fixture" });

mod text;

use std::net::IpAddr;

use exports::gingham::ipam::{adoption_hook, allocator, cluster, release_hook};
use gingham::ipam::addresses::{Dns, Grid, IpAddress, IpPrefix, IpRange, Route};
use gingham::ipam::answers::{Answer, Problem, Refusal};
use gingham::ipam::context::Context;
use gingham::ipam::events::{Adopted, Ended};
use gingham::ipam::log::{log, Level};
use gingham::ipam::pools::{Pool, PoolRange};
use gingham::ipam::request::{OwnerFact, Request};
use gingham::ipam::{leases, reservations, shares, state};
use text::{address, all, prefix, range, Text};

struct Policy;

export!(Policy);

/// Where the addresses lie. A configuration without `range` is refused.
const V4: &str = "10.32.0.0/24";
const V6: &str = "fd00:32::/64";

fn say(line: String) {
    log(Level::Info, &line);
}

fn says(config: &str, key: &str) -> bool {
    config.contains(&format!("\"{key}\""))
}

fn pools() -> Vec<Pool> {
    let first = PoolRange::new(prefix(V4), range("10.32.0.0", "10.32.0.127"));
    first.set_gateway(address("10.32.0.1"));
    first.allow_network_address();
    let second = PoolRange::new(prefix(V4), range("10.32.0.128", "10.32.0.239"));
    second.set_draining();
    let third = PoolRange::new(prefix(V4), range("10.32.0.240", "10.32.0.255"));
    third.allow_broadcast_address();
    let v4 = Pool::new("v4");
    v4.add_range(first);
    v4.add_range(second);
    v4.add_range(third);
    let v6 = Pool::new("v6");
    v6.add_range(PoolRange::new(prefix(V6), all(V6)));
    vec![v4, v6]
}

impl allocator::Guest for Policy {
    fn check_config(config: String, context: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        say(format!("check-config of {} on {}", context.network_name(), context.node_name()));
        if says(&config, "range") {
            return Ok(pools());
        }
        log(Level::Warn, "there is no range");
        let problem = |key| Problem::new(key, "is missing: use an address and a prefix length");
        Err(vec![problem("range"), problem("range6")])
    }

    fn allocate(config: String, context: &Context, request: &Request) -> Result<Answer, Refusal> {
        seen_of_context(context);
        seen_of_request(request);
        if let Some(refusal) = refused(request) {
            return Err(refusal);
        }
        seen_of_leases();
        use_state(&config);
        seen_of_shares();
        let key = request.args_label("key").unwrap_or_else(|| "nobody".to_owned());
        let v4 = choose(&key, request)?;
        let v6 = leases::next_free(all(V6), None).ok_or_else(|| Refusal::exhausted("v6: no address is free"))?;
        Ok(answer(v4, v6, request))
    }
}

/// Each refusal, by the label `refuse`.
fn refused(request: &Request) -> Option<Refusal> {
    let message = "as the label says";
    Some(match request.args_label("refuse")?.as_str() {
        "exhausted" => Refusal::exhausted(message),
        "unavailable" => Refusal::unavailable(message),
        "try-again" => Refusal::try_again(message, None),
        "try-again-later" => Refusal::try_again(message, Some(1500)),
        "denied" => Refusal::denied(message),
        "invalid-config" => Refusal::invalid_config(Problem::new("range", message)),
        _ => Refusal::other(message),
    })
}

fn seen_of_context(context: &Context) {
    let zone = Text::fact(context.node_label("zone"));
    say(format!("node label zone {zone}, all {}", Text::labels(context.node_labels())));
}

fn seen_of_request(request: &Request) {
    say(format!("requester {:?}, {} {}", request.requester(), request.container_id(), request.interface_name()));
    let pod = [request.pod_namespace(), request.pod_name(), request.pod_uid(), request.service_account()];
    say(format!("pod {}", pod.map(Text::fact).join(", ")));
    say(match request.owner() {
        OwnerFact::Known(owner) => format!("owner {} {} {}", owner.kind(), owner.name(), owner.uid()),
        OwnerFact::Absent => "owner absent".to_owned(),
        OwnerFact::Unknown => "owner unknown".to_owned(),
    });
    let one = [request.pod_label("a"), request.pod_annotation("a"), request.namespace_label("a")];
    say(format!("key a {}, {}", one.map(Text::fact).join(", "), Text::fact(request.namespace_annotation("a"))));
    let many = [request.pod_labels(), request.pod_annotations(), request.namespace_labels()];
    say(format!("all {}, {}", many.map(Text::labels).join(", "), Text::labels(request.namespace_annotations())));
    say(format!("argument KEY {:?}, all {:?}", request.cni_arg("KEY"), request.cni_args()));
    say(format!("args label key {:?}, all {:?}", request.args_label("key"), request.args_labels()));
    let requested: Vec<IpAddr> = request.requested_addresses().into_iter().map(Text::ip).collect();
    say(format!("requested {requested:?}, mac {:?}, now {}, seed {}", request.mac(), request.now(), request.seed()));
    say(match request.resolv_conf() {
        Some(Dns { nameservers, domain, search, options }) => {
            format!("resolv.conf {nameservers:?} {domain:?} {search:?} {options:?}")
        }
        None => "no resolv.conf".to_owned(),
    });
}

fn seen_of_leases() {
    let v4 = all(V4);
    say(format!("used {}, free {}", leases::used_count(v4), leases::free_count(v4)));
    let free = leases::free_ranges(v4, Some(address("10.32.0.4")), 2);
    say(format!("free {:?}", free.into_iter().map(Text::range).collect::<Vec<_>>()));
    for at in ["10.32.0.0", "10.32.0.1", "10.32.0.2", "10.32.0.7", "10.32.0.9", "10.32.0.130", "192.0.2.1"] {
        say(format!("{at} is {:?}", leases::state(address(at))));
    }
    for lease in leases::list(v4, None, 3) {
        let holder = format!("{} {} since {}", lease.container_id(), lease.interface_name(), lease.since());
        let pod = format!("{:?}/{:?} {:?}", lease.pod_namespace(), lease.pod_name(), lease.reason());
        say(format!("lease {} {holder} {pod}", Text::ip(lease.address())));
    }
    let shop = leases::of_namespace("shop", Some(address("10.32.0.1")), 9);
    let shop: Vec<IpAddr> = shop.iter().map(|lease| Text::ip(lease.address())).collect();
    say(format!("shop holds {} {shop:?}", leases::count_of_namespace("shop")));
    say(format!("holder of .2 {:?}", leases::holder(address("10.32.0.2")).map(|lease| lease.container_id())));
    if let Some(last) = leases::last_holder(address("10.32.0.2")) {
        let pod = format!("{:?}/{:?}", last.pod_namespace(), last.pod_name());
        say(format!("last {} {} {pod} {}", last.container_id(), last.interface_name(), last.freed_at()));
    }
}

fn use_state(config: &str) {
    let times = state::get("times").map_or(0, |value| value[0]) + 1;
    say(format!("time {times}, faults {:?} {:?}", state::set("", b"x"), state::set("long", &[0; 70_000])));
    let kept = [state::set("times", &[times]), state::set(&format!("at/{times}"), config.as_bytes())];
    state::delete("at/2");
    say(format!("kept {kept:?}, keys {:?}", state::keys("at/", Some("at/0"))));
}

fn seen_of_shares() {
    let claimed: Vec<String> = shares::claimed().into_iter().map(Text::prefix).collect();
    say(format!("{} of {:?} claimed {claimed:?}", shares::me(), shares::members()));
    let next = shares::next_unclaimed(all(V4), Some(address("10.32.0.32"))).map(Text::prefix);
    say(format!("unclaimed {} {next:?}", shares::unclaimed_count(all(V4))));
    say(format!("block of .17 {:?}", shares::holder(address("10.32.0.17"))));
}

/// The reserved address of a key, otherwise the requested one, otherwise the first free one.
fn choose(key: &str, request: &Request) -> Result<IpAddress, Refusal> {
    for found in reservations::find(key) {
        say(format!("reserved {} {} until {}", found.key(), Text::ip(found.address()), found.until()));
        let _ = reservations::reserve(key, found.address(), 60_000);
        return Ok(found.address());
    }
    let asked = request.requested_addresses().first().copied();
    let chosen = asked.or_else(|| leases::next_free(all(V4), None));
    let chosen = chosen.ok_or_else(|| Refusal::exhausted("v4: no address is free"))?;
    say(format!("on it {:?}", reservations::on_address(chosen).map(|found| found.key())));
    let faults = [
        reservations::reserve("", chosen, 1),
        reservations::reserve(key, address("192.0.2.1"), 1),
        reservations::reserve("other", address("10.32.0.9"), 60_000),
        reservations::reserve(key, address("10.32.0.9"), 60_000),
    ];
    say(format!("reservations {faults:?}"));
    if says(&format!("\"{key}\""), "ends") {
        reservations::end("other");
    }
    Ok(chosen)
}

fn answer(v4: IpAddress, v6: IpAddress, request: &Request) -> Answer {
    let answer = Answer::new();
    answer.add_address(IpPrefix { address: v4, length: 24 }, Some(address("10.32.0.1")));
    answer.add_address(IpPrefix { address: v6, length: 64 }, None);
    let route = Route::new(prefix("10.96.0.0/12"));
    route.set_gateway(address("10.32.0.1"));
    route.set_mtu(1400);
    route.set_advmss(1360);
    route.set_priority(7);
    route.set_table(100);
    route.set_scope(0);
    answer.add_route(route);
    answer.add_route(Route::new(prefix("::/0")));
    answer.set_dns(&Dns {
        nameservers: vec!["10.96.0.10".to_owned()],
        domain: Some("cluster.local".to_owned()),
        search: vec!["shop.svc.cluster.local".to_owned()],
        options: vec!["ndots:5".to_owned()],
    });
    answer.set_reason(&format!("chosen for {}", request.container_id()));
    answer
}

impl release_hook::Guest for Policy {
    fn release(_config: String, context: &Context, ended: &Ended) {
        let pod = [ended.pod_namespace(), ended.pod_name()].map(Text::fact).join("/");
        log(Level::Debug, "an attachment ended");
        let held: Vec<IpAddr> = ended.addresses().into_iter().map(Text::ip).collect();
        let whose = format!("{} {} of {pod}", ended.container_id(), ended.interface_name());
        say(format!("{}: {whose} ended at {} with {held:?}", context.node_name(), ended.now()));
        for held in ended.addresses() {
            say(format!("kept: {:?}", reservations::reserve("kept", held, 60_000)));
        }
    }
}

impl adoption_hook::Guest for Policy {
    fn adopt(_config: String, context: &Context, adopted: &Adopted) {
        let addresses: Vec<IpAddr> = adopted.addresses(None, 9).into_iter().map(Text::ip).collect();
        log(Level::Error, "not an error: all levels are used");
        let rest = adopted.addresses(Some(address("10.32.0.3")), 1).len();
        let last = adopted.last_reserved().into_iter().map(|(set, last)| (set, Text::ip(last)));
        let last: Vec<(u32, IpAddr)> = last.collect();
        say(format!("{} adopted {addresses:?} ({rest}) last {last:?} at {}", context.network_name(), adopted.now()));
    }
}

impl cluster::Guest for Policy {
    fn blocks(config: String, _context: &Context) -> Result<Vec<Grid>, Vec<Problem>> {
        if says(&config, "offGrid") {
            return Err(vec![Problem::new("offGrid", "there is no grid")]);
        }
        Ok(vec![Grid { range: prefix(V4), block_length: 28 }, Grid { range: prefix(V6), block_length: 80 }])
    }

    fn share(_config: String, members: Vec<String>, member: String) -> Result<Vec<IpRange>, Refusal> {
        match members.iter().position(|other| *other == member) {
            Some(0) => Ok(vec![range("10.32.0.0", "10.32.0.127"), all(V6)]),
            Some(_) => Ok(vec![range("10.32.0.128", "10.32.0.255")]),
            None => Err(Refusal::denied(&format!("{member} is not a member"))),
        }
    }

    fn next_block(_config: String, _context: &Context, grid: u32) -> Result<IpPrefix, Refusal> {
        let within = if grid == 0 { all(V4) } else { all(V6) };
        shares::next_unclaimed(within, None).ok_or_else(|| Refusal::exhausted("every block is claimed"))
    }
}
