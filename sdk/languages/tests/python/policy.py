"""What the pod's name says is what the tests look at."""

import datetime
import os
import random
import time

from gingham import Answer, Denied, Grid, HostError, Pool, TryAgain, leases, log, read, reservations, shares, stable_hash, state


def look_up(table):
    return table["nothing"]


def allocate(config, pools, request):
    pool, reason = pools[0], None
    match request.pod_name:
        case "raises":
            return look_up({})
        case "denied":
            raise Denied("not this one")
        case "try-again":
            raise TryAgain("later", after=1.5)
        case "nothing":
            return None
        case "outside":
            return "192.0.2.1"
        case "urandom":
            os.urandom(8)
        case "prints":
            print("a text", 7, {"a": [1, 2]}, None)
            log.warn("careful")
            print("no end", end="")
        case "draws":
            drawn = [random.random(), random.randint(1, 6), random.choice("abc"), random.sample(range(100), 3)]
            now = datetime.datetime.now(datetime.timezone.utc)
            reason = f"{drawn[0]} {drawn[1:]} {time.time()} {now.isoformat()} {request.now}"
        case "state-errors":
            values = [("", 1), ("long", "x" * 70_000)]
            reason = "; ".join(str(fault(state.set, key, value)) for key, value in values)
        case "asks":
            reason = "; ".join(f"{name}: {value}" for name, value in asked(read.network(config, "range"), request).items())
    return Answer([pool.take(request)], reason=reason)


def fault(call, *arguments):
    try:
        return call(*arguments)
    except (HostError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def asked(range, request):
    state.set("asked", {"times": [1]})
    kept = range[9]
    reservations.reserve("mine", kept, 60)
    return {
        "pod": (request.pod_namespace, request.pod_name, request.pod_uid),
        "owner": request.owner,
        "label": (request.pod_label("app"), request.pod_label("none"), request.namespace_label("app")),
        "labels": (request.pod_labels, request.namespace_labels),
        "runtime": (request.requester, request.container_id, request.interface_name, request.mac, request.args_labels),
        "node": (request.context.network_name, request.context.node_name, request.context.node_label("zone")),
        "leases": [(str(lease.address), lease.pod_name, lease.container_id) for lease in leases.list(range)],
        "counts": (leases.used_count(range), leases.count_of_namespace("shop")),
        "states": [leases.state(range[at]) for at in (1, 2, 9)] + [leases.state("192.0.2.1")],
        "free": (leases.next_free(range), leases.next_free((range[5], range[9]), range[5])),
        "holder": (leases.holder(range[3]), leases.last_holder(range[3])),
        "state": (state.get("asked"), state.get("none"), list(state.keys("a"))),
        "reservations": ([(found.key, str(found.address)) for found in reservations.find("mine")], reservations.on_address(range[8])),
        "faults": (fault(state.set, "", 1), fault(reservations.reserve, "mine", "192.0.2.1", 1), fault(leases.state, "10.1")),
        "shares": (shares.me(), shares.members()),
        "hash": stable_hash("a"),
    }


def check_config(config, context):
    if config.get("mode") == "random":
        random.random()
    if config.get("mode") == "time":
        datetime.datetime.now()
    return [Pool("range").subnet(read.network(config, "range"))]


def release(config, context, ended):
    state.set("released", f"{ended.pod_namespace}/{ended.pod_name}")


def blocks(config, context):
    return [Grid(read.network(config, "range"), 24)]


def share(config, members, member):
    return [read.network(config, "range")]


def next_block(config, context, number):
    return shares.next_unclaimed(read.network(config, "range"))
