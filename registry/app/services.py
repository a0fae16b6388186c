"""All use cases, wired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.app.people import People
from registry.formats.card import parse_card
from registry.ports.blobs import BlobStore
from registry.ports.changes import Changes
from registry.ports.clock import Clock
from registry.ports.database import Database
from registry.ports.policy import Policy
from registry.services.authentication import Authenticator
from registry.services.commits import CommitService
from registry.services.directory_accounts import AccountKeeper
from registry.services.downloads import DownloadService
from registry.services.evaluations import EvaluationService
from registry.services.events import EventService
from registry.services.identity import IdentityService
from registry.services.lineage import LineageService
from registry.services.login_throttle import LoginThrottle
from registry.services.models import ModelService
from registry.services.namespaces import NamespaceService
from registry.services.principals import PrincipalService
from registry.services.promotions import PromotionService
from registry.services.references import ReferenceService
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
    lineage: LineageService
    uploads: UploadService
    downloads: DownloadService
    usage: UsageService
    events: EventService
    vetting: VettingService


def build_services(
    *,
    database: Database,
    blobs: BlobStore,
    clock: Clock,
    policy: Policy,
    signer: TicketSigner,
    changes: Changes,
    on_quarantined: Callable[[], None],
    people: People,
) -> Services:
    """The services on any database and store. `on_quarantined` is told of versions to be vetted."""
    authenticator = Authenticator(
        database=database, clock=clock, changes=changes, group_roles=people.group_roles
    )
    accounts = AccountKeeper(
        database=database, clock=clock, authenticator=authenticator, directory=people.directory
    )
    throttle = LoginThrottle(
        database=database,
        clock=clock,
        failures_max=people.login_failures_max,
        per_user_max=people.login_failures_per_user_max,
    )
    return Services(
        authenticator=authenticator,
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
        models=ModelService(database=database, clock=clock),
        commits=CommitService(database=database, blobs=blobs, clock=clock, policy=policy),
        versions=VersionService(
            database=database,
            blobs=blobs,
            clock=clock,
            read_card=parse_card,
            on_quarantined=on_quarantined,
        ),
        diffs=VersionDiffService(database=database),
        evaluations=EvaluationService(database=database, clock=clock),
        yanks=YankService(database=database, clock=clock, on_quarantined=on_quarantined),
        references=ReferenceService(database=database, clock=clock, policy=policy),
        promotions=PromotionService(
            database=database, clock=clock, policy=policy, fresh_groups=accounts
        ),
        stages=StageService(database=database, clock=clock, policy=policy),
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
        ),
        usage=UsageService(database=database, clock=clock),
        events=EventService(database=database),
        vetting=VettingService(
            database=database,
            clock=clock,
            policy=policy,
            vetter=StructureVetter(blobs=blobs),
        ),
    )
