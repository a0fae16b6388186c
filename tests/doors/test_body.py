"""A body on its way to a thread: nothing lost, nothing twice, bounded, never stuck."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.doors.body import HELD_BYTES_MAX, PIECE_BYTES, Body
from registry.errors import CallCancelledError


def body_of(parts: Sequence[bytes]) -> Body:
    body = Body(want=lambda: None)
    for part in parts:
        body.put(part)
    return body


@given(st.lists(st.binary(min_size=1, max_size=50)))
def test_what_goes_in_comes_out(parts: list[bytes]) -> None:
    """The pieces are the parts, in order, and none of them is empty."""
    body = body_of(parts)
    body.end()
    pieces = list(body)
    assert b"".join(pieces) == b"".join(parts)
    assert all(pieces)
    assert body.taken_bytes == sum(map(len, parts))


def test_pieces_are_made_large() -> None:
    """Small parts are joined up to about a megabyte, so that few are written."""
    body = body_of([b"x" * 1000] * 3000)
    body.end()
    sizes = [len(piece) for piece in body]
    assert all(PIECE_BYTES <= size < PIECE_BYTES + 1000 for size in sizes[:-1])


def test_what_came_before_a_failure_is_handed_out_first() -> None:
    """A cut loses no byte that arrived."""
    body = body_of([b"abc", b"def"])
    body.fail(CallCancelledError(what="An upload"))
    assert next(body) == b"abcdef"
    with pytest.raises(CallCancelledError):
        next(body)


def test_nothing_follows_the_end() -> None:
    """Neither bytes nor failures change a body that is whole."""
    body = body_of([b"abc"])
    body.end()
    assert body.put(b"more")
    body.fail(CallCancelledError(what="An upload"))
    assert list(body) == [b"abc"]


def test_the_loop_is_stopped_and_woken() -> None:
    """Too much held stops the loop; it is told to go on once the half has been taken."""
    woken: list[int] = []
    body = Body(want=lambda: woken.append(body.taken_bytes))
    goes_on = [body.put(b"x" * PIECE_BYTES) for _ in range(4)]
    assert goes_on == [True, True, True, False]
    for _ in range(3):
        next(body)
    assert woken == [HELD_BYTES_MAX // 2]
    assert body.put(b"y")


def test_the_sender_is_welcomed_when_the_first_piece_is_asked_for() -> None:
    """Until somebody wants the body nobody is asked to send it."""
    woken: list[int] = []
    body = Body(want=lambda: woken.append(1))
    body.put(b"x" * PIECE_BYTES)
    assert woken == []
    next(body)
    next_piece = threading.Thread(target=lambda: list(body))
    next_piece.start()
    body.end()
    next_piece.join()
    assert woken == [1]


@pytest.mark.parametrize("failing", [False, True])
def test_a_waiting_thread_is_always_woken(failing: bool) -> None:
    """End and failure both reach a thread that waits for bytes."""
    body = Body(want=lambda: None)
    raised: list[Exception] = []

    def read() -> None:
        try:
            list(body)
        except CallCancelledError as error:
            raised.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    if failing:
        body.fail(CallCancelledError(what="An upload"))
    else:
        body.end()
    reader.join()
    assert len(raised) == failing


@pytest.mark.slow
def test_few_bytes_of_a_slow_sender_are_handed_over() -> None:
    """A thread does not wait for a whole piece without end."""
    assert next(body_of([b"x"])) == b"x"
