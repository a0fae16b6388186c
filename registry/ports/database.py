"""The metadata port: units of work, and within one a table a noun.

`Database.write(fn)` runs `fn` in one transaction with the audit events it appends; its result is
returned after COMMIT. `fn` does nothing but calls on the transaction: it may run twice, and several
may share one COMMIT. What `fn` raises rolls its own work back and is raised to the caller; save
that a ConflictError, by which it says that another one was quicker, may have it run again.

Foreign failures become DatabaseUnavailableError, ConflictError, StorageFullError or StorageError.
Values come back as they were put in; `key` is the row's key, 0 in a value that is to be inserted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from registry.ports.access_tables import Principals, Tokens
from registry.ports.audit_tables import Checkpoints
from registry.ports.identity_tables import DirectoryAccounts, LoginAttempts
from registry.ports.policy_tables import Policies
from registry.ports.readiness_tables import Assessments
from registry.ports.review_tables import Reviews
from registry.ports.tables import (
    BlobGrants,
    Commits,
    Events,
    Inspection,
    Lineage,
    Manifests,
    Models,
    Namespaces,
    Promotions,
    References,
    Requests,
    Stages,
    Uploads,
    UsageTable,
    Versions,
)
from registry.ports.terms_tables import Acceptances, TermsTable
from registry.ports.vetting_tables import VettingTables
from registry.ports.waiver_tables import Inbox, Waivers
from registry.ports.webhook_tables import Deliveries, Reminders, Webhooks

T = TypeVar("T")


class Transaction(Protocol):
    @property
    def namespaces(self) -> Namespaces: ...
    @property
    def principals(self) -> Principals: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def models(self) -> Models: ...
    @property
    def manifests(self) -> Manifests: ...
    @property
    def commits(self) -> Commits: ...
    @property
    def versions(self) -> Versions: ...
    @property
    def vetting(self) -> VettingTables: ...
    @property
    def assessments(self) -> Assessments: ...
    @property
    def references(self) -> References: ...
    @property
    def stages(self) -> Stages: ...
    @property
    def promotions(self) -> Promotions: ...
    @property
    def waivers(self) -> Waivers: ...
    @property
    def terms(self) -> TermsTable: ...
    @property
    def acceptances(self) -> Acceptances: ...
    @property
    def reviews(self) -> Reviews: ...
    @property
    def inbox(self) -> Inbox: ...
    @property
    def policies(self) -> Policies: ...
    @property
    def lineage(self) -> Lineage: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def blob_grants(self) -> BlobGrants: ...
    @property
    def usage(self) -> UsageTable: ...
    @property
    def events(self) -> Events: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    @property
    def requests(self) -> Requests: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def deliveries(self) -> Deliveries: ...
    @property
    def reminders(self) -> Reminders: ...
    @property
    def inspection(self) -> Inspection: ...
    @property
    def directory_accounts(self) -> DirectoryAccounts: ...
    @property
    def login_attempts(self) -> LoginAttempts: ...


class Database(Protocol):
    @property
    def kind(self) -> str:
        """ "sqlite" or "postgresql"."""

    @property
    def schema_revision(self) -> str: ...

    @property
    def moment(self) -> int | None:
        """A number that no two states of the data share; None while it may be changing.

        Equal before a read began and at some later time, it says that nothing was committed in
        between. Always None where other processes may write as well.
        """

    def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run reads; each statement sees what is committed when it starts."""

    def snapshot(self, fn: Callable[[Transaction], T]) -> T:
        """Run reads that all see one moment."""

    def write(self, fn: Callable[[Transaction], T], *, namespace: str = "") -> T:
        """Run one unit of work; see the module comment.

        `namespace` is where what it locks belongs, if all of that is in one: units of different
        ones get less in each other's way. Nothing goes wrong where it is left out.
        """

    def close(self) -> None: ...
