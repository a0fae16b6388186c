"""Those who use a registry under test: one of each kind, with a token each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from registry.client import Client, Grant

NAMESPACE = "soak"
#: Who there is beside the administrator, and the role of each on the namespace.
ROLES = {
    "alice": "registrant",
    "ann": "registrant",
    "bob": "reviewer",
    "ben": "reviewer",
    "dora": "deployer",
    "ada": "auditor",
}

#: Makes a client of the server under test for whoever holds the token.
Connect = Callable[[str], Client]


@dataclass(frozen=True, kw_only=True)
class People:
    """Tokens by the principal's id."""

    tokens: dict[str, str] = field(repr=False)

    @classmethod
    def invite(cls, admin: Client) -> People:
        """Claim the namespace and make everybody, on a registry that knows nobody yet."""
        admin.namespaces.create(NAMESPACE)
        end = datetime.now(UTC) + timedelta(days=2)
        tokens = {}
        for id, role in ROLES.items():
            # Auditors look at the whole chain of events, which is registry-wide.
            pattern = "*" if role == "auditor" else NAMESPACE
            grants = [Grant(role=role, namespace_pattern=pattern)]
            admin.principals.create(id, grants=grants)
            tokens[id] = admin.tokens.create(id, expire_time=end).secret
        return cls(tokens=tokens)
