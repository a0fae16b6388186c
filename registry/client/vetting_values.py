"""What vetting says: one value a message of `vetting.proto`, whose comments hold for both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class VettingStatus:
    """`verdict` is empty while there is none."""

    version: str
    done: bool
    verdict: str
    rules_digest: str
    running: bool
    file_count: int
    size_bytes: int
    files_done: int
    bytes_done: int
    path: str
    problem: str
    start_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    path: str
    sha256: str
    size_bytes: int
    verdict: str
    format: str
    #: A JSON object.
    facts_json: str


@dataclass(frozen=True, kw_only=True)
class VettingRerun:
    name: str
    scope: str
    requester: str
    create_time: datetime
    version_count: int
    done_count: int
    #: None while it goes on.
    end_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class VettingChange:
    version: str
    was_state: str
    state: str
    was_verdict: str
    verdict: str
