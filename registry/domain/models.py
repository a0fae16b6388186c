"""Namespaces and models: names under which versions are kept."""

from __future__ import annotations

from dataclasses import dataclass

from registry.domain.versions import VersionState


@dataclass(frozen=True, kw_only=True)
class Namespace:
    key: int
    id: str
    uid: str
    description: str
    owner: str
    etag: str
    create_time_us: int
    update_time_us: int
    creator: str

    @property
    def name(self) -> str:
        return f"namespaces/{self.id}"


@dataclass(frozen=True, kw_only=True)
class ModelFields:
    """What people may edit."""

    description: str = ""
    task: str = ""
    library: str = ""
    license: str = ""
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Model:
    key: int
    uid: str
    #: Without the prefix `models/`: "fraud/scorer".
    path: str
    namespace: str
    fields: ModelFields
    etag: str
    create_time_us: int
    update_time_us: int
    creator: str
    latest_version: int
    #: Exclusive stage to version number, only those that are set.
    stages: tuple[tuple[str, int], ...]
    like_count: int
    download_count: int
    #: The number of its next version. More than one above the latest where an earlier model of this
    #: name was deleted, since numbers are never given out twice.
    next_number: int = 1

    @property
    def name(self) -> str:
        return f"models/{self.path}"


@dataclass(frozen=True, kw_only=True)
class ModelFilter:
    """Every set field must match."""

    text: str = ""
    task: str = ""
    library: str = ""
    license: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    state: VersionState | None = None
