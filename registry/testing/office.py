"""A registry whose people are in a directory in memory, and how they log in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.domain.access import Caller, Role
from registry.domain.events import Event
from registry.domain.group_roles import GroupRoles, GroupRule
from registry.ports.tables import EventQuery
from registry.services.identity import Origin
from registry.testing.directory import MemoryDirectory
from registry.testing.world import World

DESK = Origin(address="10.0.0.1", is_confidential=True)
STRANGER = Origin(address="10.6.6.6", is_confidential=True)
REVIEWERS = GroupRoles(
    rules=(GroupRule(group="Reviewers", role=Role.REVIEWER, namespace_pattern="fraud"),)
)


class Office(World):
    """A world with a directory in memory, in which alice reviews."""

    def __init__(self, folder: Path) -> None:
        self.people = MemoryDirectory()
        super().__init__(folder, directory=self.people, group_roles=REVIEWERS)
        self.people.clock = self.clock
        self.alice = self.people.add("alice", groups=["reviewers", "everyone"])

    def enter(
        self, user: str = "alice", password: str = "pw-alice", origin: Origin = DESK
    ) -> tuple[Caller, str]:
        return self.identity.login(user, password, label="", origin=origin)

    def actions(self) -> list[str]:
        """Of all audit events, in order."""
        return [event.action for event in self.log()]

    def log(self) -> Sequence[Event]:
        query = EventQuery(namespace=None, oldest_first=True)
        return self.database.read(lambda tx: tx.events.list(query, None, 1000))
