"""Addresses, networks and interfaces are those of `ipaddress`. This is between them and the contract's."""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, NamedTuple, Union

try:
    from wit_world.imports import addresses as _contract
except ImportError:  # A unit test has no host.
    _contract = None

interface = ipaddress.ip_interface

Address = Union[IPv4Address, IPv6Address]
Network = Union[IPv4Network, IPv6Network]


# `ipaddress` would write an object as text and read it again, which is most of the time of a request.


def address(value: Any) -> Address:
    """An address, from anything that stands for one."""
    return value if type(value) in (IPv4Address, IPv6Address) else ipaddress.ip_address(value)


def network(value: Any) -> Network:
    """A network, from anything that stands for one; an address with a prefix length stands for its network."""
    return value if type(value) in (IPv4Network, IPv6Network) else ipaddress.ip_network(value, strict=False)


class Range(NamedTuple):
    """A run of addresses, both ends included."""

    first: Address
    last: Address


def address_in(value: Any) -> Address:
    if len(value.value) == 4:
        return IPv4Address(bytes(value.value))
    return IPv6Address(b"".join(group.to_bytes(2, "big") for group in value.value))


def address_out(value: Any) -> Any:
    found = address(value)
    packed = found.packed
    if found.version == 4:
        return _contract.IpAddress_Ipv4(tuple(packed))
    return _contract.IpAddress_Ipv6(tuple(int.from_bytes(packed[at : at + 2], "big") for at in range(0, 16, 2)))


def optional_out(value: Any) -> Any:
    return None if value is None else address_out(value)


def range_of(within: Any) -> Range:
    """Both ends of anything that stands for a range."""
    if isinstance(within, str):
        within = network(within)
    if isinstance(within, (IPv4Network, IPv6Network)):
        return Range(within[0], within[-1])
    if isinstance(within, (IPv4Address, IPv6Address)):
        return Range(within, within)
    first, last = (within.first, within.last) if hasattr(within, "first") else within
    return Range(address(first), address(last))


def range_out(within: Any) -> Any:
    first, last = range_of(within)
    return _contract.IpRange(address_out(first), address_out(last))


def prefix_in(prefix: Any) -> Network:
    packed = address_in(prefix.address).packed
    return (IPv4Network if len(packed) == 4 else IPv6Network)((packed, prefix.length))
