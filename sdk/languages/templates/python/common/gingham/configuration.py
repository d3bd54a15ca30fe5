"""Reading the configuration."""

import ipaddress
import json
from typing import Any, Optional

from .addresses import Address, Network
from .refusals import InvalidConfig


class read:
    """Keys of the configuration. What is missing or wrong becomes an `InvalidConfig`, unless there is a fallback."""

    @staticmethod
    def value(config: dict, key: str, fallback: Any, convert, expected: str) -> Any:
        found = config.get(key)
        found = fallback if found is None else found
        if found is None:
            raise InvalidConfig(key, f"found nothing, expected {expected}")
        try:
            return convert(found)
        except (TypeError, ValueError):
            raise InvalidConfig(key, f"found {json.dumps(found)}, expected {expected}") from None

    @staticmethod
    def network(config: dict, key: str, fallback: Any = None) -> Network:
        def convert(text: str) -> Network:
            if "/" not in text:
                raise ValueError(text)
            return ipaddress.ip_network(text, strict=False)

        return read.value(config, key, fallback, convert, 'a network such as "10.1.0.0/24"')

    @staticmethod
    def address(config: dict, key: str, fallback: Any = None) -> Address:
        return read.value(config, key, fallback, ipaddress.ip_address, 'an address such as "10.1.0.1"')

    @staticmethod
    def number(config: dict, key: str, fallback: Any = None) -> float:
        return read.value(config, key, fallback, lambda number: number + 0, "a number")

    @staticmethod
    def text(config: dict, key: str, fallback: Optional[str] = None) -> str:
        return read.value(config, key, fallback, lambda text: text + "", "a text")
