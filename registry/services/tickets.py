"""Tickets: signed texts in an address, by which bytes come and go without a token.

A ticket is `<kind and version>.<payload>.<signature>`, all url-safe; the payload is a JSON list in
base64url, the signature HMAC-SHA256 over all before it. It names the token it was made with and
grants nothing by itself: whoever opens one checks that token, the permission and the resource's
state anew. Only this server (and replicas that share its key) can make or read one.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from registry.domain.times import show_time
from registry.errors import StartError, TicketError
from registry.ports.clock import Clock

KEY_BYTES_MIN = 32
LENGTH_MAX = 4096


@dataclass(frozen=True, kw_only=True)
class DownloadTicket:
    """Leave to fetch one file of one version. `batch` is shared by all made in one call."""

    KIND: ClassVar[str] = "d4"
    FIX: ClassVar[str] = "pull again (CreateDownloads)"
    principal: str
    token: str
    #: Path of the model, and the version's number, key and digest.
    model: str
    number: int
    version_key: int
    digest: str
    #: The caller named the version by its digest, which a yanked one needs.
    by_digest: bool
    #: The release of Triton that it is fetched for, or empty.
    triton: str
    sha256: str
    size_bytes: int
    media_type: str
    #: Last segment of the file's path.
    filename: str
    batch: str
    expire_time_us: int


@dataclass(frozen=True, kw_only=True)
class UploadTicket:
    """Leave to send the bytes of one digest to one session."""

    KIND: ClassVar[str] = "u1"
    FIX: ClassVar[str] = "push again (GetUpload)"
    principal: str
    token: str
    upload: str
    sha256: str
    expire_time_us: int


Ticket = TypeVar("Ticket", DownloadTicket, UploadTicket)


class TicketSigner:
    """Makes and reads tickets under one secret key of at least 32 random bytes."""

    def __init__(self, *, key: bytes, clock: Clock) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise StartError(
                what="The key that signs addresses",
                found=f"it has {len(key)} bytes",
                fix=f"Give at least {KEY_BYTES_MIN} random ones.",
            )
        # A key of their own, so that nothing else that is signed with it passes for a ticket.
        self._key = hmac.digest(key, b"hallmark.ticket.v1", hashlib.sha256)
        self._clock = clock

    def sign(self, ticket: DownloadTicket | UploadTicket) -> str:
        values = list(vars(ticket).values())
        payload = _encoded(json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode())
        signed = f"{ticket.KIND}.{payload}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, text: str, kind: type[Ticket]) -> Ticket:
        """The ticket, if we signed it and its time is not over; else TicketError.

        Law: `read(sign(ticket), type(ticket)) == ticket` until it expires.
        """
        forged = TicketError(problem="it is damaged, or not from this registry", fix=kind.FIX)
        if len(text) > LENGTH_MAX or not text.isascii():
            raise forged
        signed, _, signature = text.rpartition(".")
        # Compared as text, so that one ticket has one spelling.
        if not hmac.compare_digest(self._signature(signed), signature):
            raise forged
        name, _, payload = signed.partition(".")
        if name != kind.KIND:
            raise TicketError(problem="it is for something else", fix=kind.FIX)
        values = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        fields = [field.name for field in dataclasses.fields(kind)]
        ticket = kind(**dict(zip(fields, values, strict=True)))
        if self._clock.now_us() >= ticket.expire_time_us:
            ended = show_time(ticket.expire_time_us)
            raise TicketError(problem=f"its time ended at {ended}", fix=kind.FIX)
        return ticket

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.digest(self._key, signed.encode("ascii"), hashlib.sha256))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
