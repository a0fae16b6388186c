"""The other files of a version, as parsers see them: whether they were looked at is noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class NotedFiles(Mapping[str, int]):
    """Sizes in bytes by path. What is found without a look at them holds in any version."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self.were_asked = False

    def __getitem__(self, path: str) -> int:
        self.were_asked = True
        return self._sizes[path]

    def __iter__(self) -> Iterator[str]:
        self.were_asked = True
        return iter(self._sizes)

    def __len__(self) -> int:
        self.were_asked = True
        return len(self._sizes)
