"""What is done when the policy is loaded, before the interpreter is kept as it is: each request begins with it."""

import array
import gc
import types

from gingham import Answer, Pool, read

from wit_world.imports import addresses as wit_addresses, answers, leases, pools

# ---- the first requests ----


class _Policy:
    """A policy like that of `policy new`."""

    @staticmethod
    def check_config(config, context):
        return [Pool("subnet").subnet(read.network(config, "subnet"))]

    @staticmethod
    def allocate(config, declared, request):
        pod = request.pod_name or request.container_id
        return Answer([declared[0].take(request)], reason=f"the lowest free address, for {pod}")


class _Host:
    """Stands for everything of the host: its functions take anything."""

    def __init__(self, *given):
        pass

    def __getattr__(self, name):
        return lambda *given: None


class _Fact_Known:
    value = "web-0"


class _Request(_Host):
    def pod_name(self):
        return _Fact_Known()

    def container_id(self):
        return "container"

    def requested_addresses(self):
        return []


def _next_free(within, after):
    return wit_addresses.IpAddress_Ipv4((10, 1, 0, 2))


#: CPython replaces instructions by faster ones after some calls.
_CALLS = 32


def rehearse(component):
    """Requests that nobody made: what they compile and cache, the first real one would have to."""
    replaced = [
        (component, "policy", _Policy),
        (pools, "Pool", _Host),
        (pools, "PoolRange", _Host),
        (answers, "Answer", _Host),
        (leases, "next_free", _next_free),
    ]
    own = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    for _ in range(_CALLS):
        component.forget()
        allocator = component.Allocator()
        allocator.check_config('{"subnet": "10.1.0.0/16"}', _Host())
        allocator.allocate("", _Host(), _Request())
    component.forget()
    for module, name, value in own:
        setattr(module, name, value)


# ---- objects without a count of references ----

#: `ginghamctl policy build` finds the list by these words. They are in memory once: here they are backwards.
_MARK = "stcejbo latrommi :mahgnig"

_kept = []
_list = b""


def make_immortal():
    """Lists all objects, so that `ginghamctl policy build` makes them immortal. Otherwise a request writes to each object
    that it touches, and the kernel copies the page that it lies in."""
    global _list
    waiting = gc.get_objects()
    seen = set()
    while waiting:
        new = []
        for item in waiting:
            if id(item) not in seen:
                seen.add(id(item))
                new.append(item)
        # What is in the list must not go away.
        _kept.extend(new)
        waiting = [inner for item in new for inner in _inside(item)]
    addresses = array.array("I", map(id, _kept))
    # Copies of the mark that were freed are in memory, too: the sum tells which list is whole.
    numbers = array.array("I", [len(addresses), sum(addresses) & 0xFFFFFFFF])
    _list = _MARK[::-1].encode() + numbers.tobytes() + addresses.tobytes()


def _inside(item):
    if not isinstance(item, types.CodeType):
        return gc.get_referents(item)
    # The collector does not look into code.
    names = [item.co_filename, item.co_name, item.co_qualname, item.co_names]
    return [*names, item.co_consts, item.co_linetable, item.co_exceptiontable]
