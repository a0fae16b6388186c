"""The port by which the processes of one server tell each other that something changed."""

from __future__ import annotations

from typing import Protocol


class Changes(Protocol):
    """What is remembered under a state holds as long as that state lasts."""

    @property
    def state(self) -> object:
        """Compares unequal to all that it was before the latest `tell` of any process."""

    def tell(self) -> None:
        """Say that something has changed. Threads call it one at a time."""
