"""What a process has and a policy does not: a clock, randomness, standard output. The request's take their place."""

import datetime
import os
import random
import sys
import time

from gingham import host

#: The functions that read the request's time and seed, while a call has them.
_now = _seed = None
_state = None

_NO_TIME = "a policy reads the time in allocate, release and adopt only: it is the request's"
_NO_SEED = "a policy draws random numbers in allocate only: they follow from the request's seed"
_NO_SECRETS = "a policy has no secret random numbers; use random, which follows from the request's seed"


def begin(now, seed):
    global _now, _seed, _state
    _now, _seed, _state = now, seed, None
    host.serve(True)


def flush():
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def end():
    begin(None, None)
    host.serve(False)


def log_error(text):
    _write("error", text)


def _write(level, text):
    from wit_world.imports import log

    log.log(getattr(log.Level, level.upper()), text)


class _Lines:
    """Standard output or standard error: each line becomes one of the policy's log."""

    encoding = "utf-8"

    def __init__(self, level):
        self.level, self.rest = level, ""

    def write(self, text):
        *lines, self.rest = (self.rest + str(text)).split("\n")
        for line in lines:
            self._line(line)
        return len(text)

    def _line(self, line):
        _write(self.level, line)

    def flush(self):
        if self.rest:
            self._line(self.rest)
            self.rest = ""

    def isatty(self):
        return False


def _random64():
    """SplitMix64, as in the SDKs of the other languages."""
    global _state
    if _state is None:
        if _seed is None:
            raise RuntimeError(_NO_SEED)
        _state = _seed()
    _state = (_state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    mixed = ((_state ^ (_state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return mixed ^ (mixed >> 31)


class _Random(random.Random):
    """All of `random` draws from these two."""

    def random(self):
        return (_random64() >> 11) * 2.0**-53

    def getrandbits(self, count):
        words = -(-count // 64)
        wide = sum(_random64() << (64 * word) for word in range(words))
        return wide >> (64 * words - count)


def _seconds():
    if _now is None:
        raise RuntimeError(_NO_TIME)
    return _now() / 1000


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_seconds(), tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(_seconds(), datetime.timezone.utc).replace(tzinfo=None)

    @classmethod
    def today(cls):
        return cls.now()


def _refuse(text):
    def refused(*_, **__):
        raise RuntimeError(text)

    return refused


def prepare():
    """Before the policy is imported."""
    drawn = _Random(0)
    for name in random.__all__:
        if hasattr(random.Random, name) and callable(getattr(drawn, name)):
            setattr(random, name, getattr(drawn, name))
    os.urandom = random._urandom = _refuse(_NO_SECRETS)
    time.time = time.monotonic = time.perf_counter = _seconds
    time.time_ns = time.monotonic_ns = time.perf_counter_ns = lambda: int(_seconds() * 1000) * 1_000_000
    time.sleep = _refuse("a policy cannot wait; raise TryAgain, and the runtime tries again")
    datetime.datetime = _Datetime


def replace_streams():
    """After the policy was imported: what fails there is printed for its author."""
    sys.stdout, sys.stderr = _Lines("info"), _Lines("error")
