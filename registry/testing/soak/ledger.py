"""What a registry was made to promise: the values that it may show, and no others.

Before a change is asked for, its value joins those that may be seen; once it is acknowledged, it is
the only one. So a change whose answer never came may be seen or not, but an acknowledged one must.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from registry.client.errors import ClientError

#: A kind and what tells its members apart: ("alias", model, name).
Key: TypeAlias = tuple[str, ...]
#: None: there is no such thing.
Value: TypeAlias = str | int | None

#: What the client says where a change may have been made, or not.
UNKNOWN = ("UNREACHABLE", "CUT", "DEADLINE_EXCEEDED", "CANCELLED", "OUTCOME_UNKNOWN")


@dataclass(kw_only=True)
class Ledger:
    """Shared by threads; a key belongs to one of them at a time."""

    acknowledged: int = 0
    #: Changes that were refused, by reason: nothing may have come of them.
    refused: dict[str, int] = field(default_factory=dict)
    #: Changes whose answer never came.
    unknown: int = 0
    _may: dict[Key, frozenset[Value]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def change(self, key: Key, value: Value) -> Iterator[None]:
        """Around the call that makes the change. Errors pass through."""
        before = self.may_be(key)
        with self._lock:
            self._may[key] = before | {value}
        try:
            yield
        except ClientError as error:
            with self._lock:
                if error.reason in UNKNOWN:
                    self.unknown += 1
                else:
                    self._may[key] = before
                    self.refused[error.reason] = self.refused.get(error.reason, 0) + 1
            raise
        with self._lock:
            self._may[key] = frozenset({value})
            self.acknowledged += 1

    def may_be(self, key: Key) -> frozenset[Value]:
        with self._lock:
            return self._may.get(key, frozenset({None}))

    def known(self, kind: str = "") -> list[Key]:
        """Of one kind or of all, in the order in which they were first changed."""
        with self._lock:
            return [key for key in self._may if kind in ("", key[0])]

    def settle(self, key: Key, read: Callable[[Key], Value]) -> list[str]:
        """Compare with what the registry shows, which counts from then on; what is wrong."""
        may = self.may_be(key)
        found = read(key)
        if found not in may:
            shown = " or ".join(sorted(map(str, may)))
            return [f"{' '.join(key)}: found {found}, acknowledged was {shown}"]
        with self._lock:
            self._may[key] = frozenset({found})
        return []
