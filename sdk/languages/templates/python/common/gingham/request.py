"""What the functions of a policy receive. A fact is a text if the host knows it, None if there is none, and `UNKNOWN`,
which is false as well, if the host does not know."""

from typing import Any, Callable, NamedTuple

from .addresses import address_in
from .host import case


class _Unknown:
    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


class Owner(NamedTuple):
    """The Kubernetes object that made the pod."""

    kind: str
    name: str
    uid: str


def _fact(fact: Any) -> Any:
    kind = type(fact).__name__
    return fact.value if kind.endswith("_Known") else None if kind.endswith("_Absent") else UNKNOWN


def _owner(fact: Any) -> Any:
    owner = _fact(fact)
    return Owner(owner.kind(), owner.name(), owner.uid()) if owner else owner


def _labels(pairs: Any) -> Any:
    return UNKNOWN if pairs is None else dict(pairs)


def _requester(requester: Any) -> str:
    return getattr(requester, "value", None) or case(requester)


def _mac(mac: Any) -> Any:
    return None if mac is None else ":".join(f"{byte:02x}" for byte in mac)


def _dns(dns: Any) -> Any:
    return None if dns is None else dict(vars(dns))


def _addresses(values: list) -> list:
    return [address_in(value) for value in values]


def _seconds(millis: int) -> float:
    return millis / 1000


def _read(name: str, convert: Callable = lambda value: value) -> property:
    """A property that asks the host whenever it is read."""
    return property(lambda self: convert(getattr(self._inner, name)()))


def _ask(name: str, convert: Callable = lambda value: value) -> Callable:
    """A method that asks the host for a key."""
    return lambda self, key: convert(getattr(self._inner, name)(key))


class _Lent:
    """Made by the host for one call."""

    def __init__(self, inner: Any):
        self._inner = inner


class Context(_Lent):
    """The network and the node."""

    network_name = _read("network_name")
    node_name = _read("node_name")
    node_labels = _read("node_labels", _labels)
    node_label = _ask("node_label", _fact)


class Request(_Lent):
    """One container's interface that wants addresses. `now` is in seconds since 1970, and `time.time()` is the same;
    `random` follows from `seed`."""

    def __init__(self, inner: Any, context: Context):
        super().__init__(inner)
        self.context = context

    #: pod, container, node, script, device-claim or a later host's text
    requester = _read("requester", _requester)
    container_id = _read("container_id")
    interface_name = _read("interface_name")
    pod_namespace = _read("pod_namespace", _fact)
    pod_name = _read("pod_name", _fact)
    pod_uid = _read("pod_uid", _fact)
    service_account = _read("service_account", _fact)
    owner = _read("owner", _owner)
    pod_labels = _read("pod_labels", _labels)
    pod_label = _ask("pod_label", _fact)
    pod_annotations = _read("pod_annotations", _labels)
    pod_annotation = _ask("pod_annotation", _fact)
    namespace_labels = _read("namespace_labels", _labels)
    namespace_label = _ask("namespace_label", _fact)
    namespace_annotations = _read("namespace_annotations", _labels)
    namespace_annotation = _ask("namespace_annotation", _fact)
    #: The runtime's arguments (CNI_ARGS).
    cni_args = _read("cni_args", dict)
    cni_arg = _ask("cni_arg")
    #: The configuration's `args.cni.labels`.
    args_labels = _read("args_labels", dict)
    args_label = _ask("args_label")
    #: Grant all of them or refuse: an answer without one of them is refused.
    requested_addresses = _read("requested_addresses", _addresses)
    mac = _read("mac", _mac)
    resolv_conf = _read("resolv_conf", _dns)
    now = _read("now", _seconds)
    seed = _read("seed")


class Ended(_Lent):
    """An attachment that has ended. It holds its addresses no longer."""

    container_id = _read("container_id")
    interface_name = _read("interface_name")
    addresses = _read("addresses", _addresses)
    pod_namespace = _read("pod_namespace", _fact)
    pod_name = _read("pod_name", _fact)
    now = _read("now", _seconds)


class Adopted(_Lent):
    """Leases that the host adopted from the reference IPAM plugin host-local."""

    def addresses(self) -> Any:
        page = self._inner.addresses(None, 256)
        while page:
            yield from _addresses(page)
            page = self._inner.addresses(page[-1], 256)

    #: By the number of the range set.
    last_reserved = _read("last_reserved", lambda pairs: {number: address_in(address) for number, address in pairs})
    now = _read("now", _seconds)
