"""All use cases, wired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.app.people import People
from registry.auth.derived_keys import LOGIN_ATTEMPTS, WEBHOOK_SECRETS, key_for
from registry.config import Settings
from registry.formats.card import parse_card
from registry.jobs.secret_box import AesSecretBox
from registry.ports.blobs import BlobStore
from registry.ports.changes import Changes
from registry.ports.clock import Clock
from registry.ports.database import Database
from registry.ports.policy import PolicyReader
from registry.ports.readiness import Assessor
from registry.ports.signing import SigningKeys
from registry.ports.webhooks import Sender
from registry.ports.workloads import WorkloadVerifier
from registry.services.acceptances import AcceptanceService
from registry.services.access import AccessService
from registry.services.assessments import AssessmentQueue
from registry.services.audit import AuditService
from registry.services.audit_export import AuditExport
from registry.services.audit_proofs import AuditProofs
from registry.services.authentication import Authenticator
from registry.services.commits import CommitService
from registry.services.directory_accounts import AccountKeeper
from registry.services.downloads import DownloadService
from registry.services.evaluations import EvaluationService
from registry.services.events import EventService
from registry.services.facts import VersionFacts
from registry.services.gate_trials import GateTrials
from registry.services.identity import IdentityService
from registry.services.inbox import InboxService
from registry.services.lineage import LineageService
from registry.services.login_throttle import LoginThrottle
from registry.services.models import ModelService
from registry.services.namespaces import NamespaceService
from registry.services.policies import PolicyService
from registry.services.policy_sets import ActivePolicies
from registry.services.principals import PrincipalService
from registry.services.promotions import PromotionService
from registry.services.readiness import ReadinessService
from registry.services.references import ReferenceService
from registry.services.registration import RegisterGate
from registry.services.releases import ReleaseService
from registry.services.reminders import ReminderService
from registry.services.reviews import ReviewService
from registry.services.stages import StageService
from registry.services.terms import TermsService
from registry.services.tickets import TicketSigner
from registry.services.tokens import TokenService
from registry.services.trait_searches import TraitSearches
from registry.services.uploads import UploadService
from registry.services.usage import UsageService
from registry.services.version_diffs import VersionDiffService
from registry.services.versions import VersionService
from registry.services.vetting_reports import VettingReports
from registry.services.waivers import WaiverService
from registry.services.webhook_deliveries import WebhookDeliveryService
from registry.services.webhook_queue import WebhookQueue
from registry.services.webhooks import WebhookService
from registry.services.workloads import DEFAULT_TTL_US, NobodyTrusted, WorkloadService
from registry.services.yanks import YankService


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one principal may take up; 0: any amount."""

    calls_per_minute: int
    upload_bytes: int


def limits_of(settings: Settings) -> Limits:
    return Limits(calls_per_minute=settings.calls_per_minute, upload_bytes=settings.upload_bytes)


@dataclass(frozen=True, kw_only=True)
class Services:
    """All use cases, wired to one database, one store, one policy, one clock."""

    authenticator: Authenticator
    access: AccessService
    namespaces: NamespaceService
    principals: PrincipalService
    tokens: TokenService
    accounts: AccountKeeper
    throttle: LoginThrottle
    identity: IdentityService
    models: ModelService
    commits: CommitService
    versions: VersionService
    diffs: VersionDiffService
    evaluations: EvaluationService
    yanks: YankService
    references: ReferenceService
    promotions: PromotionService
    stages: StageService
    waivers: WaiverService
    reviews: ReviewService
    terms: TermsService
    acceptances: AcceptanceService
    inbox: InboxService
    lineage: LineageService
    uploads: UploadService
    downloads: DownloadService
    usage: UsageService
    events: EventService
    audit: AuditService
    audit_export: AuditExport
    audit_proofs: AuditProofs
    facts: VersionFacts
    vetting_reports: VettingReports
    readiness: ReadinessService
    assessments: AssessmentQueue
    trait_searches: TraitSearches
    releases: ReleaseService
    workloads: WorkloadService
    webhooks: WebhookService
    webhook_deliveries: WebhookDeliveryService
    webhook_queue: WebhookQueue
    reminders: ReminderService
    policies: PolicyService
    trials: GateTrials
    active: ActivePolicies


def build_services(
    *,
    database: Database,
    blobs: BlobStore,
    clock: Clock,
    reader: PolicyReader,
    ticket_key: bytes,
    audit_keys: SigningKeys,
    changes: Changes,
    on_quarantined: Callable[[], None],
    limits: Limits,
    people: People,
    sender: Sender,
    assessor: Assessor,
    on_assessment_wanted: Callable[[], None] = lambda: None,
    verifier: WorkloadVerifier | None = None,
    workload_ttl_us: int = DEFAULT_TTL_US,
) -> Services:
    """The services on any database and store. `on_quarantined` is told of versions to be vetted,
    `on_assessment_wanted` of what is to be assessed, which is looked for now and then anyway;
    without a `verifier` no platform's token is taken."""
    authenticator = Authenticator(
        database=database,
        clock=clock,
        changes=changes,
        group_roles=people.group_roles,
        calls_per_minute=limits.calls_per_minute,
    )
    accounts = AccountKeeper(
        database=database, clock=clock, authenticator=authenticator, directory=people.directory
    )
    throttle = LoginThrottle(
        database=database,
        clock=clock,
        key=key_for(LOGIN_ATTEMPTS, ticket_key),
        failures_max=people.login_failures_max,
        per_user_max=people.login_failures_per_user_max,
        per_address_max=people.login_failures_per_address_max,
    )
    policies = ActivePolicies(database=database, reader=reader)
    # Stages never change; all else is asked of the active set in each transaction.
    stages = policies.recent()
    facts = VersionFacts()
    signer = TicketSigner(key=ticket_key, clock=clock)
    box = AesSecretBox(key_for(WEBHOOK_SECRETS, ticket_key))
    return Services(
        authenticator=authenticator,
        access=AccessService(database=database, clock=clock, group_roles=people.group_roles),
        namespaces=NamespaceService(database=database, clock=clock),
        principals=PrincipalService(database=database, clock=clock, authenticator=authenticator),
        tokens=TokenService(database=database, clock=clock, authenticator=authenticator),
        accounts=accounts,
        throttle=throttle,
        identity=IdentityService(
            database=database,
            clock=clock,
            authenticator=authenticator,
            directory=people.directory,
            throttle=throttle,
            token_ttl_h=people.login_token_h,
        ),
        models=ModelService(database=database, clock=clock, policies=policies),
        commits=CommitService(database=database, blobs=blobs, clock=clock, policy=stages),
        versions=VersionService(
            database=database,
            blobs=blobs,
            clock=clock,
            read_card=parse_card,
            on_quarantined=on_quarantined,
            policies=policies,
            gate=RegisterGate(database=database, clock=clock, policies=policies, facts=facts),
        ),
        diffs=VersionDiffService(database=database),
        evaluations=EvaluationService(database=database, clock=clock),
        yanks=YankService(
            database=database, clock=clock, policies=policies, on_quarantined=on_quarantined
        ),
        references=ReferenceService(database=database, clock=clock, policies=policies),
        promotions=PromotionService(
            database=database, clock=clock, policies=policies, facts=facts, fresh_groups=accounts
        ),
        stages=StageService(database=database, clock=clock, policy=stages),
        waivers=WaiverService(
            database=database, clock=clock, policies=policies, fresh_groups=accounts
        ),
        reviews=ReviewService(
            database=database, clock=clock, policies=policies, fresh_groups=accounts
        ),
        terms=TermsService(database=database, clock=clock),
        acceptances=AcceptanceService(database=database, clock=clock, fresh_groups=accounts),
        inbox=InboxService(database=database, clock=clock, policies=policies),
        lineage=LineageService(database=database, clock=clock),
        uploads=UploadService(
            database=database,
            blobs=blobs,
            clock=clock,
            signer=signer,
            authenticator=authenticator,
            awaited_bytes_max=limits.upload_bytes,
        ),
        downloads=DownloadService(
            database=database,
            blobs=blobs,
            clock=clock,
            signer=signer,
            authenticator=authenticator,
            policies=policies,
            facts=facts,
        ),
        usage=UsageService(database=database, clock=clock),
        events=EventService(database=database, keys=audit_keys),
        audit=AuditService(database=database, clock=clock, keys=audit_keys),
        audit_export=AuditExport(database=database),
        audit_proofs=AuditProofs(database=database, keys=audit_keys),
        facts=facts,
        vetting_reports=VettingReports(database=database, clock=clock),
        readiness=ReadinessService(
            database=database, clock=clock, assessor=assessor, on_wanted=on_assessment_wanted
        ),
        assessments=AssessmentQueue(
            database=database, clock=clock, assessor=assessor, policies=policies
        ),
        trait_searches=TraitSearches(database=database, policies=policies),
        releases=ReleaseService(database=database, clock=clock, policies=policies, facts=facts),
        workloads=WorkloadService(
            database=database,
            clock=clock,
            verifier=verifier or NobodyTrusted(),
            ttl_us=workload_ttl_us,
        ),
        webhooks=WebhookService(database=database, clock=clock, sender=sender, box=box),
        webhook_deliveries=WebhookDeliveryService(database=database, clock=clock),
        webhook_queue=WebhookQueue(database=database, clock=clock, sender=sender, box=box),
        reminders=ReminderService(database=database, clock=clock),
        policies=PolicyService(
            database=database,
            clock=clock,
            reader=reader,
            policies=policies,
            fresh_groups=accounts,
        ),
        trials=GateTrials(database=database, clock=clock, policies=policies, facts=facts),
        active=policies,
    )
