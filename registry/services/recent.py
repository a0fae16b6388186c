"""What happened lately, in bounded memory."""

from __future__ import annotations


class Recent:
    """A set of texts that forgets the oldest ones rather than grow past its bound."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._texts: dict[str, None] = {}

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def add(self, text: str) -> None:
        while len(self._texts) >= self._count_max and text not in self._texts:
            self._texts.pop(next(iter(self._texts), text), None)
        self._texts[text] = None

    def discard(self, text: str) -> None:
        self._texts.pop(text, None)
