"""What the host answers: leases, reservations, the policy's state and the cluster."""

import json
import re
from importlib import import_module
from typing import Any, Iterator, NamedTuple, Optional

from .addresses import Address, Network, Range, address_in, address_out, optional_out, prefix_in, range_out


def _pages(page, last) -> Iterator[Any]:
    """Asks page by page, each one with the last item of the one before."""
    items = page(None)
    while items:
        yield from items
        items = page(last(items[-1]))


def case(value: Any) -> str:
    """The name of a variant's case as the contract writes it: "not-in-pool"."""
    name = type(value).__name__.split("_", 1)[-1]
    return re.sub("(?<!^)(?=[A-Z])", "-", name).lower()


class Lease:
    """One lease. Each property is a host call."""

    def __init__(self, inner: Any):
        self._inner = inner

    address = property(lambda self: address_in(self._inner.address()))
    container_id = property(lambda self: self._inner.container_id())
    interface_name = property(lambda self: self._inner.interface_name())
    since = property(lambda self: self._inner.since() / 1000)
    pod_namespace = property(lambda self: self._inner.pod_namespace())
    pod_name = property(lambda self: self._inner.pod_name())
    reason = property(lambda self: self._inner.reason())


class FormerHolder:
    """Who held a cooling address until it was freed. Each property is a host call."""

    def __init__(self, inner: Any):
        self._inner = inner

    container_id = property(lambda self: self._inner.container_id())
    interface_name = property(lambda self: self._inner.interface_name())
    pod_namespace = property(lambda self: self._inner.pod_namespace())
    pod_name = property(lambda self: self._inner.pod_name())
    freed_at = property(lambda self: self._inner.freed_at() / 1000)


class Reservation(NamedTuple):
    key: str
    address: Address
    until: float


def _reservation(inner: Any) -> Reservation:
    return Reservation(inner.key(), address_in(inner.address()), inner.until() / 1000)


def _optional(read, value: Any) -> Any:
    return None if value is None else read(value)


def _loaded(area: str) -> Any:
    try:
        return import_module(f"wit_world.imports.{area}")
    except ImportError:
        return None


#: Imported while the policy is loaded: later there are no files to read. A unit test has none, and `shares` is the cluster's.
_CONTRACT = {area: _loaded(area) for area in ("leases", "log", "reservations", "shares", "state")}


def _calls(area: str) -> Any:
    if not _serving:
        raise RuntimeError(f"{area} calls the host, which answers only during a request: try it by ginghamctl policy test")
    if _CONTRACT[area] is None:
        raise RuntimeError(f'{area} is for cluster policies: add "cluster" to exports in gingham-policy.toml')
    return _CONTRACT[area]


#: Whether a call of the host runs: neither in a unit test nor while the policy is loaded.
_serving = False


def serve(serving: bool) -> None:
    """For the component alone."""
    global _serving
    _serving = serving


def is_serving() -> bool:
    return _serving


class leases:
    """The leases of this network, as they are while the policy runs."""

    @staticmethod
    def next_free(within: Any, after: Any = None) -> Optional[Address]:
        """The first free address of the range above `after`. A cooling address is never found."""
        return _optional(address_in, _calls("leases").next_free(range_out(within), optional_out(after)))

    @staticmethod
    def state(address: Any) -> str:
        """free, leased, cooling, reserved, excluded, draining, unusable, outside; others are not free."""
        state = _calls("leases").state(address_out(address))
        return getattr(state, "value", None) or case(state)

    @staticmethod
    def is_free(address: Any) -> bool:
        return leases.state(address) == "free"

    @staticmethod
    def holder(address: Any) -> Optional[Lease]:
        return _optional(Lease, _calls("leases").holder(address_out(address)))

    @staticmethod
    def last_holder(address: Any) -> Optional[FormerHolder]:
        return _optional(FormerHolder, _calls("leases").last_holder(address_out(address)))

    @staticmethod
    def used_count(within: Any) -> int:
        return _calls("leases").used_count(range_out(within))

    @staticmethod
    def free_count(within: Any) -> int:
        return _calls("leases").free_count(range_out(within))

    @staticmethod
    def list(within: Any) -> Iterator[Lease]:
        page = lambda after: _calls("leases").list(range_out(within), after, 256)
        return map(Lease, _pages(page, lambda lease: lease.address()))

    @staticmethod
    def of_namespace(namespace: str) -> Iterator[Lease]:
        page = lambda after: _calls("leases").of_namespace(namespace, after, 256)
        return map(Lease, _pages(page, lambda lease: lease.address()))

    @staticmethod
    def count_of_namespace(namespace: str) -> int:
        return _calls("leases").count_of_namespace(namespace)

    @staticmethod
    def free_ranges(within: Any) -> Iterator[Range]:
        page = lambda after: _calls("leases").free_ranges(range_out(within), after, 256)
        return (Range(address_in(run.first), address_in(run.last)) for run in _pages(page, lambda run: run.last))


class HostError(Exception):
    """A value was not stored. `code` is full, held, bad-key, not-in-pool, too-long or a later host's text."""

    def __init__(self, fault: Any):
        self.code = getattr(fault, "value", None) or case(fault)
        super().__init__(self.code)


def _stored(call, *arguments: Any) -> None:
    try:
        call(*arguments)
    except Exception as error:
        # `Err` of componentize-py carries the contract's error.
        raise HostError(error.value) if hasattr(error, "value") else error


class state:
    """The policy's own values, kept per network as JSON and committed with the answer: 64 KiB each, 1 MiB in all."""

    @staticmethod
    def get(key: str) -> Any:
        found = _calls("state").get(key)
        return None if found is None else json.loads(found)

    @staticmethod
    def set(key: str, value: Any) -> None:
        _stored(_calls("state").set, key, json.dumps(value).encode())

    @staticmethod
    def delete(key: str) -> None:
        _calls("state").delete(key)

    @staticmethod
    def keys(prefix: str = "") -> Iterator[str]:
        return _pages(lambda after: _calls("state").keys(prefix, after), lambda key: key)


class reservations:
    """Addresses kept for a key, whether they are leased or not."""

    @staticmethod
    def find(key: str) -> list[Reservation]:
        return [_reservation(inner) for inner in _calls("reservations").find(key)]

    @staticmethod
    def on_address(address: Any) -> Optional[Reservation]:
        return _optional(_reservation, _calls("reservations").on_address(address_out(address)))

    @staticmethod
    def reserve(key: str, address: Any, seconds: float) -> None:
        """Raises `HostError`."""
        _stored(_calls("reservations").reserve, key, address_out(address), int(seconds * 1000))

    @staticmethod
    def end(key: str) -> None:
        _calls("reservations").end(key)


class shares:
    """The members of a cluster and their blocks, for a cluster policy."""

    @staticmethod
    def me() -> str:
        return _calls("shares").me()

    @staticmethod
    def members() -> list[str]:
        return _calls("shares").members()

    @staticmethod
    def next_unclaimed(within: Any, after: Any = None) -> Optional[Network]:
        return _optional(prefix_in, _calls("shares").next_unclaimed(range_out(within), optional_out(after)))

    @staticmethod
    def unclaimed_count(within: Any) -> int:
        return _calls("shares").unclaimed_count(range_out(within))

    @staticmethod
    def claimed() -> list[Network]:
        return [prefix_in(block) for block in _calls("shares").claimed()]

    @staticmethod
    def holder(address: Any) -> Optional[str]:
        return _calls("shares").holder(address_out(address))


class log:
    """Lines for the operator. `print` writes one of the level info."""

    @staticmethod
    def _write(level: str, text: Any) -> None:
        calls = _calls("log")
        calls.log(getattr(calls.Level, level), str(text))

    @staticmethod
    def debug(text: Any) -> None:
        log._write("DEBUG", text)

    @staticmethod
    def info(text: Any) -> None:
        log._write("INFO", text)

    @staticmethod
    def warn(text: Any) -> None:
        log._write("WARN", text)

    @staticmethod
    def error(text: Any) -> None:
        log._write("ERROR", text)
