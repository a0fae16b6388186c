"""Receivers of webhooks: one in memory, and the rule by which any receiver checks a request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry.domain.webhooks import Answer


@dataclass(frozen=True, kw_only=True)
class Received:
    url: str
    headers: Mapping[str, str]
    body: bytes


class MemorySender:
    """Keeps what is sent, and answers as `answer` says; http and private hosts are refused."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _: said(204)
        self._lock = threading.Lock()

    def problem_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and "@" not in parts.netloc
        if parts.scheme != "https" or not parts.hostname or parts.fragment or not plain:
            return "a URL that is not plainly https"
        return None

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        problem = self.problem_of(url)
        if problem is not None:
            return said(0, problem)
        request = Received(url=url, headers=dict(headers), body=body)
        with self._lock:
            self.received.append(request)
        return self.answer(request)


def said(status: int, error: str | None = None, *, retry_after_s: int | None = None) -> Answer:
    """An answer as a sender gives it."""
    if error is None:
        error = "" if 200 <= status < 300 else f"status {status}"
    return Answer(status=status, error=error, duration_ms=3, retry_after_s=retry_after_s)
