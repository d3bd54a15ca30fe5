"""The policy @NAME@: nodes of a cluster share a range; each claims the first unclaimed block when it needs one.

"ipam": {"type": "gingham", "policy": "@NAME@", "range": "10.32.0.0/16", "blockSize": 24, "cluster": {...}}
"""

from gingham import Exhausted, Grid, InvalidConfig, Pool, read, shares


def check_config(config, context):
    return [Pool("range").subnet(grid(config).range)]


def allocate(config, pools, request):
    """Only addresses of blocks that this node holds are free."""
    return pools[0].take(request)


def blocks(config, context):
    return [grid(config)]


def share(config, members, member):
    """Every node prefers the whole range: first come, first served."""
    return [grid(config).range]


def next_block(config, context, number):
    block = shares.next_unclaimed(grid(config).range)
    if block is None:
        raise Exhausted(f"all blocks of {grid(config).range} are claimed")
    return block


def grid(config):
    """The range in blocks."""
    range = read.network(config, "range")
    length = read.number(config, "blockSize", 24)
    shortest, longest = range.prefixlen, range.max_prefixlen
    if not shortest <= length <= longest:
        lengths = f"from {shortest} to {longest}, not {length}"
        raise InvalidConfig("blockSize", f"a block of {range} has a prefix length {lengths}")
    return Grid(range, length)
