"""Somebody who owns the database: changes rows that nothing may change, as such a person could."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from registry.domain.events import GENESIS, Event, event_hash
from registry.ports.database import Database

_COLUMNS = tuple(field.name for field in dataclasses.fields(Event))


class Forger:
    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self.is_sqlite = self._url.drivername == "sqlite"

    def run(self, *statements: str) -> None:
        """No trigger stands in the way."""
        if self.is_sqlite:
            with closing(sqlite3.connect(Path(self._url.database or ""))) as connection, connection:
                triggers = connection.execute(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
                )
                kept = triggers.fetchall()
                for name, _ in kept:
                    connection.execute(f'DROP TRIGGER "{name}"')
                for statement in statements:
                    connection.execute(statement)
                for _, sql in kept:
                    connection.execute(sql)
            return
        dsn = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(dsn) as server:
            server.execute("SET session_replication_role = replica")
            for statement in statements:
                server.execute(statement.encode())

    def rewrite(self, database: Database, shard: int, first: int, **changes: Any) -> None:
        """Change an event, and all hashes behind it, so that the chain holds again."""
        events = database.read(lambda tx: tx.events.shard(shard, 0, 1_000_000))
        statements = []
        previous = GENESIS
        for event in events:
            new = dataclasses.replace(event, **(changes if event.number == first else {}))
            if event.number >= first:
                new = rehashed(new, previous)
            previous = new.hash
            statements.append(_update(new))
        statements.append(f"UPDATE event_heads SET hash = '{previous}' WHERE shard = {shard}")
        self.run(*statements)

    def cut(self, database: Database, shard: int, last: int) -> None:
        """Drop all events behind one, and have the head say that it is the last."""
        end = database.read(lambda tx: tx.events.shard(shard, last - 1, 1))[0]
        self.run(
            f"DELETE FROM events WHERE shard = {shard} AND number > {last}",
            f"UPDATE event_heads SET number = {last}, hash = '{end.hash}' WHERE shard = {shard}",
        )


def rehashed(event: Event, previous_hash: str) -> Event:
    """As it would be behind another event."""
    parts = {name: getattr(event, name) for name in _COLUMNS if name != "hash"}
    parts["previous_hash"] = previous_hash
    return Event(**parts, hash=event_hash(**parts))


def _update(event: Event) -> str:
    names: Sequence[str] = ("actor", "action", "resource", "namespace", "detail_json")
    texts = {name: getattr(event, name).replace("'", "''") for name in names}
    texts |= {"previous_hash": event.previous_hash, "hash": event.hash}
    said = ", ".join(f"{name} = '{text}'" for name, text in texts.items())
    return f"UPDATE events SET {said} WHERE shard = {event.shard} AND number = {event.number}"
