"""Numbers that the processes of a server share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from registry.board import PLACES, Board

_OTHER = """
import sys
from registry.board import Board
board = Board(file=int(sys.argv[1]), place=3)
print(board.moment, board.ask(), board.ask())
board.moment += 2
board.callers.tell()
"""


@pytest.fixture
def shared() -> Iterator[Board]:
    board = Board.to_share()
    yield board
    os.close(board.file)


def test_another_process_sees_and_changes_what_is_on_it(shared: Board) -> None:
    """What one process writes is what the others read, and each says what it changed."""
    shared.moment = 40
    before = shared.callers.state
    other = subprocess.run(
        [sys.executable, "-c", _OTHER, str(shared.file)],
        pass_fds=[shared.file],
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.split() == ["40", "True", "False"]
    assert shared.moment == 42
    assert shared.callers.state != before


def test_who_asks_is_heard_once_a_time(shared: Board) -> None:
    """A process that has asked need not ask again until it was heard; others are not concerned."""
    first, second = (Board(file=shared.file, place=place) for place in (1, 2))
    assert first.ask()
    assert not first.ask()
    assert second.ask()
    shared.heed(1)
    assert first.ask()
    assert not second.ask()


def test_changes_of_several_processes_are_all_told(shared: Board) -> None:
    """Each tells in a place of its own, so that none is lost beside another's."""
    boards = [Board(file=shared.file, place=place) for place in range(PLACES)]
    states = {boards[0].callers.state}
    for board in boards:
        board.callers.tell()
        assert {each.callers.state for each in boards} == {board.callers.state}
        states.add(board.callers.state)
    assert len(states) == PLACES + 1


def test_a_board_of_ones_own_is_nobody_elses() -> None:
    """Without a file it is private."""
    one, other = Board(), Board()
    one.moment = 7
    assert other.moment == 0
    assert one.file == -1


@pytest.mark.parametrize("place", [-1, PLACES])
def test_there_are_only_so_many_places(place: int) -> None:
    """A place that is not there is refused."""
    with pytest.raises(ValueError, match=f"place {place}"):
        Board(place=place)
