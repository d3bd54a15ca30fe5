"""Why a request is not granted. Raise one of them; its text is a sentence for the operator."""

from typing import Optional, Union


class Refusal(Exception):
    """Why a request is not granted."""


class Exhausted(Refusal):
    """No address is left. The host may then let a cooling one count as free and call again."""


class Unavailable(Refusal):
    """A requested address is not available."""


class TryAgain(Refusal):
    """Not now: the runtime may try again, after so many seconds if the policy knows."""

    def __init__(self, message: str, after: Optional[float] = None):
        super().__init__(message)
        self.after = after


class Denied(Refusal):
    """This request must not have an address here."""


class Refused(Refusal):
    """Anything else."""


class InvalidConfig(Refusal):
    """The configuration is at fault: a key and what to do, or a list of such pairs."""

    def __init__(self, key: Union[str, list], message: str = ""):
        self.problems = key if isinstance(key, list) else [(key, message)]
        super().__init__("; ".join(f"{key}: {message}" for key, message in self.problems))
