"""Drives a database hard: calls in threads, SQL past all tables, and a writer to be killed.

    python -m registry.testing.db_driver URL PREFIX

writes namespaces PREFIX-0-0, PREFIX-0-1 ... with an event each, from several threads, until it is
killed. It prints an id when, and only when, its write was acknowledged.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from registry.clock import SystemClock
from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.db.transaction import SqlTransaction
from registry.domain.access import EVERYTHING
from registry.ports.database import Transaction
from registry.testing.contracts.database.events import draft
from registry.testing.contracts.database.samples import namespace

WRITERS = 4


def connection_of(tx: Transaction) -> Connection:
    """The connection that a unit of work runs on, for what no table offers."""
    assert isinstance(tx, SqlTransaction)
    return tx._connection


def sql(tx: Transaction, statement: str) -> None:
    """Run a statement past all tables."""
    connection_of(tx).exec_driver_sql(statement)


def claim(id: str) -> Callable[[Transaction], str]:
    """A unit of work that makes a namespace, with its event, and returns its id."""

    def fn(tx: Transaction) -> str:
        assert tx.namespaces.insert(namespace(id)) is not None
        tx.events.append(draft(f"namespaces/{id}", namespace=id))
        return id

    return fn


def claimed(database: SqlDatabase) -> list[str]:
    """The ids of all namespaces, sorted."""
    return [n.id for n in database.read(lambda tx: tx.namespaces.list(EVERYTHING, None, 100_000))]


class Call(threading.Thread):
    """A call in a thread of its own; `outcome` is what it returned or raised."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._outcome: Any = None
        self.start()

    def run(self) -> None:
        try:
            self._outcome = self._call()
        except Exception as error:  # noqa: BLE001 - told to whoever asks for the outcome
            self._outcome = error

    @property
    def outcome(self) -> Any:
        self.join(60)
        assert not self.is_alive()
        return self._outcome


def main(url: str, prefix: str) -> None:
    database = open_database(url, clock=SystemClock())

    def work(writer: int) -> None:
        for number in itertools.count():
            id = database.write(claim(f"{prefix}-{writer}-{number}"))
            # One system call a line: a kill leaves no half of one.
            os.write(sys.stdout.fileno(), f"{id}\n".encode())

    writers = [Call(lambda n=n: work(n)) for n in range(WRITERS)]  # type: ignore[misc]
    for writer in writers:
        raise writer.outcome


if __name__ == "__main__":
    main(*sys.argv[1:])
