"""The one place that chooses: settings in, a running registry out.

Everything gets its collaborators through its constructor, here. Nothing else imports this module
but the commands that start or check a registry.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

from registry import config
from registry.api.commits import CommitServicer
from registry.api.events import EventServicer
from registry.api.lineage import LineageServicer
from registry.api.models import ModelServicer
from registry.api.namespaces import NamespaceServicer
from registry.api.principals import PrincipalServicer
from registry.api.promotions import PromotionServicer
from registry.api.references import ReferenceServicer
from registry.api.server import ApiServer, TlsFiles
from registry.api.server_info import ServerServicer
from registry.api.transfers import TransferServicer
from registry.api.usage import UsageServicer
from registry.api.versions import VersionServicer
from registry.blobs.local import LocalBlobStore
from registry.clock import SystemClock
from registry.config import Settings
from registry.db.engine import open_database
from registry.domain.builtin_policy import BuiltinPolicy
from registry.domain.events import ChainSummary
from registry.domain.fsck import Report
from registry.domain.manifests import FILE_SIZE_BYTES_MAX
from registry.domain.server import ServerInfo
from registry.doors.app import build_app
from registry.doors.http_server import HttpServer
from registry.errors import HallmarkError, StartError
from registry.formats.card import parse_card
from registry.jobs.periodic import PeriodicTask
from registry.logs import BulkHandler, LineFormatter
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.ports.database import Database
from registry.ports.policy import Policy
from registry.services.authentication import Authenticator
from registry.services.commits import CommitService
from registry.services.downloads import DownloadService
from registry.services.evaluations import EvaluationService
from registry.services.events import EventService, verify_chain
from registry.services.fsck import Fsck, Progress, check_belonging
from registry.services.lineage import LineageService
from registry.services.models import ModelService
from registry.services.namespaces import NamespaceService
from registry.services.principals import PrincipalService, bootstrap_admin
from registry.services.promotions import PromotionService
from registry.services.references import ReferenceService
from registry.services.requests import forget_old
from registry.services.stages import StageService
from registry.services.tickets import KEY_BYTES_MIN, TicketSigner
from registry.services.tokens import TokenService
from registry.services.uploads import UploadService
from registry.services.usage import UsageService
from registry.services.version_diffs import VersionDiffService
from registry.services.versions import VersionService
from registry.services.vetting import VettingService
from registry.services.yanks import YankService
from registry.vetting.structure import StructureVetter

logger = logging.getLogger(__name__)

DISTRIBUTION = "hallmark-registry"
#: Calls and transfers in progress get so long to end when the server is asked to stop.
GRACE_S = 5.0
SWEEP_EVERY_S = 10.0
FORGET_EVERY_S = 3600.0
VETTED_AT_ONCE = 64


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


def build_services(
    *,
    database: Database,
    blobs: BlobStore,
    clock: Clock,
    policy: Policy,
    signer: TicketSigner,
    on_quarantined: Callable[[], None],
) -> Services:
    """The services on any database and store. `on_quarantined` is told of versions to be vetted."""
    authenticator = Authenticator(database=database, clock=clock)
    return Services(
        authenticator=authenticator,
        namespaces=NamespaceService(database=database, clock=clock),
        principals=PrincipalService(database=database, clock=clock, authenticator=authenticator),
        tokens=TokenService(database=database, clock=clock, authenticator=authenticator),
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
        promotions=PromotionService(database=database, clock=clock, policy=policy),
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


class Registry:
    """A running registry: gRPC, HTTP and the work it does by itself. Stop it when done.

    Raises StartError and the like from the constructor, with nothing left running or locked.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        clock = SystemClock()
        _make_home(settings.home)
        signer = TicketSigner(key=_ticket_key(settings.ticket_key_file), clock=clock)
        tls = _tls(settings)
        with ExitStack() as undo:
            self._database = open_database(settings.database_url, clock=clock)
            undo.callback(self._database.close)
            blobs = LocalBlobStore(settings.blob_dir)
            blobs.check()
            check_belonging(self._database, blobs)
            policy = BuiltinPolicy()
            self.services = build_services(
                database=self._database,
                blobs=blobs,
                clock=clock,
                policy=policy,
                signer=signer,
                on_quarantined=self._wake_vetting,
            )
            self._tasks = self._make_tasks(clock)
            self._http = HttpServer(
                host=settings.http_address.host, port=settings.http_address.port, tls=tls
            )
            undo.callback(self._http.stop, 0)
            self._bind(blobs, policy, tls)
            undo.callback(self._api.stop, 0)
            #: Set on the very first start only. The last thing that may fail: nobody would ever see
            #: the token that a start made which then came to nothing.
            self.admin_token = bootstrap_admin(self._database, clock)
            undo.pop_all()

    def _bind(self, blobs: BlobStore, policy: Policy, tls: TlsFiles | None) -> None:
        """Listen on both addresses; each side tells clients where the other one is."""
        settings, services = self.settings, self.services
        scheme = "https" if tls else "http"
        http_address = config.Address(host=settings.http_address.host, port=self._http.port)
        self.http_url = settings.http_url or f"{scheme}://{http_address}"
        info = ServerInfo(
            version=installed_version(DISTRIBUTION),
            http_url=self.http_url,
            grpc_target="",
            exclusive_stages=policy.exclusive_stages,
            policy_digest=policy.digest,
            database=self._database.kind,
            schema_revision=self._database.schema_revision,
            development=settings.is_development,
            file_size_bytes_max=FILE_SIZE_BYTES_MAX,
        )
        self._api = ApiServer(
            host=settings.grpc_address.host,
            port=settings.grpc_address.port,
            servicers=(
                ServerServicer(info),
                NamespaceServicer(services.namespaces),
                PrincipalServicer(services.principals, services.tokens),
                ModelServicer(services.models),
                CommitServicer(services.commits),
                VersionServicer(
                    services.versions, services.diffs, services.evaluations, services.yanks
                ),
                ReferenceServicer(services.references),
                PromotionServicer(services.promotions, services.stages),
                LineageServicer(services.lineage),
                TransferServicer(
                    services.uploads,
                    services.downloads,
                    upload_url=lambda ticket: f"{self.http_url}/hallmark/v1/uploads/{ticket}",
                    download_url=lambda ticket: f"{self.http_url}/dl/{ticket}",
                ),
                UsageServicer(services.usage),
                EventServicer(services.events),
            ),
            authenticator=services.authenticator,
            tls=tls,
        )
        grpc_address = config.Address(host=settings.grpc_address.host, port=self._api.port)
        self.grpc_target = settings.grpc_target or str(grpc_address)
        self._app = build_app(
            info=dataclasses.replace(info, grpc_target=self.grpc_target),
            uploads=services.uploads,
            downloads=services.downloads,
            database=self._database,
            blobs=blobs,
            accel_prefix=settings.accel_prefix,
        )

    def start(self) -> None:
        self._api.start()
        self._http.start(self._app)
        for task in self._tasks:
            task.start()

    def stop(self) -> None:
        """End what is in progress within the grace, then close; returns when all is closed."""
        self._api.stop(GRACE_S)
        self._http.stop(GRACE_S)
        for task in self._tasks:
            task.stop()
        self.services.authenticator.flush_last_uses()
        self.services.downloads.flush()
        self._database.close()

    def _wake_vetting(self) -> None:
        self._tasks[0].wake()

    def _make_tasks(self, clock: Clock) -> tuple[PeriodicTask, ...]:
        services = self.services

        def vet() -> bool:
            return services.vetting.run_pending(VETTED_AT_ONCE) == VETTED_AT_ONCE

        def sweep() -> bool:
            services.promotions.expire_overdue()
            services.uploads.expire_overdue()
            services.authenticator.flush_last_uses()
            services.downloads.flush()
            return False

        def forget() -> bool:
            forget_old(self._database, clock)
            return False

        return (
            PeriodicTask("vetting", vet, every_s=SWEEP_EVERY_S),
            PeriodicTask("sweep", sweep, every_s=SWEEP_EVERY_S),
            PeriodicTask("forget", forget, every_s=FORGET_EVERY_S),
        )


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            what=f"Home folder {home}",
            found=f"it cannot be made: {error.strerror}",
            fix="Choose another with HALLMARK_HOME.",
        ) from error


def _ticket_key(path: Path) -> bytes:
    """The key that signs addresses: read, or made once with nobody else's access."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES_MIN))
    except FileExistsError:
        logger.debug("using the ticket key in %s", path)
    except OSError as error:
        raise StartError(
            what=f"Key file {path}",
            found=f"it cannot be made: {error.strerror}",
            fix="Make it yourself (32 random bytes), or set HALLMARK_TICKET_KEY_FILE.",
        ) from error
    key = _read(path, "HALLMARK_TICKET_KEY_FILE")
    if len(key) < KEY_BYTES_MIN:
        raise StartError(
            what=f"Key file {path}",
            found=f"{len(key)} bytes",
            fix=f"It takes at least {KEY_BYTES_MIN} random bytes; remove it to get a new one.",
        )
    return key


def _tls(settings: Settings) -> TlsFiles | None:
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    return TlsFiles(
        certificate=_read(settings.tls_certificate_file, "HALLMARK_TLS_CERTIFICATE_FILE"),
        key=_read(settings.tls_key_file, "HALLMARK_TLS_KEY_FILE"),
    )


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(
            what=f"File {path}",
            found=f"it cannot be read: {error.strerror}",
            fix=f"Check it, or set {variable} to another.",
        ) from error


# --- The commands that start and check a registry ------------------------------------------------


def run_serve(overrides: Mapping[str, str]) -> int:
    """`hallmark serve`: serve until asked to stop; the exit code.

    `overrides` are settings by their environment names, from the command line.
    """
    try:
        settings = config.load({**os.environ, **overrides})
        _set_up_logging(settings.log_level)
        registry = Registry(settings)
    except HallmarkError as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return 4
    stop_asked = _signals(signal.SIGINT, signal.SIGTERM)
    registry.start()
    # What was made so far lives as long as the process. Looked through again and again for
    # garbage, it makes a call in progress wait for 50 ms.
    gc.collect()
    gc.freeze()
    print(_greeting(registry), flush=True)
    os.read(stop_asked, 1)
    print("Stopping: letting what is in progress end.", flush=True)
    registry.stop()
    return 0


def _signals(*numbers: signal.Signals) -> int:
    """A file descriptor from which a byte can be read for each of these that comes from now on.

    Python runs its handlers between two steps of the main thread, which may just be about to wait
    for a lock, and then goes on to wait. The byte is written by the system's handler itself.
    """
    coming, noted = os.pipe()
    os.set_blocking(noted, False)
    signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return coming


def run_fsck(
    home: Path | None, *, repair: bool, quick: bool, tell: Callable[[str], None]
) -> Report:
    """`hallmark fsck`: check a registry's database and bytes, beside a server or without one.

    `repair` removes bytes that nothing refers to, and needs the server stopped. Raises StartError
    and the like where the registry cannot be opened; makes none.
    """
    settings = _settings_of(home)
    clock = SystemClock()
    if repair:
        # To open it for changes makes a database where there is none.
        open_database(settings.database_url, clock=clock, serving=False).close()
    database = open_database(settings.database_url, clock=clock, serving=repair)
    try:
        fsck = Fsck(
            database=database,
            blobs=LocalBlobStore(settings.blob_dir),
            clock=clock,
            quick=quick,
            tell=lambda progress: tell(_told(progress)),
        )
        return fsck.run(remove_orphans=repair)
    finally:
        database.close()


def run_audit_verify(home: Path) -> ChainSummary:
    """`hallmark audit verify --home`: check the audit log, beside a server or without one.

    Only reads. Raises as verify_chain, and StartError and the like where the registry cannot be
    opened.
    """
    settings = _settings_of(home)
    database = open_database(settings.database_url, clock=SystemClock(), serving=False)
    try:
        return verify_chain(database)
    finally:
        database.close()


def _settings_of(home: Path | None) -> Settings:
    """Those that `hallmark serve` would have there; None: in HALLMARK_HOME."""
    environment = dict(os.environ)
    if home is not None:
        environment["HALLMARK_HOME"] = str(home)
    return config.load(environment)


def _told(progress: Progress) -> str:
    return f"{progress.done} {progress.what}"


def _greeting(registry: Registry) -> str:
    settings = registry.settings
    lines = [f"Hallmark {installed_version(DISTRIBUTION)} is serving."]
    if settings.is_development:
        lines[0] += " For development: embedded database, loopback only."
    elif not settings.tls_certificate_file:
        lines.append("WARNING: no TLS. Anybody on the way can read tokens; set the TLS files.")
    lines += [
        f"  HTTP  {registry.http_url}",
        f"  gRPC  {registry.grpc_target}",
        f"  home  {settings.home}",
        "",
    ]
    command = _command()
    if registry.admin_token:
        lines += [
            "Administrator token, shown this once (keep it; only its hash is stored):",
            f"  {registry.admin_token}",
            "",
        ]
    lines += [
        "Next, in another terminal:",
        f"  {command} login {registry.http_url}",
    ]
    return "\n".join(lines)


def _command() -> str:
    """How to call the command from another terminal in this folder, whose PATH may be another."""
    own = Path(sys.argv[0]).absolute()
    if own.is_relative_to(Path.cwd()):
        return str(own.relative_to(Path.cwd()))
    found = shutil.which("hallmark")
    return "hallmark" if found and Path(found).resolve() == own.resolve() else str(own)


def _set_up_logging(level: str) -> None:
    """One line a record on standard error; calls log JSON, see registry/api/calls.py."""
    handler = BulkHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if sys.stderr.isatty() and level == "info":
        # Whoever watches wants the greeting, not a line a call; a log collector wants the lines.
        for name in ("registry.calls", "registry.requests"):
            logging.getLogger(name).setLevel(logging.WARNING)
