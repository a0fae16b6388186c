"""Usage: downloads by version and principal, likes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VersionUsage:
    version: str
    download_count: int
    last_time_us: int


@dataclass(frozen=True, kw_only=True)
class PrincipalUsage:
    principal: str
    version: str
    download_count: int
    last_time_us: int


@dataclass(frozen=True, kw_only=True)
class Usage:
    model: str
    download_count: int
    like_count: int
    liked: bool
    versions: tuple[VersionUsage, ...]
    principals: tuple[PrincipalUsage, ...]
