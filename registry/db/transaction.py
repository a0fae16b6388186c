"""One unit of work's view of the tables."""

from __future__ import annotations

from registry.db.blob_grants import SqlBlobGrants
from registry.db.checkpoints import SqlCheckpoints
from registry.db.commits import SqlCommits
from registry.db.directory_accounts import SqlDirectoryAccounts
from registry.db.events import SqlEvents
from registry.db.inbox import SqlInbox
from registry.db.inspection import SqlInspection
from registry.db.lineage import SqlLineage
from registry.db.login_attempts import SqlLoginAttempts
from registry.db.manifests import SqlManifests
from registry.db.models import SqlModels
from registry.db.namespaces import SqlNamespaces
from registry.db.policies import SqlPolicies
from registry.db.prepared import PreparedConnection
from registry.db.principals import SqlPrincipals
from registry.db.promotions import SqlPromotions
from registry.db.readiness import SqlAssessments
from registry.db.references import SqlReferences
from registry.db.reminders import SqlReminders
from registry.db.requests import SqlRequests
from registry.db.reviews import SqlReviews
from registry.db.stages import SqlStages
from registry.db.terms import SqlAcceptances, SqlTerms
from registry.db.tokens import SqlTokens
from registry.db.uploads import SqlUploads
from registry.db.usage import SqlUsage
from registry.db.versions import SqlVersions
from registry.db.vetting import SqlVetting
from registry.db.waivers import SqlWaivers
from registry.db.webhook_deliveries import SqlDeliveries
from registry.db.webhooks import SqlWebhooks
from registry.domain.events import EventDraft


class SqlTransaction:
    """A table a noun on one connection, whose BEGIN and COMMIT are somebody else's.

    A table is made when it is asked for, since few units of work use more than three.
    """

    def __init__(self, connection: PreparedConnection, *, writing: bool) -> None:
        self._connection = connection
        self._writing = writing
        #: Events to be stored before COMMIT.
        self.drafts: list[EventDraft] = []
        #: Given out for the next version of a model that is locked, by that model's key.
        self._version_keys: dict[int, int] = {}

    @property
    def namespaces(self) -> SqlNamespaces:
        return SqlNamespaces(self._connection, writing=self._writing)

    @property
    def principals(self) -> SqlPrincipals:
        return SqlPrincipals(self._connection)

    @property
    def tokens(self) -> SqlTokens:
        return SqlTokens(self._connection)

    @property
    def models(self) -> SqlModels:
        return SqlModels(self._connection)

    @property
    def manifests(self) -> SqlManifests:
        return SqlManifests(self._connection)

    @property
    def commits(self) -> SqlCommits:
        return SqlCommits(self._connection, self._version_keys)

    @property
    def versions(self) -> SqlVersions:
        return SqlVersions(self._connection, self._version_keys)

    @property
    def vetting(self) -> SqlVetting:
        return SqlVetting(self._connection)

    @property
    def assessments(self) -> SqlAssessments:
        return SqlAssessments(self._connection)

    @property
    def references(self) -> SqlReferences:
        return SqlReferences(self._connection)

    @property
    def stages(self) -> SqlStages:
        return SqlStages(self._connection)

    @property
    def promotions(self) -> SqlPromotions:
        return SqlPromotions(self._connection)

    @property
    def waivers(self) -> SqlWaivers:
        return SqlWaivers(self._connection)

    @property
    def terms(self) -> SqlTerms:
        return SqlTerms(self._connection)

    @property
    def acceptances(self) -> SqlAcceptances:
        return SqlAcceptances(self._connection)

    @property
    def reviews(self) -> SqlReviews:
        return SqlReviews(self._connection)

    @property
    def inbox(self) -> SqlInbox:
        return SqlInbox(self._connection)

    @property
    def policies(self) -> SqlPolicies:
        return SqlPolicies(self._connection, writing=self._writing)

    @property
    def lineage(self) -> SqlLineage:
        return SqlLineage(self._connection)

    @property
    def uploads(self) -> SqlUploads:
        return SqlUploads(self._connection)

    @property
    def blob_grants(self) -> SqlBlobGrants:
        return SqlBlobGrants(self._connection)

    @property
    def usage(self) -> SqlUsage:
        return SqlUsage(self._connection)

    @property
    def events(self) -> SqlEvents:
        return SqlEvents(self._connection, self.drafts if self._writing else None)

    @property
    def checkpoints(self) -> SqlCheckpoints:
        return SqlCheckpoints(self._connection)

    @property
    def requests(self) -> SqlRequests:
        return SqlRequests(self._connection)

    @property
    def webhooks(self) -> SqlWebhooks:
        return SqlWebhooks(self._connection)

    @property
    def deliveries(self) -> SqlDeliveries:
        return SqlDeliveries(self._connection)

    @property
    def reminders(self) -> SqlReminders:
        return SqlReminders(self._connection)

    @property
    def inspection(self) -> SqlInspection:
        return SqlInspection(self._connection)

    @property
    def directory_accounts(self) -> SqlDirectoryAccounts:
        return SqlDirectoryAccounts(self._connection)

    @property
    def login_attempts(self) -> SqlLoginAttempts:
        return SqlLoginAttempts(self._connection)
