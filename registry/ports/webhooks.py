"""What sends a webhook's requests, and what keeps its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from registry.domain.webhooks import Answer


class Sender(Protocol):
    """Posts to receivers that nobody trusts: they may hang, flood, redirect, or not exist."""

    def problem_of(self, url: str) -> str | None:
        """What makes a URL one to which nothing is ever sent, without asking anybody; or None."""

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post once and say what came of it, soon; never raises for what a receiver does.

        Follows no redirect, uses no proxy, verifies certificates, connects to none but an address
        that it judged (`registry.names.addresses`), and looks at no reply's body. Threads may share
        one.
        """


class SecretBox(Protocol):
    """Seals what is stored, so that whoever reads the database has no secret."""

    def seal(self, secret: str, *, of: str) -> str:
        """The sealed secret, as text. `of` names whose it is: it opens for no other."""

    def open(self, sealed: str, *, of: str) -> str:
        """The secret. Raises StorageError where it was sealed with another key or `of`."""
