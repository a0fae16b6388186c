"""The frame around every request: translate errors, answer always, log one line.

It stands inside Starlette's own error handling, which it leaves nothing to do. Addresses are
secrets here (tickets), hence the line has the route's pattern, never the path that was asked for.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.doors.errors import (
    MalformedRequestError,
    MethodNotAllowedError,
    StoppingError,
    body_of,
    headers_of,
    status_of,
)
from registry.errors import HallmarkError, InvalidFieldError, NotFoundError, UnforeseenError
from registry.names.text import show

logger = logging.getLogger("registry.calls")
failures = logging.getLogger("registry.failures")

#: Ids of requests in the log: unique across restarts by the random part.
_ID_PREFIX = secrets.token_hex(4)
_ids = itertools.count(1)

_JSON_HEADERS = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


@dataclass(kw_only=True)
class HttpCall:
    """One request in progress. Whoever serves it fills in what the line shall say."""

    id: str = field(default_factory=lambda: f"{_ID_PREFIX}-h{next(_ids):x}")
    method: str = ""
    resource: str = ""
    principal: str = ""
    #: Of the body, sent or received.
    moved_bytes: int = 0
    #: 0 until the answer has begun.
    http_status: int = 0
    outcome: str = "OK"
    _start: float = field(default_factory=time.perf_counter)

    def log(self) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        line = {
            "call": self.id,
            "method": self.method,
            "resource": self.resource[:300],
            "principal": self.principal,
            "outcome": self.outcome,
            "http_status": self.http_status,
            "bytes": self.moved_bytes,
            "duration_ms": round((time.perf_counter() - self._start) * 1e3, 2),
        }
        logger.info(json.dumps(line))


class Frame:
    """Middleware: each request gets an answer, a HttpCall (see `call_of`) and a line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = HttpCall()
        scope.setdefault("state", {})["call"] = call

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.http_status = message["status"]
            await send(message)

        try:
            _check_head(scope)
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            # Only a stop cancels; uvicorn would answer 500, which nobody retries.
            await _refuse(StoppingError(), call, watched)
            raise
        except HallmarkError as error:
            _tell(error, call)
            await _refuse(error, call, watched)
        except Exception as error:  # noqa: BLE001 - the outermost frame: every request is answered
            failures.exception("request %s failed", call.id, exc_info=error)
            await _refuse(UnforeseenError(incident=call.id), call, watched)
        finally:
            call.method = _method(scope)
            call.log()


def call_of(scope: Scope) -> HttpCall:
    call = scope["state"]["call"]
    assert isinstance(call, HttpCall)
    return call


async def answer(send: Send, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
    """A whole answer with a small body, whose length is among the headers where one is due."""
    await begin(send, status, headers)
    await send({"type": "http.response.body", "body": body})


async def begin(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def answer_json(send: Send, status: int, content: object) -> None:
    body = json.dumps(content).encode("ascii")
    await answer(send, status, _JSON_HEADERS | {"content-length": str(len(body))}, body)


def error_answer(error: HallmarkError, call: HttpCall) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell an error; notes it for the line."""
    call.outcome = f"{error.status} {error.reason}"
    body = body_of(error, call.id)
    headers = _JSON_HEADERS | headers_of(error) | {"content-length": str(len(body))}
    return status_of(error), headers, body


def header(headers: Headers, name: str) -> str | None:
    """A header that may come once; InvalidFieldError where it comes again."""
    values = headers.getlist(name)
    if len(values) > 1:
        raise InvalidFieldError(
            field=f"header {name}",
            found=f"{len(values)} of them",
            expected="one",
            fix="Send it once.",
        )
    return values[0] if values else None


async def refuse_route(request: Request, error: Exception) -> Response:
    """Starlette's word for "no such route" and "not this method", as errors of ours."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        raise MethodNotAllowedError(method=request.method, allowed=", ".join(allowed)) from error
    raise NotFoundError(
        kind="address",
        name=show(request.scope["path"]),
        fix="/hallmark/v1/server says where the registry is.",
    ) from error


def _tell(error: HallmarkError, call: HttpCall) -> None:
    if error.status in ("INTERNAL", "DATA_LOSS", "UNAVAILABLE"):
        failures.error("request %s: %s", call.id, error, exc_info=error)


async def _refuse(error: HallmarkError, call: HttpCall, send: Send) -> None:
    """Answer with the error; what has begun already is left unended, and the server cuts it."""
    status, headers, body = error_answer(error, call)
    if call.http_status == 0:
        await answer(send, status, headers, body)


def _method(scope: Scope) -> str:
    route = scope.get("route")
    pattern = getattr(route, "path", None) or "(no route)"
    return f"{scope['method'][:20]} {pattern}"


def _check_head(scope: Scope) -> None:
    """RFC 9112, section 3.2: one Host, or proxies and we may disagree on who is meant."""
    if scope["http_version"] not in ("1.0", "1.1"):
        raise MalformedRequestError(problem=f"its version is {scope['http_version']}")
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1 or (not hosts and scope["http_version"] == "1.1"):
        raise MalformedRequestError(problem=f"found {len(hosts)} Host headers, expected one")
