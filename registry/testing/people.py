"""A namespace of a running registry and the people who work on it, for tests that start there."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from registry.client.values import Grant

if TYPE_CHECKING:
    from registry.client import Client
    from registry.client.values import Version
    from registry.testing.server import RunningServer, ServerProcess

VETTED_WITHIN_S = 60.0


class Team:
    """alice registers and deploys, bob reviews, the administrator administers; all by token."""

    def __init__(self, server: RunningServer | ServerProcess, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        self.admin = server.client()
        self.admin.namespaces.create(namespace)
        self.alice_token = self._token(f"alice-{namespace}", ("registrant", "deployer"))
        self.bob_token = self._token(f"bob-{namespace}", ("reviewer",))
        self.alice = server.client(self.alice_token)
        self.bob = server.client(self.bob_token)

    def close(self) -> None:
        for client in (self.admin, self.alice, self.bob):
            client.close()

    def model(self, name: str = "scorer") -> str:
        return f"{self.namespace}/{name}"

    def _token(self, who: str, roles: tuple[str, ...]) -> str:
        grants = [Grant(role=role, namespace_pattern=self.namespace) for role in roles]
        self.admin.principals.create(who, grants=grants)
        expires = datetime.now(UTC) + timedelta(days=1)
        return self.admin.tokens.create(who, expire_time=expires).secret


def vetted(client: Client, reference: str) -> Version:
    """The version once its verdict is there."""
    until = time.monotonic() + VETTED_WITHIN_S
    while not (version := client.versions.get(reference)).vetting.verdict:
        if time.monotonic() > until:
            raise AssertionError(f"{reference} was not vetted within {VETTED_WITHIN_S} s")
        time.sleep(0.05)
    return version
