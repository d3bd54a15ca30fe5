"""A hash that stays the same in all versions."""

from typing import Union


def stable_hash(text: Union[str, bytes]) -> int:
    """A hash that will never change (FNV-1a, 64 bits), for policies that derive addresses from names."""
    value = 0xCBF29CE484222325
    for byte in text.encode() if isinstance(text, str) else text:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
