"""What the database keeps of policies: sets by digest, who changed which is active, and what gates
were shown. See `database.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from registry.domain.pages import Cursor
from registry.domain.policy_sets import ChangeState, GateRecord, PolicyChange


class Policies(Protocol):
    def active(self, *, lock: bool = False) -> str:
        """Digest of the active set; "" before the first one. With `lock` it stays active until the
        transaction ends, while others may lock it so too."""

    def activate(self, digest: str, before: str, time_us: int) -> bool:
        """Make a stored set the active one in place of `before`; False, and nothing is changed,
        where that is not the active one. Waits for those who have locked it."""

    def activate_first(self, digest: str, time_us: int) -> bool:
        """False, and nothing is changed, where a set is active already."""

    def put(self, digest: str, content: bytes, time_us: int) -> None:
        """Store a set's content under its digest; repeats safely."""

    def content(self, digest: str) -> bytes | None: ...

    def lock_changes(self) -> None:
        """Until the transaction ends nobody else does so: of two proposals the second sees the
        first."""

    def insert_change(self, change: PolicyChange) -> PolicyChange:
        """The stored value with its number."""

    def change(self, number: int, *, lock: bool = False) -> PolicyChange | None: ...

    def changes(
        self, state: ChangeState | None, now_us: int, after: Cursor | None, limit: int
    ) -> Sequence[PolicyChange]:
        """Newest first by number, behind `after` = (number,). `state` as it is at `now_us`."""

    def overdue(self, now_us: int, limit: int) -> Sequence[PolicyChange]:
        """Those that are stored as pending and whose time has run out, the earliest first."""

    def end_change(
        self, number: int, state: ChangeState, *, decider: str, comment: str, time_us: int
    ) -> None: ...

    def record(self, record: GateRecord, document: bytes) -> None:
        """Keep what a gate answered. Equal documents are kept once."""

    def recorded(
        self, promotion: int, decider: str | None = None
    ) -> tuple[GateRecord, bytes] | None:
        """The newest record of a promotion, or of one person's decision on it ("" for the request
        itself), with the document."""
