"""Pools, and what a policy returns."""

from dataclasses import dataclass, field
from typing import Any, Optional

from .addresses import Address, Network, address, network
from .host import leases
from .refusals import Exhausted, Unavailable


@dataclass
class PoolRange:
    """Addresses of a network, all of them without `first` and `last`."""

    prefix: Network
    first: Address = None
    last: Address = None
    gateway: Optional[Address] = None
    #: The network's own address may be handed out, because the configuration names it.
    allows_network_address: bool = False
    #: The broadcast address may be handed out, because the configuration names it.
    allows_broadcast_address: bool = False
    #: Hands out nothing new, while its leases stay valid.
    draining: bool = False

    def __post_init__(self):
        self.prefix = network(self.prefix)
        self.first = self.prefix[0] if self.first is None else address(self.first)
        self.last = self.prefix[-1] if self.last is None else address(self.last)

    def __contains__(self, address: Address) -> bool:
        return address.version == self.prefix.version and int(self.first) <= int(address) <= int(self.last)


_STATES = {
    "cooling": "cooling after its last use",
    "excluded": "excluded by the configuration",
    "draining": "in a range that is drained",
    "unusable": "a network, broadcast or gateway address",
    "outside": "in no pool",
}


@dataclass
class Pool:
    """A set of ranges from which a container gets at most one address. The name is for messages."""

    name: str
    ranges: list[PoolRange] = field(default_factory=list)

    def subnet(self, prefix: Any, **options: Any) -> "Pool":
        """Adds a whole network: all but its network and broadcast address; the gateway is the first of them."""
        prefix = network(prefix)
        gateway = prefix[1] if prefix.num_addresses >= 4 else None
        return self.range(PoolRange(prefix, **{"gateway": gateway, **options}))

    def range(self, added: PoolRange) -> "Pool":
        self.ranges.append(added)
        return self

    def find(self, address: Address) -> Optional[PoolRange]:
        return next((range for range in self.ranges if address in range), None)

    def first_free(self) -> Optional[Address]:
        """The lowest free address of the first range that has one."""
        found = (leases.next_free(range) for range in self.ranges)
        return next((address for address in found if address is not None), None)

    def next_free_after(self, last: Optional[Address]) -> Optional[Address]:
        """The first free address after `last` in the pool's order, from the start again behind its end."""
        here = None if last is None else self.find(last)
        if here is None:
            return self.first_free()
        at = self.ranges.index(here)
        tries = [(here, last), *((range, None) for range in self.ranges[at + 1 :] + self.ranges[:at])]
        found = (leases.next_free(*attempt) for attempt in [*tries, ((here.first, last), None)])
        return next((address for address in found if address is not None), None)

    def requested(self, request: Any) -> Optional[Address]:
        """The first address of this pool that the runtime asks for by name. Raises `Unavailable` if it is not free."""
        wanted = next((address for address in request.requested_addresses if self.find(address)), None)
        if wanted is None or (state := leases.state(wanted)) == "free":
            return wanted
        raise Unavailable(f"requested IP address {wanted} is not available: it is {_STATES.get(state, state)}")

    def take(self, request: Any) -> Address:
        """The address that the runtime asks for by name, otherwise the lowest free one. Raises `Exhausted` if none is."""
        taken = self.requested(request) or self.first_free()
        if taken is None:
            raise self.exhausted()
        return taken

    def exhausted(self) -> Exhausted:
        ranges = ",".join(f"{range.first}-{range.last}" for range in self.ranges)
        return Exhausted(f"no IP addresses available in pool {self.name}: {ranges}")


@dataclass
class Answer:
    """What a container gets. An address of a pool has the prefix length and gateway of its range; an interface
    (`ipaddress.ip_interface`) or a pair of interface and gateway has its own."""

    addresses: list
    reason: Optional[str] = None
    #: As CNI writes them: {"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "priority": 100}
    routes: list[dict] = field(default_factory=list)
    #: {"nameservers": [], "domain": None, "search": [], "options": []}
    dns: Optional[dict] = None


@dataclass
class Grid:
    """A range in blocks of one size, for a cluster policy."""

    range: Network
    block_length: int
