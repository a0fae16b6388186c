"""What is converted together, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Watcher(Protocol):
    """Whoever wants to see bytes go by."""

    def begin(self, step: str, path: str, size_bytes: int) -> None:
        """A step ("check", "convert", "compare") of a file begins."""

    def advance(self, path: str, count: int) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ConvertedFile:
    """A file, and what it became."""

    path: str
    becomes: tuple[str, ...]
    tensors: int
    #: Of the tensors' bytes.
    size_bytes: int
    #: Keys that the state dict lay under, joined by dots; empty where it lay at the top.
    within: str = ""
    #: What has no place in the result: its name, and what it is. At most 200 of so many.
    left_out: tuple[tuple[str, str], ...] = ()
    left_out_count: int = 0
    #: Names of tensors that shared bytes; each of them has its own now.
    ties: tuple[tuple[str, ...], ...] = ()


@dataclass(kw_only=True)
class Batch:
    """What is under way: files of one version, and what came of them so far."""

    #: By their paths in the version.
    files: Mapping[str, Path]
    into: Path
    watcher: Watcher
    sizes: Mapping[str, int] = field(default_factory=dict)
    converted: list[ConvertedFile] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    replaced: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """While all of a file is read in one go."""
        self.watcher.begin("check", path, self.sizes[path])
        try:
            yield
            self.watcher.advance(path, self.sizes[path])
        finally:
            self.watcher.end()

    def problem(self, path: str, text: str) -> None:
        self.problems.append(f"{path}: {text}")
