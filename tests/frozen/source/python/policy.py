"""A policy that calls what the module gingham has of the contract, and logs what it sees."""

import random
from ipaddress import ip_interface, ip_network

from gingham import (
    Answer, Denied, Exhausted, Grid, HostError, InvalidConfig, Pool, PoolRange, Refused, TryAgain, Unavailable,
    leases, log, reservations, shares, state,
)

V4 = ip_network("10.32.0.0/24")
V6 = ip_network("fd00:32::/64")


def say(what, *values):
    log.info(f"{what} {[value if isinstance(value, (int, float, bool)) else str(value) for value in values]}")


def texts(values):
    return [str(value) for value in values]


def check_config(config, context):
    say("check-config", context.network_name, context.node_name)
    if "range" not in config:
        message = "is missing: use an address and a prefix length"
        raise InvalidConfig([("range", message), ("range6", message)])
    ranges = [
        PoolRange(V4, V4[0], V4[127], V4[1], allows_network_address=True),
        PoolRange(V4, V4[128], V4[239], draining=True),
        PoolRange(V4, V4[240], V4[255], allows_broadcast_address=True),
    ]
    return [Pool("v4", ranges), Pool("v6", [PoolRange(V6)])]


def allocate(config, pools, request):
    seen_of_request(request)
    kind = request.args_label("refuse")
    if kind is not None:
        raise refusal(kind)
    seen_of_leases()
    use_state(config)
    say("shares", shares.me(), shares.members(), texts(shares.claimed()), shares.unclaimed_count(V4))
    say("blocks", shares.next_unclaimed(V4, V4[32]), shares.holder(V4[17]), shares.holder(V4[70]))
    chosen = choose(request.args_label("key") or "nobody", request)
    addresses = [(ip_interface(f"{chosen}/24"), V4[1]), ip_interface(f"{leases.next_free(V6)}/64")]
    routes = [
        {"dst": "10.96.0.0/12", "gw": "10.32.0.1", "mtu": 1400, "advmss": 1360, "priority": 7, "table": 100, "scope": 0},
        {"dst": "::/0"},
    ]
    dns = {
        "nameservers": ["10.96.0.10"],
        "domain": "cluster.local",
        "search": ["shop.svc.cluster.local"],
        "options": ["ndots:5"],
    }
    return Answer(addresses, reason=f"chosen for {request.container_id}", routes=routes, dns=dns)


def refusal(kind):
    message = "as the label says"
    match kind:
        case "exhausted":
            return Exhausted(message)
        case "unavailable":
            return Unavailable(message)
        case "try-again":
            return TryAgain(message)
        case "try-again-later":
            return TryAgain(message, after=1.5)
        case "denied":
            return Denied(message)
        case "invalid-config":
            return InvalidConfig("range", message)
        case _:
            return Refused(message)


def seen_of_request(request):
    context = request.context
    say("node", context.node_label("zone"), context.node_labels)
    say("requester", request.requester, request.container_id, request.interface_name)
    say("pod", request.pod_namespace, request.pod_name, request.pod_uid, request.service_account, request.owner)
    say("key a", request.pod_label("a"), request.pod_annotation("a"), request.namespace_label("a"))
    say("key a", request.namespace_annotation("a"), request.namespace_annotations)
    say("all", request.pod_labels, request.pod_annotations, request.namespace_labels)
    say("arguments", request.cni_arg("KEY"), request.cni_args, request.args_label("key"), request.args_labels)
    say("wanted", texts(request.requested_addresses), request.mac, request.resolv_conf, request.now, request.seed)
    say("drawn", random.randrange(10**9))


def seen_of_leases():
    say("counts", leases.used_count(V4), leases.free_count(V4), leases.count_of_namespace("shop"))
    say("free", [f"{run.first}-{run.last}" for run in leases.free_ranges(V4)])
    say("states", [leases.state(V4[at]) for at in (0, 1, 2, 7, 9, 130)], leases.state("192.0.2.1"))
    for lease in leases.list(V4):
        say("lease", lease.address, lease.container_id, lease.interface_name, lease.since)
        say("its pod", lease.pod_namespace, lease.pod_name, lease.reason)
    holder = leases.holder(V4[2])
    say("shop", [str(lease.address) for lease in leases.of_namespace("shop")], holder and holder.container_id)
    last = leases.last_holder(V4[2])
    if last:
        say("last", last.container_id, last.interface_name, last.pod_namespace, last.pod_name, last.freed_at)


def use_state(config):
    times = (state.get("times") or 0) + 1
    say("time", times, fault(state.set, "", 1), fault(state.set, "long", "x" * 70_000))
    state.set("times", times)
    state.set(f"at/{times}", dict(config))
    state.delete("at/2")
    say("keys", list(state.keys("at/")))


def fault(call, *arguments):
    try:
        return call(*arguments)
    except HostError as error:
        return error.code


def choose(key, request):
    for found in reservations.find(key):
        say("reserved", found.key, found.address, found.until)
        reservations.reserve(key, found.address, 60)
        return found.address
    chosen = next(iter(request.requested_addresses), None) or leases.next_free(V4)
    if chosen is None:
        raise Exhausted("v4: no address is free")
    on_it = reservations.on_address(chosen)
    say("on it", on_it and on_it.key)
    tries = [("", chosen), (key, "192.0.2.1"), ("other", V4[9]), (key, V4[9])]
    say("reservations", [fault(reservations.reserve, name, address, 60) for name, address in tries])
    if key == "ends":
        reservations.end("other")
    return chosen


def release(config, context, ended):
    say("ended", context.node_name, ended.container_id, ended.interface_name, texts(ended.addresses))
    say("its pod", ended.pod_namespace, ended.pod_name, ended.now)
    for address in ended.addresses:
        say("kept", fault(reservations.reserve, "kept", address, 60))


def adopt(config, context, adopted):
    last = {number: str(address) for number, address in adopted.last_reserved.items()}
    say("adopted", context.network_name, texts(adopted.addresses()), last, adopted.now)


def blocks(config, context):
    if "offGrid" in config:
        raise InvalidConfig("offGrid", "there is no grid")
    return [Grid(V4, 28), Grid(V6, 80)]


def share(config, members, member):
    if member not in members:
        raise Denied(f"{member} is not a member")
    return [(V4[0], V4[127]), V6] if members.index(member) == 0 else [(V4[128], V4[255])]


def next_block(config, context, grid):
    block = shares.next_unclaimed(V6 if grid else V4)
    if block is None:
        raise Exhausted("every block is claimed")
    return block
