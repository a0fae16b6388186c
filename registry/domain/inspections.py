"""What vetting learned of files: one result for all versions that hold the same bytes.

A result belongs to a *subject*: bytes, and what the file's name says that they are. Where what was
found depends on the other files of the version too, as with a model whose tensors lie beside it,
the subject has the digest of their list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from registry.domain.canonical import canonical_json
from registry.domain.manifests import ManifestFile
from registry.domain.versions import Finding, Verdict, VersionState


class Subject(NamedTuple):
    #: 64 hex of the bytes, as the manifest has them.
    sha256: str
    #: `role_of` the path.
    role: str
    #: `files_digest` of the version; empty where the result depends on these bytes alone.
    files_digest: str


@dataclass(frozen=True, kw_only=True)
class FileResult:
    subject: Subject
    #: Of the rules and the tools by which it was judged.
    rules_digest: str
    verdict: Verdict
    #: What a parser proved it to be; empty where none did.
    format: str = ""
    #: What was read: size in bytes and sha256. Empty where it could not be read to the end.
    size_bytes: int = 0
    found_sha256: str = ""
    #: Without paths, since other versions hold these bytes under other names.
    findings: tuple[Finding, ...] = ()
    #: Files beside this one of which it has told what each byte is for, by their way from its
    #: folder: tensors of an ONNX model.
    vouches_for: tuple[str, ...] = ()
    #: By name; values are JSON. Empty where they were not asked for.
    facts: Mapping[str, Any] = field(default_factory=dict)
    time_us: int


@dataclass(frozen=True, kw_only=True)
class VettingRun:
    """How far the inspection of a version's files is. There is one until each has a result."""

    #: Of the version: all versions with these files share the run.
    digest: str
    rules_digest: str
    file_count: int
    size_bytes: int
    files_done: int = 0
    bytes_done: int = 0
    #: What is looked at now; empty before the first and behind the last.
    path: str = ""
    #: What is in its way, as long as something is.
    problem: str = ""
    #: How often a worker has begun with it.
    attempts: int = 0
    start_time_us: int
    update_time_us: int


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """Somebody's word that versions are to be vetted anew."""

    #: 0 in one that is to be inserted.
    number: int
    #: Of a model; empty: all models.
    model: str
    #: Of one version of that model; 0: all of them.
    version_number: int
    requester: str
    create_time_us: int
    #: How many versions it is about, and how many of those have their new verdict.
    version_count: int = 0
    done_count: int = 0
    #: Set with the last verdict.
    end_time_us: int | None = None

    @property
    def name(self) -> str:
        return f"vettingReruns/{self.number}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A version whose verdict or state is another one since a rerun."""

    version: str
    was: VersionState
    to: VersionState
    #: None for a version that had none.
    was_verdict: Verdict | None
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Lot:
    """Files of one version that are to be looked at."""

    #: Of the version's manifest.
    digest: str
    files_digest: str
    #: Of all its files, by path.
    sizes: Mapping[str, int]
    #: A path of each that has no result yet, and its subject, whose files_digest is empty until it
    #: is known whether the result depends on them.
    files: tuple[tuple[str, Subject], ...]


def files_digest(files: Iterable[ManifestFile]) -> str:
    """64 hex of the list of a version's files: paths and sizes."""
    listed = sorted((file.path, file.size_bytes) for file in files)
    return hashlib.sha256(canonical_json(listed)).hexdigest()


def beside(path: str, ways: Iterable[str]) -> Iterator[str]:
    """Paths in the version, by their ways from the folder of a file."""
    folder, slash, _ = path.rpartition("/")
    return (f"{folder}{slash}{way}" for way in ways)
