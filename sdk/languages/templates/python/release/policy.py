"""The policy @NAME@: a pod that comes back within `keepSeconds` gets its address again.

"ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24", "keepSeconds": 600}
"""

from gingham import Answer, HostError, Pool, leases, log, read, reservations


def check_config(config, context):
    read.number(config, "keepSeconds", 600)
    return [Pool("subnet").subnet(read.network(config, "subnet"))]


def allocate(config, pools, request):
    pod = key(request)
    kept = find_kept(config, request, pod) if pod else None
    return Answer([kept], reason=f"kept for {pod}") if kept else pools[0].take(request)


def release(config, context, ended):
    if pod := key(ended):
        for address in ended.addresses:
            keep(config, pod, address)


def key(attachment):
    """The key of a pod's reservation. None for a container without a pod."""
    namespace, name = attachment.pod_namespace, attachment.pod_name
    return f"{namespace}/{name}" if namespace and name else None


def find_kept(config, request, pod):
    """The address kept for the pod, if the request may have it. Another container of the pod may still hold it."""
    requested = request.requested_addresses
    for found in reservations.find(pod):
        if requested and found.address not in requested:
            continue
        # An answer may have a reserved address only if the same call reserves it again, under the same key.
        keep(config, pod, found.address)
        if leases.is_free(found.address):
            return found.address
    return None


def keep(config, pod, address):
    """Without it another pod may get the address, which is no reason to fail."""
    try:
        reservations.reserve(pod, address, read.number(config, "keepSeconds", 600))
    except HostError as error:
        log.warn(f"cannot reserve {address} for {pod}: {error}")
