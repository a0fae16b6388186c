"""The contract of the metadata port, on SQLite and on PostgreSQL."""

from __future__ import annotations

from registry.testing.contracts.database.events import EventsContract
from registry.testing.contracts.database.models import ModelsContract
from registry.testing.contracts.database.namespaces import NamespacesContract
from registry.testing.contracts.database.policies import PoliciesContract
from registry.testing.contracts.database.principals import PrincipalsContract
from registry.testing.contracts.database.requests import RequestsContract
from registry.testing.contracts.database.tokens import TokensContract


class TestNamespaces(NamespacesContract):
    pass


class TestPrincipals(PrincipalsContract):
    pass


class TestTokens(TokensContract):
    pass


class TestPolicies(PoliciesContract):
    pass


class TestModels(ModelsContract):
    pass


class TestEvents(EventsContract):
    pass


class TestRequests(RequestsContract):
    pass
