"""Between the contract's exports and the functions of policy.py. `ginghamctl policy build` puts this file beside them."""

import importlib
import json
import sys
import traceback

import gingham_process as process
import gingham_snapshot as snapshot
from gingham import addresses, host, pools, refusals, request as given
from gingham_exports import EXPORTS

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import addresses as wit_addresses, answers, pools as wit_pools

process.prepare()
policy = importlib.import_module("policy")

#: The functions of policy.py that go with an optional export.
FUNCTIONS = {"release-hook": {"release"}, "adoption-hook": {"adopt"}, "cluster": {"blocks", "share", "next_block"}}


def check_functions():
    has = {name for name in vars(policy) if callable(getattr(policy, name))}
    wanted = {"check_config", "allocate"}.union(*(FUNCTIONS[export] for export in EXPORTS))
    if missing := wanted - has:
        raise ImportError(f"policy.py has no function {' and no '.join(sorted(missing))}")
    for export, functions in FUNCTIONS.items():
        if export not in EXPORTS and functions <= has:
            raise ImportError(f'policy.py has {" and ".join(sorted(functions))}: add "{export}" to exports in gingham-policy.toml')


check_functions()
process.replace_streams()

# ---- from Python to the contract ----


def _network_out(network):
    return wit_addresses.IpPrefix(addresses.address_out(network.network_address), network.prefixlen)


def _pool_out(pool):
    out = wit_pools.Pool(pool.name)
    for declared in pool.ranges:
        added = wit_pools.PoolRange(_network_out(declared.prefix), addresses.range_out(declared))
        if declared.gateway is not None:
            added.set_gateway(addresses.address_out(declared.gateway))
        if declared.allows_network_address:
            added.allow_network_address()
        if declared.allows_broadcast_address:
            added.allow_broadcast_address()
        if declared.draining:
            added.set_draining()
        out.add_range(added)
    return out


def _assigned(item, declared):
    """An address, the length of its prefix, and a gateway."""
    if isinstance(item, tuple):
        return *_assigned(addresses.interface(item[0]), declared)[:2], item[1]
    if hasattr(item, "network"):
        return item.ip, item.network.prefixlen, None
    address = addresses.address(item)
    found = next((found for pool in declared if (found := pool.find(address))), None)
    if found is None:
        raise ValueError(f"allocate returned {address}, which lies in no pool of check_config")
    return address, found.prefix.prefixlen, found.gateway


def _route_out(route):
    out = wit_addresses.Route(_network_out(addresses.network(route["dst"])))
    if gateway := route.get("gw"):
        out.set_gateway(addresses.address_out(gateway))
    for key in ("mtu", "advmss", "priority", "table", "scope"):
        if route.get(key) is not None:
            getattr(out, f"set_{key}")(route[key])
    return out


def _answer_out(answer, declared, request):
    if answer is None:
        raise TypeError("allocate returned None: return an address, a list of addresses or an Answer")
    if not isinstance(answer, pools.Answer):
        answer = pools.Answer(answer if isinstance(answer, list) else [answer])
    out = answers.Answer()
    assigned = [_assigned(item, declared) for item in answer.addresses]
    missing = set(request.requested_addresses) - {address for address, _, _ in assigned}
    if missing:
        raise refusals.Unavailable(f"failed to allocate all requested IPs: {' '.join(map(str, sorted(missing, key=str)))}")
    for address, length, gateway in assigned:
        prefix = wit_addresses.IpPrefix(addresses.address_out(address), length)
        out.add_address(prefix, addresses.optional_out(gateway))
    for route in answer.routes:
        out.add_route(_route_out(route))
    if answer.dns is not None:
        lists = (answer.dns.get(key) or [] for key in ("nameservers", "search", "options"))
        nameservers, search, options = lists
        out.set_dns(wit_addresses.Dns(nameservers, answer.dns.get("domain"), search, options))
    if answer.reason is not None:
        out.set_reason(str(answer.reason))
    return out


def _problems_out(refusal):
    problems = getattr(refusal, "problems", [("", str(refusal))])
    return [answers.Problem(key, message) for key, message in problems]


def _refusal_out(refusal):
    text = str(refusal)
    match refusal:
        case refusals.Exhausted():
            return answers.Refusal.exhausted(text)
        case refusals.Unavailable():
            return answers.Refusal.unavailable(text)
        case refusals.TryAgain():
            return answers.Refusal.try_again(text, None if refusal.after is None else int(refusal.after * 1000))
        case refusals.Denied():
            return answers.Refusal.denied(text)
        case refusals.InvalidConfig():
            return answers.Refusal.invalid_config(_problems_out(refusal)[0])
        case _:
            return answers.Refusal.other(text)


# ---- the calls ----

#: As many frames of a traceback as an operator reads.
FRAMES = 5

#: What the instance made of its configuration. It serves one request.
_config = None
_pools = []


class _Call:
    """One call of the host: a refusal becomes the contract's, any other fault is logged before the call ends in a trap."""

    def __init__(self, refused, now=None, seed=None):
        self.refused, self.clock = refused, (now, seed)

    def __enter__(self):
        process.begin(*self.clock)

    def __exit__(self, kind, error, trace):
        process.flush()
        refused = isinstance(error, refusals.Refusal) and self.refused
        if error is not None and not refused:
            process.log_error(_text(error))
        process.end()
        if refused:
            raise Err(refused(error)) from None


def _text(error):
    """One line: "KeyError: 'subnet' at first_pool (policy.py:12), check_config (policy.py:7)", innermost first."""
    # Nothing of `traceback` that reads the source: there are no files here.
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    shown = [(code, line) for code, line in frames if code.co_filename != __file__][: -FRAMES - 1 : -1]
    at = ", ".join(f"{code.co_name} ({code.co_filename.rsplit('/', 1)[-1]}:{line})" for code, line in shown)
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    return f"{what} at {at}" if at else what


def _declared(config, context):
    global _config, _pools
    if _config is None:
        _config = json.loads(config)
        _pools = policy.check_config(_config, given.Context(context))
    return _pools


def forget():
    """As it was when the policy was loaded."""
    global _config, _pools
    _config, _pools = None, []


class Allocator(exports.Allocator):
    def check_config(self, config, context):
        with _Call(_problems_out):
            return [_pool_out(pool) for pool in _declared(config, context)]

    def allocate(self, config, context, request):
        with _Call(_refusal_out, now=request.now, seed=request.seed):
            declared = _declared(config, context)
            asked = given.Request(request, given.Context(context))
            return _answer_out(policy.allocate(_config, declared, asked), declared, asked)


class ReleaseHook:
    def release(self, config, context, ended):
        with _Call(None, now=ended.now):
            _declared(config, context)
            policy.release(_config, given.Context(context), given.Ended(ended))


class AdoptionHook:
    def adopt(self, config, context, adopted):
        with _Call(None, now=adopted.now):
            _declared(config, context)
            policy.adopt(_config, given.Context(context), given.Adopted(adopted))


class Cluster:
    def blocks(self, config, context):
        with _Call(_problems_out):
            _declared(config, context)
            grids = policy.blocks(_config, given.Context(context))
            return [wit_addresses.Grid(_network_out(grid.range), grid.block_length) for grid in grids]

    def share(self, config, members, member):
        with _Call(_refusal_out):
            return [addresses.range_out(part) for part in policy.share(json.loads(config), members, member)]

    def next_block(self, config, context, grid):
        with _Call(_refusal_out):
            _declared(config, context)
            return _network_out(policy.next_block(_config, given.Context(context), grid))


snapshot.rehearse(sys.modules[__name__])
snapshot.make_immortal()
