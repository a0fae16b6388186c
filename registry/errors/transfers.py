"""Bytes on their way in or out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import HallmarkError


@dataclass(eq=False, kw_only=True)
class BytesMissingError(HallmarkError):
    """Digests that the caller may not refer to: not stored, or not theirs to know of."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "BYTES_MISSING"
    template: ClassVar[str] = (
        "{count} files have no bytes here that you may refer to, first {path} (sha256 {sha256}). "
        "Send them through an upload session: hallmark push does"
    )
    count: int
    path: str
    sha256: str

    @property
    def about(self) -> str:
        return self.path


@dataclass(eq=False, kw_only=True)
class UploadIncompleteError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "UPLOAD_INCOMPLETE"
    template: ClassVar[str] = (
        "{upload} still lacks the bytes of {count} files, first {path}. "
        "Send them (GetUpload gives the addresses), then try again."
    )
    upload: str
    count: int
    path: str


@dataclass(eq=False, kw_only=True)
class DigestMismatchError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "DIGEST_MISMATCH"
    template: ClassVar[str] = (
        "{what}: the bytes received hash to sha256 {found}, announced was {expected}. "
        "They were thrown away; if the file changed meanwhile, start again with its new digest."
    )
    what: str
    found: str
    expected: str


@dataclass(eq=False, kw_only=True)
class SizeMismatchError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "SIZE_MISMATCH"
    template: ClassVar[str] = "{what}: found {found} bytes, announced were {expected}. {fix}"
    what: str
    found: int
    expected: int
    fix: str


@dataclass(eq=False, kw_only=True)
class OffsetMismatchError(HallmarkError):
    status: ClassVar[str] = "ABORTED"
    reason: ClassVar[str] = "OFFSET_MISMATCH"
    template: ClassVar[str] = (
        "{what}: {stored} bytes are stored, you wanted to go on at {offset}. "
        "Ask for the offset (HEAD on the upload's address) and go on there."
    )
    what: str
    stored: int
    offset: int


@dataclass(eq=False, kw_only=True)
class UploadBusyError(HallmarkError):
    status: ClassVar[str] = "ABORTED"
    reason: ClassVar[str] = "UPLOAD_BUSY"
    template: ClassVar[str] = (
        "{what}: another request is {doing} it right now. Wait until that one ends, "
        "ask for the offset (HEAD on the upload's address) and go on there."
    )
    what: str
    doing: str


@dataclass(eq=False, kw_only=True)
class RangeNotSatisfiableError(HallmarkError):
    status: ClassVar[str] = "OUT_OF_RANGE"
    reason: ClassVar[str] = "RANGE_NOT_SATISFIABLE"
    template: ClassVar[str] = "{what}: range {found} lies outside its {size} bytes."
    what: str
    found: str
    size: int
