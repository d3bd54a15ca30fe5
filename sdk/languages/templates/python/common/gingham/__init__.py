"""What a policy in Python uses of Gingham. `ginghamctl policy new` wrote this package.

It runs in a policy and, apart from what calls the host, in any Python 3.
"""

from .addresses import Address, Network, Range, range_of
from .configuration import read
from .hashing import stable_hash
from .host import FormerHolder, HostError, Lease, Reservation, leases, log, reservations, shares, state
from .pools import Answer, Grid, Pool, PoolRange
from .refusals import Denied, Exhausted, InvalidConfig, Refusal, Refused, TryAgain, Unavailable
from .request import UNKNOWN, Adopted, Context, Ended, Owner, Request

__all__ = [name for name in dir() if not name.startswith("_")]
