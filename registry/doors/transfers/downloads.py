"""GET and HEAD of a download address: the bytes of one file of a version."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from registry.doors.requests import HttpCall, answer, begin, call_of
from registry.doors.transfers.ranges import Conditions, Selection, select
from registry.doors.workers import Workers
from registry.errors import CallCancelledError, CorruptBytesError
from registry.ports.blobs import HasLocalPath, Pieces
from registry.services.downloads import Downloadable, DownloadService


@dataclass(frozen=True, kw_only=True)
class Accel:
    """Leave the bytes to an nginx in front: it serves `prefix` + the file's path to itself only."""

    prefix: str
    store: HasLocalPath


@dataclass(frozen=True, kw_only=True)
class _Opened:
    file: Downloadable
    selection: Selection
    #: First bytes, and those after them; nothing of either where no body is due.
    first: bytes = b""
    rest: Pieces | None = None
    redirect: str = ""


class DownloadDoor:
    """The ASGI application at /dl/{ticket}."""

    def __init__(self, service: DownloadService, workers: Workers, accel: Accel | None) -> None:
        self._service = service
        self._workers = workers
        self._accel = accel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = call_of(scope)
        ticket: str = scope["path_params"]["ticket"]
        asked = _conditions(Headers(scope=scope))
        body = scope["method"] == "GET"
        opened = await self._workers.call(lambda: self._open(call, ticket, asked, body=body))
        headers = _headers(opened)
        if opened.rest is None or len(opened.first) == opened.selection.length:
            call.moved_bytes = len(opened.first)
            await answer(send, opened.selection.status, headers, opened.first)
            return
        try:
            await begin(send, opened.selection.status, headers)
            await self._stream(call, receive, send, opened.first, opened.rest)
        finally:
            opened.rest.close()

    def _open(self, call: HttpCall, ticket: str, asked: Conditions, *, body: bool) -> _Opened:
        """Everything before the first byte leaves, in one worker thread."""
        file = self._service.open(ticket)
        call.resource, call.principal = f"{file.version} {file.filename}", file.principal
        if self._accel is not None or not body:
            # RFC 9110, section 14.2: ranges are for GET. And nginx knows how to take a part.
            asked = replace(asked, range=None)
        selection = select(asked, what=file.filename, etag=_etag(file), size_bytes=file.size_bytes)
        if selection.status == 304:
            return _Opened(file=file, selection=selection)
        if self._accel is not None:
            return self._redirected(self._accel, file, selection)
        if not body:
            return _Opened(file=file, selection=selection)
        pieces = self._service.read(file, selection.start, selection.length)
        try:
            return _Opened(file=file, selection=selection, first=next(pieces, b""), rest=pieces)
        except BaseException:
            pieces.close()
            raise

    def _redirected(self, accel: Accel, file: Downloadable, selection: Selection) -> _Opened:
        path = accel.store.local_path(file.sha256)
        if path is None:
            raise CorruptBytesError(sha256=file.sha256, problem="its file is gone")
        self._service.count(file)
        redirect = f"{accel.prefix.rstrip('/')}{quote(str(path))}"
        return _Opened(file=file, selection=selection, redirect=redirect)

    async def _stream(
        self, call: HttpCall, receive: Receive, send: Send, piece: bytes, rest: Pieces
    ) -> None:
        """Send all pieces, each while the next one is being read.

        What `rest` raises passes through, and the server then cuts the connection: a damaged file
        never looks complete.
        """
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while piece:
                coming = self._workers.read(lambda: next(rest, b""))
                try:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                except BaseException:
                    coming.cancel()
                    raise
                if gone.done():
                    raise CallCancelledError(what="A download")
                call.moved_bytes += len(piece)
                piece = await coming
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


async def _gone(receive: Receive) -> None:
    """Returns once the client has hung up, of which `send` says nothing."""
    while (await receive())["type"] != "http.disconnect":
        continue


def _conditions(headers: Headers) -> Conditions:
    def joined(name: str) -> str | None:
        values = headers.getlist(name)
        return ", ".join(values) if values else None

    return Conditions(
        range=joined("range"),
        if_range=joined("if-range"),
        if_match=joined("if-match"),
        if_none_match=joined("if-none-match"),
    )


def _etag(file: Downloadable) -> str:
    return f'"{file.sha256}"'


def _headers(opened: _Opened) -> dict[str, str]:
    """What GET and HEAD have in common. Nothing that a browser gets here may run in it."""
    file, selection = opened.file, opened.selection
    # A cache may keep the bytes for its user, but has to ask again, since leave to have them ends.
    headers = {"etag": _etag(file), "cache-control": "private, no-cache, no-transform"}
    if selection.status == 304:
        return headers
    headers |= {
        "content-type": file.media_type,
        "content-disposition": content_disposition(file.filename),
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
    }
    if opened.redirect:
        return headers | {"x-accel-redirect": opened.redirect, "content-length": "0"}
    headers["accept-ranges"] = "bytes"
    if selection.status == 206:
        last = selection.start + selection.length - 1
        headers["content-range"] = f"bytes {selection.start}-{last}/{file.size_bytes}"
    return headers | {"content-length": str(selection.length)}


def content_disposition(filename: str) -> str:
    """To be saved under this name: exactly in RFC 8187's form, and nearly for who knows it not."""
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename
    )
    exact = quote(filename, safe="!#$&+-.^_`|~")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
