"""Whether the process lives, whether it can serve, and what it says of itself to anybody."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping

from starlette.types import Receive, Scope, Send

from registry.domain.server import ServerInfo
from registry.doors.requests import answer_json
from registry.doors.workers import Workers
from registry.errors import HallmarkError

logger = logging.getLogger("registry.failures")

#: A check that takes longer counts as failed.
CHECK_WAIT_S = 5.0
#: Checks write to the disk, so anybody may cause them only so often.
CHECK_EVERY_S = 1.0


class LiveDoor:
    """/healthz: 200 as long as the process answers at all."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, 200, {"live": True})


class ReadyDoor:
    """/readyz: 200, or 503 with the checks that fail and the reasons of their errors.

    The messages go to the log alone, since they may name folders. A check runs once at a time and
    at most once a second, whoever asks.
    """

    def __init__(self, checks: Mapping[str, Callable[[], object]], workers: Workers) -> None:
        self._checks = checks
        self._workers = workers
        self._running: dict[str, asyncio.Future[str]] = {}
        self._since_s: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = await asyncio.gather(*map(self._outcome, self._checks))
        checks = dict(zip(self._checks, found, strict=True))
        ready = all(outcome == "ok" for outcome in found)
        await answer_json(send, 200 if ready else 503, {"ready": ready, "checks": checks})

    async def _outcome(self, name: str) -> str:
        loop = asyncio.get_running_loop()
        last = self._running.get(name)
        if last is None or (last.done() and loop.time() - self._since_s[name] > CHECK_EVERY_S):
            check = self._checks[name]
            last = self._running[name] = self._workers.call(lambda: _run(name, check))
            self._since_s[name] = loop.time()
        try:
            return await asyncio.wait_for(asyncio.shield(last), CHECK_WAIT_S)
        except TimeoutError:
            return "TIMEOUT"


class ServerInfoDoor:
    """/hallmark/v1/server: how this registry is reached and what it can do, as JSON."""

    def __init__(
        self, info: ServerInfo, policy_digest: Callable[[], str], workers: Workers
    ) -> None:
        self._info = info
        self._policy_digest = policy_digest
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # It changes while the server runs.
        digest = await self._workers.call(self._policy_digest)
        info = dataclasses.replace(self._info, policy_digest=digest)
        await answer_json(send, 200, dataclasses.asdict(info))


def _run(name: str, check: Callable[[], object]) -> str:
    try:
        check()
    except HallmarkError as error:
        logger.error("not ready, %s: %s", name, error)
        return error.reason
    return "ok"
