"""What was read lately, as long as nothing was committed since: never older than a read anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from registry.ports.database import Database

K = TypeVar("K")
V = TypeVar("V")

COUNT_MAX = 1000
BYTES_MAX = 16_000


class Remembered(Generic[K, V]):
    """Values by key, all read at one moment of the database; at most 1,000 of at most 16 kB each.

    Why none is stale: it is kept under the moment that was seen before it was read, and given out
    only while that moment lasts, so no commit ended or began in between. Where the database has no
    moments, everything is read anew. Threads share one.
    """

    def __init__(self, database: Database, *, size_bytes: Callable[[V], int]) -> None:
        self._database = database
        self._size_bytes = size_bytes
        self._kept: tuple[int | None, dict[K, V]] = (None, {})

    def get(self, key: K, read: Callable[[], V]) -> V:
        """The value of a key, by `read` where it is not remembered. The caller may read it."""
        moment = self._database.moment
        if moment is None:
            return read()
        of, values = self._kept
        if of == moment and (value := values.get(key)) is not None:
            return value
        value = read()
        if self._size_bytes(value) <= BYTES_MAX:
            self._keep(moment, key, value)
        return value

    def _keep(self, moment: int, key: K, value: V) -> None:
        of, values = self._kept
        if of != moment or len(values) >= COUNT_MAX:
            values = {}
            self._kept = (moment, values)
        values[key] = value
