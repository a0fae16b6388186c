"""Commits: points on a branch, addressed by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from registry.domain.canonical import quoted, utf8

MAIN = "main"


@dataclass(frozen=True, kw_only=True)
class Commit:
    model_key: int
    model: str
    #: 40 lower-case hex.
    id: str
    #: Digest of the canonical manifest, "sha256:...".
    tree: str
    parents: tuple[str, ...]
    author: str
    create_time_us: int
    message: str
    file_count: int
    size_bytes: int

    @property
    def name(self) -> str:
        return f"models/{self.model}/commits/{self.id}"


def commit_id(
    *,
    tree: str,
    parents: tuple[str, ...],
    author: str,
    create_time_us: int,
    message: str,
) -> str:
    """The first 40 hex of the sha256 of the commit's canonical JSON.

    {"author":..., "create_time_us":..., "message":..., "parents":[...], "schema":
    "hallmark.commit.v1", "tree":"sha256:..."}
    """
    content = (
        f'{{"author":{quoted(author)},"create_time_us":{create_time_us},'
        f'"message":{quoted(message)},"parents":[{",".join(map(quoted, parents))}],'
        f'"schema":"hallmark.commit.v1","tree":{quoted(tree)}}}'
    )
    return hashlib.sha256(utf8(content, field="commit")).hexdigest()[:40]
