"""Sends one file to its upload address, going on wherever the server says it stopped.

The server's word on the offset is the only one: after every cut it is asked (HEAD), and the file
goes on there, until it is stored or no byte got through for the sender's patience.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from registry.client.connection import backoff
from registry.client.errors import (
    ClientError,
    DamagedError,
    PermissionDeniedError,
    ServerFailedError,
    UnavailableError,
)
from registry.client.http import Answer, refusal
from registry.client.parallel import Crew
from registry.client.scan import LocalFile, check_unchanged

#: How long a file may go without a byte arriving before its sender gives up.
PATIENCE_S = 60.0
_RETRY_LATER = (408, 409, 429, 502, 503, 504)


class Counter(Protocol):
    def __call__(self, path: str, shown: int, sent: int) -> None:
        """`shown` moves the file's bar, back as well; `sent` bytes went over the wire."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a file goes, and how far an earlier push got."""

    url: str
    offset_bytes: int
    #: All bytes are there and are being read back.
    verifying: bool
    #: Gives a fresh address, as addresses die with time; empty where the file is stored by now.
    fresh_url: Callable[[], str]


class Sender:
    """One file's way to the server. `run` may be called once."""

    def __init__(
        self,
        local: LocalFile,
        target: Target,
        *,
        crew: Crew,
        sent: Counter,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._local = local
        self._target = target
        self._url = target.url
        self._crew = crew
        self._sent = sent
        self._patience_s = patience_s
        self._shown = target.offset_bytes
        self._furthest = target.offset_bytes
        self._finished = False
        self._trouble: ClientError | None = None
        self._renew()

    def run(self) -> None:
        """Returns once the file is verified and stored.

        Raises FileChangedError where the file is not as it was hashed; DamagedError where the
        server read other bytes than were sent; UnavailableError when patience is at its end.
        """
        offset = None if self._target.verifying else self._target.offset_bytes
        refreshed = False
        while True:
            try:
                if offset is None:
                    answer = self._crew.wire.ask("HEAD", self._url)
                else:
                    answer = self._patch(offset)
                if _is_stored(answer):
                    self._show(self._local.size_bytes)
                    return
                offset = self._next(answer, offset)
                # An address ends with the token that asked for it, which for a workload is soon.
                refreshed = False
            except UnavailableError as error:
                self._trouble = error
                self._wait()
                offset = None
            except PermissionDeniedError:
                if refreshed:
                    raise
                refreshed = True
                self._url, offset = self._target.fresh_url(), None
                if not self._url:
                    self._show(self._local.size_bytes)
                    return

    def _patch(self, offset: int) -> Answer:
        check_unchanged([self._local])
        length = self._local.size_bytes - offset

        def sent(count: int) -> None:
            self._crew.check()
            self._shown += count
            self._sent(self._local.path, count, count)

        with open(self._local.source, "rb") as file:
            answer = self._crew.wire.send(
                self._url,
                file,
                offset=offset,
                length=length,
                headers={
                    "Content-Type": "application/offset+octet-stream",
                    "Upload-Offset": str(offset),
                },
                sent=sent,
            )
        self._finished = True
        return answer

    def _next(self, answer: Answer, offset: int | None) -> int | None:
        """Where to go on; None to ask again."""
        if answer.status in (200, 204):
            return self._agreed(answer)
        stored = answer.number("upload-offset")
        if answer.status == 409 and stored is not None and stored != offset:
            return self._seen(stored)
        error = refusal(answer, self._url)
        if answer.status in _RETRY_LATER:
            self._trouble = error
            self._wait()
            return None
        if answer.status == 422:
            check_unchanged([self._local])
        raise error

    def _agreed(self, answer: Answer) -> int | None:
        state = answer.headers.get("hallmark-state")
        if state == "verifying":
            # Reading a large file back takes its time, which is no trouble.
            self._renew()
            self._show(self._local.size_bytes)
            self._wait()
            return None
        if state == "failed":
            if self._finished:
                raise DamagedError(
                    f"{self._local.path}: the registry read other bytes than were announced. "
                    "They were thrown away; run the command again to send the file anew.",
                    metadata={"path": self._local.path},
                )
            return self._seen(0)
        stored = answer.number("upload-offset")
        if stored is None or stored > self._local.size_bytes:
            raise ServerFailedError(
                f"{self._local.path}: found Upload-Offset {answer.headers.get('upload-offset')!r} "
                f"in the answer, expected at most {self._local.size_bytes}. "
                "Is a proxy between here and the registry?",
                reason="BAD_ANSWER",
            )
        return self._seen(stored)

    def _seen(self, stored: int) -> int:
        """Take the server's offset for ours."""
        if stored > self._furthest:
            self._furthest = stored
            self._renew()
        self._show(stored)
        return stored

    def _show(self, done: int) -> None:
        if done != self._shown:
            self._sent(self._local.path, done - self._shown, 0)
        self._shown = done

    def _renew(self) -> None:
        self._give_up = time.monotonic() + self._patience_s
        self._waits = backoff()

    def _wait(self) -> None:
        """Sleep a little, or raise the last trouble when patience is at its end."""
        self._crew.check()
        if self._trouble is not None and time.monotonic() > self._give_up:
            raise self._trouble
        self._crew.sleep(next(self._waits))


def _is_stored(answer: Answer) -> bool:
    return answer.status in (200, 204) and answer.headers.get("hallmark-state") == "stored"
