"""The policy @NAME@: the lowest free address of a subnet.

"ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24"}
"""

from gingham import Answer, InvalidConfig, Pool, read


def check_config(config, context):
    subnet = read.network(config, "subnet")
    if subnet.num_addresses < 4:
        raise InvalidConfig("subnet", f"{subnet} is too small: use a /29 or larger")
    return [Pool("subnet").subnet(subnet)]


def allocate(config, pools, request):
    pod = request.pod_name or request.container_id
    return Answer([pools[0].take(request)], reason=f"the lowest free address, for {pod}")
