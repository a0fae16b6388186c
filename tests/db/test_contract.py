"""The contract of the metadata port, on SQLite and on PostgreSQL."""

from __future__ import annotations

from registry.testing.contracts.database.checkpoints import CheckpointsContract
from registry.testing.contracts.database.events import EventsContract
from registry.testing.contracts.database.identity import (
    DirectoryAccountsContract,
    LoginAttemptsContract,
)
from registry.testing.contracts.database.models import ModelsContract
from registry.testing.contracts.database.namespaces import NamespacesContract
from registry.testing.contracts.database.policies import PoliciesContract
from registry.testing.contracts.database.principals import PrincipalsContract
from registry.testing.contracts.database.readiness import AssessmentsContract
from registry.testing.contracts.database.reminders import RemindersContract
from registry.testing.contracts.database.requests import RequestsContract
from registry.testing.contracts.database.tokens import TokensContract
from registry.testing.contracts.database.traits import TraitSearchContract
from registry.testing.contracts.database.vetting import VettingContract
from registry.testing.contracts.database.webhooks import WebhooksContract


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


class TestCheckpoints(CheckpointsContract):
    pass


class TestRequests(RequestsContract):
    pass


class TestWebhooks(WebhooksContract):
    pass


class TestAssessments(AssessmentsContract):
    pass


class TestReminders(RemindersContract):
    pass


class TestVetting(VettingContract):
    pass


class TestTraitSearches(TraitSearchContract):
    pass


class TestDirectoryAccounts(DirectoryAccountsContract):
    pass


class TestLoginAttempts(LoginAttemptsContract):
    pass
