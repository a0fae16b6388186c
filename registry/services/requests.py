"""Repeats: a creating request with a request_id happens once, however often it arrives."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TypeVar

from registry.domain.access import Caller
from registry.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidFieldError,
    RequestIdReusedError,
)
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.tables import DoneRequest

#: A repeat is recognised for so long.
REMEMBERED_US = 7 * 24 * 3600 * 1_000_000

T = TypeVar("T")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def fingerprint(*parts: object) -> str:
    """Names the content of a request: equal requests, equal fingerprints."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def once(
    tx: Transaction,
    caller: Caller,
    method: str,
    request_id: str,
    content: str,
    *,
    now_us: int,
    create: Callable[[], tuple[str, T]],
    reload: Callable[[str], T],
) -> T:
    """Create, or answer a repeat with what the first request created, as it is now.

    `create` returns the new resource's name and value; `reload` finds it by that name. Runs within
    the caller's unit of work, so that the mark and the resource are stored together or not at all.
    Raises RequestIdReusedError where the id came with other content before.
    """
    earlier = repeat_of(tx, caller, method, request_id, content)
    if earlier is not None:
        return reload(earlier)
    try:
        name, value = create()
    except AlreadyExistsError:
        if request_id and repeat_of(tx, caller, method, request_id, content) is not None:
            raise ConflictError(what=f"request {request_id}") from None
        raise
    if not request_id:
        return value
    new = DoneRequest(fingerprint=content, result=name)
    if tx.requests.save(caller.id, method, request_id, new, now_us):
        return value
    # Another call with this id committed between the look and the save, or the creation just above
    # (PostgreSQL): what this one did is rolled back, and the next try finds that one's result.
    raise ConflictError(what=f"request {request_id}")


def repeat_of(
    tx: Transaction, caller: Caller, method: str, request_id: str, content: str
) -> str | None:
    """The name of what an earlier request with this id created; None where this is the first.

    For calls that look at things which may be gone by the time of a repeat, before their unit of
    work. Raises RequestIdReusedError as `once`.
    """
    if not request_id:
        return None
    if not _REQUEST_ID.fullmatch(request_id):
        raise InvalidFieldError(
            field="request_id",
            found=show(request_id),
            expected="a UUID, or 1 to 128 of letters, digits, '.', '_', ':', '-'",
            fix="Leave it out, or make a fresh UUID for each new request.",
        )
    done = tx.requests.find(caller.id, method, request_id)
    if done is None:
        return None
    if done.fingerprint != content:
        raise RequestIdReusedError(repeated_id=request_id, method=method)
    return done.result


def forget_old(database: Database, clock: Clock) -> int:
    """Forget requests that are no longer recognised as repeated; how many."""
    before_us = clock.now_us() - REMEMBERED_US
    return database.write(lambda tx: tx.requests.purge(before_us))
