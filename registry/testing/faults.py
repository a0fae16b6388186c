"""A real database behind a door that tests can hold up or shut."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from registry.ports.database import Database, Transaction

T = TypeVar("T")


class GuardedDatabase:
    """Passes everything on. `after_read` runs between a read and its reply; `error` is raised
    instead of a write, as long as it is set; `written` has the namespaces that writes named."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.after_read: Callable[[], object] | None = None
        self.error: Exception | None = None
        self.written: list[str] = []

    @property
    def kind(self) -> str:
        return self._database.kind

    @property
    def schema_revision(self) -> str:
        return self._database.schema_revision

    @property
    def moment(self) -> int | None:
        return self._database.moment

    def read(self, fn: Callable[[Transaction], T]) -> T:
        found = self._database.read(fn)
        hook, self.after_read = self.after_read, None
        if hook is not None:
            hook()
        return found

    def snapshot(self, fn: Callable[[Transaction], T]) -> T:
        return self._database.snapshot(fn)

    def write(self, fn: Callable[[Transaction], T], *, namespace: str = "") -> T:
        if self.error is not None:
            raise self.error
        self.written.append(namespace)
        return self._database.write(fn, namespace=namespace)

    def close(self) -> None:
        self._database.close()
