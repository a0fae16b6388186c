"""Numbers that the processes of one server see alike, in memory which they share.

A server may run in several processes (`registry/app/workers.py`). What each of them remembers holds
only as long as none of them changed it; here they tell each other. It is gone with the last of
them: nothing here has to outlive a restart.

Each number is 8 bytes on a boundary of 8, written by one machine instruction, so nobody ever reads
half of one. A process counts up only its own numbers, so no count is lost.
"""

from __future__ import annotations

import mmap
import os
from typing import Self

#: Processes of one server, at most.
PLACES = 8
_MOMENT = 0
_CALLERS = 1
_ASKED = _CALLERS + PLACES
_CELLS = _ASKED + PLACES
_CELL_BYTES = 8


class Board:
    """`place` is this process's own: 0 for the first, which makes the board, then 1, 2, ..."""

    def __init__(self, *, file: int = -1, place: int = 0) -> None:
        """The board in a file descriptor that came from the first process; without one, a board
        that no other process can share."""
        if not 0 <= place < PLACES:
            raise ValueError(f"place {place}, where there are {PLACES}")
        #: To be handed to further processes; -1 for none.
        self.file = file
        self._cells = memoryview(mmap.mmap(file, _CELLS * _CELL_BYTES)).cast("Q")
        self._place = place
        self.callers = Changes(self._cells[_CALLERS : _CALLERS + PLACES], place)

    @classmethod
    def to_share(cls) -> Self:
        """A new board with a file descriptor, which the caller closes."""
        file = os.memfd_create("hallmark-board", os.MFD_CLOEXEC)
        os.ftruncate(file, _CELLS * _CELL_BYTES)
        return cls(file=file)

    @property
    def moment(self) -> int:
        """Counts the commits to a SQLite file twice: odd while one is going on."""
        return self._cells[_MOMENT]

    @moment.setter
    def moment(self, value: int) -> None:
        self._cells[_MOMENT] = value

    def ask(self) -> bool:
        """Ask the first process for attention; whether that was not asked already."""
        asked = self._cells[_ASKED + self._place]
        self._cells[_ASKED + self._place] = 1
        return not asked

    def heed(self, place: int) -> None:
        """Take what a process asked as heard. To be called before what it asks for is done: what
        it stored before it asks is then found, and asks of later reach us anew."""
        self._cells[_ASKED + place] = 0


class Changes:
    """How often each process has changed something that others remember."""

    def __init__(self, counts: memoryview[int], place: int) -> None:
        self._counts = counts
        self._place = place

    @property
    def state(self) -> bytes:
        """Another one after each `tell`, of whichever process."""
        return self._counts.tobytes()

    def tell(self) -> None:
        """Say that something has changed. Threads call it one at a time."""
        self._counts[self._place] += 1
