"""One unit of work's view of the tables."""

from __future__ import annotations

from sqlalchemy import Connection

from registry.db.events import SqlEvents
from registry.domain.events import EventDraft


class SqlTransaction:
    """A table a noun on one connection, whose BEGIN and COMMIT are somebody else's."""

    def __init__(self, connection: Connection, *, writing: bool) -> None:
        self._connection = connection
        self._writing = writing
        #: Events to be stored before COMMIT.
        self.drafts: list[EventDraft] = []

    @property
    def events(self) -> SqlEvents:
        return SqlEvents(self._connection, self.drafts if self._writing else None)
