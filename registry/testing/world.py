"""A registry without doors: real database, blobs in memory, and a clock that tests move."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from registry.auth.signing import Ed25519Keys
from registry.board import Board
from registry.db.engine import open_database
from registry.domain.access import Caller, Grant, Principal, PrincipalKind, Role, Token
from registry.domain.commits import Commit
from registry.domain.group_roles import NO_GROUP_ROLES, GroupRoles
from registry.domain.manifests import Manifest, ManifestFile, guess_media_type
from registry.domain.models import Model, ModelFields, Namespace
from registry.domain.scopes import Scope
from registry.domain.versions import Card, Verdict, Version, VersionSpec, VersionState, Vetting
from registry.formats.card import parse_card
from registry.jobs.secret_box import AesSecretBox
from registry.ports.blobs import BlobStore
from registry.ports.database import Transaction
from registry.ports.directory import Directory
from registry.services.acceptances import AcceptanceService
from registry.services.access import AccessService
from registry.services.assessments import AssessmentQueue
from registry.services.audit import AuditService
from registry.services.audit_export import AuditExport
from registry.services.audit_proofs import AuditProofs
from registry.services.authentication import Authenticator, hash_of, new_secret
from registry.services.commits import CommitService
from registry.services.directory_accounts import AccountKeeper
from registry.services.downloads import DownloadService
from registry.services.evaluations import EvaluationService
from registry.services.events import EventService
from registry.services.facts import VersionFacts
from registry.services.gate_trials import GateTrials
from registry.services.identity import IdentityService
from registry.services.inbox import InboxService
from registry.services.inspections import InspectionService
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
from registry.services.vetting import VettingService
from registry.services.vetting_reports import VettingReports
from registry.services.waivers import WaiverService
from registry.services.webhook_deliveries import WebhookDeliveryService
from registry.services.webhook_queue import WebhookQueue
from registry.services.webhooks import WebhookService
from registry.services.workloads import NobodyTrusted, WorkloadService
from registry.services.yanks import YankService
from registry.testing.assessing import ScriptedAssessor
from registry.testing.blobs import MemoryBlobStore
from registry.testing.clock import FixedClock
from registry.testing.databases import empty_sqlite
from registry.testing.faults import GuardedDatabase
from registry.testing.inspecting import InlineInspector
from registry.testing.policies import RememberingReader, activate_shipped
from registry.testing.webhooks import MemorySender
from registry.vetting.stored import StoredVetter

DAY_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, kw_only=True)
class Login:
    caller: Caller
    secret: str


def grant(role: Role, pattern: str = "*", *, deny: bool = False) -> Grant:
    return Grant(role=role, namespace_pattern=pattern, deny=deny)


def manifest_file(path: str, data: bytes) -> ManifestFile:
    return ManifestFile(
        path=path,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=guess_media_type(path),
    )


def _sqlite_in(folder: Path) -> str:
    path = folder / "hallmark.db"
    if not path.exists():
        path.write_bytes(_sqlite_with_policy())
    return f"sqlite:///{path}"


@cache
def _sqlite_with_policy() -> bytes:
    """A SQLite file on which the shipped policy is active, and nothing else is."""
    with tempfile.TemporaryDirectory() as folder:
        path, clock = Path(folder) / "hallmark.db", FixedClock()
        path.write_bytes(empty_sqlite())
        database = open_database(f"sqlite:///{path}", clock=clock)
        activate_shipped(database, clock.now_us())
        database.close()
        return path.read_bytes()


class World:
    """Services on one database. What tests need beside what services offer goes past these."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str = "",
        blobs: BlobStore | None = None,
        directory: Directory | None = None,
        group_roles: GroupRoles = NO_GROUP_ROLES,
        reader: RememberingReader | None = None,
    ) -> None:
        self.clock = FixedClock()
        self.folder = folder
        self.database = GuardedDatabase(open_database(url or _sqlite_in(folder), clock=self.clock))
        self.memory = MemoryBlobStore(now_us=self.clock.now_us)
        self.blobs: BlobStore = blobs or self.memory
        self.signer = TicketSigner(key=b"k" * 32, clock=self.clock)
        self.board = Board()
        self.authenticator = Authenticator(
            database=self.database,
            clock=self.clock,
            changes=self.board.callers,
            # Tests try many bad tokens in an instant that does not pass.
            failures_per_minute=0,
            group_roles=group_roles,
        )
        self.namespaces = NamespaceService(database=self.database, clock=self.clock)
        self.principals = PrincipalService(
            database=self.database, clock=self.clock, authenticator=self.authenticator
        )
        self.tokens = TokenService(
            database=self.database, clock=self.clock, authenticator=self.authenticator
        )
        self.access = AccessService(
            database=self.database, clock=self.clock, group_roles=group_roles
        )
        self._open_logins(directory)
        if not self.database.read(lambda tx: tx.policies.active()):
            activate_shipped(self.database, self.clock.now_us())
        self.reader = reader or RememberingReader()
        self.active = ActivePolicies(database=self.database, reader=self.reader)
        self.policy = self.active.recent()
        self.facts = VersionFacts()
        self.policies = PolicyService(
            database=self.database,
            clock=self.clock,
            reader=self.reader,
            policies=self.active,
            fresh_groups=self.accounts,
        )
        self.trials = GateTrials(
            database=self.database, clock=self.clock, policies=self.active, facts=self.facts
        )
        self.models = ModelService(database=self.database, clock=self.clock, policies=self.active)
        self.usage = UsageService(database=self.database, clock=self.clock)
        self.workloads = WorkloadService(
            database=self.database, clock=self.clock, verifier=NobodyTrusted()
        )
        self.audit_keys = Ed25519Keys.fresh()
        self.events = EventService(database=self.database, keys=self.audit_keys)
        self.audit = AuditService(database=self.database, clock=self.clock, keys=self.audit_keys)
        self.audit_export = AuditExport(database=self.database)
        self.audit_proofs = AuditProofs(database=self.database, keys=self.audit_keys)
        self.uploads = UploadService(
            database=self.database,
            blobs=self.blobs,
            clock=self.clock,
            signer=self.signer,
            authenticator=self.authenticator,
        )
        self.downloads = DownloadService(
            database=self.database,
            blobs=self.blobs,
            clock=self.clock,
            signer=self.signer,
            authenticator=self.authenticator,
            policies=self.active,
            facts=self.facts,
        )
        self._open_versions()
        self._open_webhooks()

    def _open_logins(self, directory: Directory | None) -> None:
        """What knows people by the company's directory."""
        self.accounts = AccountKeeper(
            database=self.database,
            clock=self.clock,
            authenticator=self.authenticator,
            directory=directory,
        )
        self.throttle = LoginThrottle(
            database=self.database,
            clock=self.clock,
            key=b"t" * 32,
            failures_max=4,
            per_user_max=8,
            per_address_max=100,
        )
        self.identity = IdentityService(
            database=self.database,
            clock=self.clock,
            authenticator=self.authenticator,
            directory=directory,
            throttle=self.throttle,
            token_ttl_h=12,
        )

    def _open_versions(self) -> None:
        """The services that make versions and decide on them."""
        database, blobs, clock = self.database, self.blobs, self.clock
        #: How often a service said that there is something to vet.
        self.wakes = 0
        self.commits = CommitService(
            database=database, blobs=blobs, clock=clock, policy=self.policy
        )
        self.versions = VersionService(
            database=database,
            blobs=blobs,
            clock=clock,
            read_card=parse_card,
            on_quarantined=self._wake,
            policies=self.active,
            gate=RegisterGate(
                database=database, clock=clock, policies=self.active, facts=self.facts
            ),
        )
        self.yanks = YankService(
            database=database, clock=clock, policies=self.active, on_quarantined=self._wake
        )
        self.version_diffs = VersionDiffService(database=database)
        self.evaluations = EvaluationService(database=database, clock=clock)
        self.references = ReferenceService(database=database, clock=clock, policies=self.active)
        self.promotions = PromotionService(
            database=database,
            clock=clock,
            policies=self.active,
            facts=self.facts,
            fresh_groups=self.accounts,
        )
        self.stages = StageService(database=database, clock=clock, policy=self.policy)
        self.waivers = WaiverService(
            database=database, clock=clock, policies=self.active, fresh_groups=self.accounts
        )
        self.reviews = ReviewService(
            database=database, clock=clock, policies=self.active, fresh_groups=self.accounts
        )
        self.terms = TermsService(database=database, clock=clock)
        self.acceptances = AcceptanceService(
            database=database, clock=clock, fresh_groups=self.accounts
        )
        self.inbox = InboxService(database=database, clock=clock, policies=self.active)
        self.lineage = LineageService(database=database, clock=clock)
        self.inspections = InspectionService(
            database=database,
            clock=clock,
            on_inspected=lambda digest: self.vetting.inspected(digest),
        )
        self.inspector = InlineInspector(service=self.inspections, blobs=blobs, clock=clock)
        self.vetting = VettingService(
            database=database,
            clock=clock,
            policies=self.active,
            facts=self.facts,
            vetter=StoredVetter(database=database, inspector=self.inspector),
            on_passed=lambda tx, versions: self.assessments.passed(tx, versions),
        )
        self.assessor = ScriptedAssessor()
        self.assessments = AssessmentQueue(
            database=database, clock=clock, assessor=self.assessor, policies=self.active
        )
        self.readiness = ReadinessService(
            database=database, clock=clock, assessor=self.assessor, on_wanted=self._wake
        )
        self.vetting_reports = VettingReports(database=database, clock=clock)
        self.trait_searches = TraitSearches(database=database, policies=self.active)
        self.releases = ReleaseService(
            database=database, clock=clock, policies=self.active, facts=self.facts
        )

    def _open_webhooks(self) -> None:
        database, clock = self.database, self.clock
        self.sender = MemorySender()
        self.box = AesSecretBox(b"k" * 32)
        self.webhooks = WebhookService(
            database=database, clock=clock, sender=self.sender, box=self.box
        )
        self.webhook_deliveries = WebhookDeliveryService(database=database, clock=clock)
        self.webhook_queue = WebhookQueue(
            database=database, clock=clock, sender=self.sender, box=self.box, chance=lambda: 0.5
        )
        self.reminders = ReminderService(database=database, clock=clock)

    def _wake(self) -> None:
        self.wakes += 1

    def close(self) -> None:
        self.database.close()

    def login(
        self,
        id: str,
        *grants: Grant,
        kind: PrincipalKind = PrincipalKind.PERSON,
        ttl_us: int = 30 * DAY_US,
        scopes: Sequence[Scope] = (),
        creator: str = "system",
        sponsor: str = "",
    ) -> Login:
        """A new principal with a token, or one more token of a principal that is there."""
        secret = new_secret()
        now = self.clock.now_us()

        def fn(tx: Transaction) -> tuple[Principal, Token]:
            principal = tx.principals.get(id) or tx.principals.insert(
                Principal(
                    key=0,
                    id=id,
                    uid=str(uuid.uuid4()),
                    kind=kind,
                    display_name="",
                    grants=grants,
                    disabled=False,
                    etag="1",
                    create_time_us=now,
                    update_time_us=now,
                    sponsor=sponsor,
                )
            )
            assert principal is not None
            token = tx.tokens.insert(
                Token(
                    key=0,
                    id=uuid.uuid4().hex[:16],
                    principal=id,
                    label="",
                    create_time_us=now,
                    expire_time_us=now + ttl_us,
                    revoke_time_us=None,
                    last_use_time_us=None,
                    creator=creator,
                    scopes=tuple(scopes),
                ),
                hash_of(secret),
            )
            return principal, token

        principal, token = self.database.write(fn)
        return Login(caller=Caller(principal=principal, token=token), secret=secret)

    def caller(self, id: str, *grants: Grant) -> Caller:
        return self.login(id, *grants).caller

    def claim(self, id: str) -> Namespace:
        now = self.clock.now_us()
        claimed = self.database.write(
            lambda tx: tx.namespaces.insert(
                Namespace(
                    key=0,
                    id=id,
                    uid=str(uuid.uuid4()),
                    description="",
                    owner="",
                    etag="1",
                    create_time_us=now,
                    update_time_us=now,
                    creator="root",
                )
            )
        )
        assert claimed is not None
        return claimed

    def model(self, path: str, fields: ModelFields | None = None) -> Model:
        """A model, in a namespace that is claimed for it if need be."""
        namespace = path.partition("/")[0]
        if self.database.read(lambda tx: tx.namespaces.get(namespace)) is None:
            self.claim(namespace)
        now = self.clock.now_us()
        made = self.database.write(
            lambda tx: tx.models.insert(
                Model(
                    key=0,
                    uid=str(uuid.uuid4()),
                    path=path,
                    namespace=namespace,
                    fields=fields or ModelFields(),
                    etag="1",
                    create_time_us=now,
                    update_time_us=now,
                    creator="root",
                    latest_version=0,
                    stages=(),
                    like_count=0,
                    download_count=0,
                ),
                path.casefold(),
            )
        )
        assert made is not None
        return made

    def store(self, data: bytes) -> str:
        """A blob that nobody may refer to yet."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs.append(f"test-{sha256}", 0, [data])
        self.blobs.commit(f"test-{sha256}", sha256, len(data))
        return sha256

    def version(
        self,
        model: str,
        files: Mapping[str, bytes],
        *,
        state: VersionState = VersionState.RELEASED,
        registrant: str = "root",
    ) -> Version:
        """A version with stored bytes, made without asking any service."""
        manifest = Manifest.of(manifest_file(path, data) for path, data in files.items())
        for data in files.values():
            self.store(data)
        now = self.clock.now_us()
        passed = Vetting(
            verdict=Verdict.PASS,
            findings=(),
            rules_digest=self.inspector.rules_digest,
            time_us=now,
        )

        def fn(tx: Transaction) -> Version:
            owner = tx.models.lock(model)
            assert owner is not None
            tx.manifests.save(manifest)
            number = tx.models.take_number(owner, now)
            commit = Commit(
                model_key=owner.key,
                model=model,
                id=f"{number:040x}",
                tree=manifest.digest,
                parents=(),
                author=registrant,
                create_time_us=now,
                message="",
                file_count=len(manifest.files),
                size_bytes=manifest.size_bytes,
            )
            tx.commits.insert(commit)
            return tx.versions.insert(
                Version(
                    key=0,
                    uid=str(uuid.uuid4()),
                    model_key=owner.key,
                    model=model,
                    namespace=owner.namespace,
                    number=number,
                    digest=manifest.digest,
                    commit=commit.id,
                    state=state,
                    registrant=registrant,
                    create_time_us=now,
                    spec=VersionSpec(),
                    card=Card(),
                    file_count=len(manifest.files),
                    size_bytes=manifest.size_bytes,
                    vetting=passed if state is VersionState.RELEASED else None,
                    yank_reason="",
                    yanked_from=None,
                    contributors=(registrant,),
                )
            )

        return self.database.write(fn)
