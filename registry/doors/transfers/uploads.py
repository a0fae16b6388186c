"""HEAD and PATCH of an upload address: the bytes of one file of a session."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from registry.doors.connection import body_of
from registry.doors.errors import BusyError, LengthRequiredError, TypeNotAcceptedError
from registry.doors.requests import HttpCall, answer, call_of, header
from registry.doors.workers import WRITERS, Workers
from registry.errors import CallCancelledError, InvalidFieldError
from registry.names.text import show
from registry.services.reception import FileStatus
from registry.services.uploads import UploadService

CONTENT_TYPE = "application/offset+octet-stream"
_OFFSET = re.compile(r"[0-9]{1,18}")


class UploadDoor:
    """The ASGI application at /hallmark/v1/uploads/{ticket}."""

    def __init__(self, service: UploadService, workers: Workers) -> None:
        self._service = service
        self._workers = workers
        self._writing = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = call_of(scope)
        ticket: str = scope["path_params"]["ticket"]
        if scope["method"] == "HEAD":
            status = await self._workers.call(lambda: self._service.state(ticket))
            _note(call, status)
            length = {"upload-length": str(status.size_bytes), "content-length": "0"}
            await answer(send, 200, _headers(status) | length)
        else:
            status = await self._append(call, ticket, scope)
            _note(call, status)
            await answer(send, 204, _headers(status))

    async def _append(self, call: HttpCall, ticket: str, scope: Scope) -> FileStatus:
        """Hand the body to the service, which takes it in while it still comes."""
        offset, length = _announced(scope)
        if self._writing >= WRITERS:
            raise BusyError(what="Uploads", limit=WRITERS)
        body = body_of(scope)
        self._writing += 1
        try:
            return await self._workers.write(
                lambda: self._service.append(ticket, offset, body, length=length)
            )
        finally:
            self._writing -= 1
            # Wakes the thread where the server stops meanwhile; else nobody listens any more.
            body.fail(CallCancelledError(what="An upload"))
            call.moved_bytes = body.taken_bytes


def _note(call: HttpCall, status: FileStatus) -> None:
    call.resource, call.principal = status.upload, status.principal


def _announced(scope: Scope) -> tuple[int, int | None]:
    """Offset, and length where it is known, once type, length and offset are as they must be."""
    headers = Headers(scope=scope)
    _check_type(headers)
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        raise LengthRequiredError(method=scope["method"])
    text = header(headers, "Upload-Offset")
    if text is None or not _OFFSET.fullmatch(text):
        raise InvalidFieldError(
            field="header Upload-Offset",
            found="none" if text is None else show(text),
            expected="how many bytes are stored, in decimal digits",
            fix="Ask for the offset (HEAD on this address) and go on there.",
        )
    return int(text), None if length is None else int(length)


def _check_type(headers: Headers) -> None:
    given = header(headers, "Content-Type") or ""
    if given.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise TypeNotAcceptedError(header="Content-Type", found=show(given), expected=CONTENT_TYPE)
    coding = header(headers, "Content-Encoding") or "identity"
    if coding.lower() != "identity":
        raise TypeNotAcceptedError(
            header="Content-Encoding", found=show(coding), expected="the file's own bytes, uncoded"
        )


def _headers(status: FileStatus) -> dict[str, str]:
    return {
        "upload-offset": str(status.offset_bytes),
        "hallmark-state": "failed" if status.failed else status.state.value,
        "cache-control": "no-store",
    }
