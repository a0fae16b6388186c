"""All use cases, wired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.formats.card import parse_card
from registry.ports.blobs import BlobStore
from registry.ports.changes import Changes
from registry.ports.clock import Clock
from registry.ports.database import Database
from registry.ports.policy import PolicyReader
from registry.services.authentication import Authenticator
from registry.services.commits import CommitService
from registry.services.downloads import DownloadService
from registry.services.evaluations import EvaluationService
from registry.services.events import EventService
from registry.services.facts import VersionFacts
from registry.services.gate_trials import GateTrials
from registry.services.lineage import LineageService
from registry.services.models import ModelService
from registry.services.namespaces import NamespaceService
from registry.services.policies import PolicyService
from registry.services.policy_sets import ActivePolicies
from registry.services.principals import PrincipalService
from registry.services.promotions import PromotionService
from registry.services.references import ReferenceService
from registry.services.registration import RegisterGate
from registry.services.stages import StageService
from registry.services.tickets import TicketSigner
from registry.services.tokens import TokenService
from registry.services.uploads import UploadService
from registry.services.usage import UsageService
from registry.services.version_diffs import VersionDiffService
from registry.services.versions import VersionService
from registry.services.vetting import VettingService
from registry.services.yanks import YankService
from registry.vetting.structure import StructureVetter


@dataclass(frozen=True, kw_only=True)
class Services:
    """All use cases, wired to one database, one store, one policy, one clock."""

    authenticator: Authenticator
    namespaces: NamespaceService
    principals: PrincipalService
    tokens: TokenService
    models: ModelService
    commits: CommitService
    versions: VersionService
    diffs: VersionDiffService
    evaluations: EvaluationService
    yanks: YankService
    references: ReferenceService
    promotions: PromotionService
    stages: StageService
    lineage: LineageService
    uploads: UploadService
    downloads: DownloadService
    usage: UsageService
    events: EventService
    vetting: VettingService
    policies: PolicyService
    trials: GateTrials
    active: ActivePolicies


def build_services(
    *,
    database: Database,
    blobs: BlobStore,
    clock: Clock,
    reader: PolicyReader,
    signer: TicketSigner,
    changes: Changes,
    on_quarantined: Callable[[], None],
) -> Services:
    """The services on any database and store. `on_quarantined` is told of versions to be vetted."""
    authenticator = Authenticator(database=database, clock=clock, changes=changes)
    policies = ActivePolicies(database=database, reader=reader)
    # Stages never change; all else is asked of the active set in each transaction.
    stages = policies.recent()
    facts = VersionFacts()
    return Services(
        authenticator=authenticator,
        namespaces=NamespaceService(database=database, clock=clock),
        principals=PrincipalService(database=database, clock=clock, authenticator=authenticator),
        tokens=TokenService(database=database, clock=clock, authenticator=authenticator),
        models=ModelService(database=database, clock=clock, policies=policies),
        commits=CommitService(database=database, blobs=blobs, clock=clock, policy=stages),
        versions=VersionService(
            database=database,
            blobs=blobs,
            clock=clock,
            read_card=parse_card,
            on_quarantined=on_quarantined,
            gate=RegisterGate(database=database, clock=clock, policies=policies, facts=facts),
        ),
        diffs=VersionDiffService(database=database),
        evaluations=EvaluationService(database=database, clock=clock),
        yanks=YankService(database=database, clock=clock, on_quarantined=on_quarantined),
        references=ReferenceService(database=database, clock=clock, policy=stages),
        promotions=PromotionService(database=database, clock=clock, policies=policies, facts=facts),
        stages=StageService(database=database, clock=clock, policy=stages),
        lineage=LineageService(database=database, clock=clock),
        uploads=UploadService(
            database=database,
            blobs=blobs,
            clock=clock,
            signer=signer,
            authenticator=authenticator,
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
        events=EventService(database=database),
        vetting=VettingService(
            database=database,
            clock=clock,
            policies=policies,
            facts=facts,
            vetter=StructureVetter(blobs=blobs),
        ),
        policies=PolicyService(database=database, clock=clock, reader=reader, policies=policies),
        trials=GateTrials(database=database, clock=clock, policies=policies, facts=facts),
        active=policies,
    )
