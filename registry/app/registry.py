"""The one place that chooses: settings in, a running registry out.

Everything gets its collaborators through its constructor, here. Nothing else imports this package
but the commands that start or check a registry.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from contextlib import ExitStack
from functools import partial

from registry import config
from registry.api.server import TlsFiles
from registry.app.api import build_api, server_info
from registry.app.files import (
    audit_keys,
    make_audit_key,
    make_home,
    make_ticket_key,
    policy_files,
    ticket_key,
    tls_files,
    webhook_sender,
)
from registry.app.inspector import WorkerInspector, handover_of
from registry.app.people import people_of
from registry.app.process import GRACE_S, SWEEP_EVERY_S
from registry.app.readiness import assessor_of, clear_work
from registry.app.services import build_services, limits_of
from registry.app.tools import tools_of
from registry.app.workloads import workload_verifier
from registry.blobs.local import LocalBlobStore
from registry.board import Board
from registry.clock import SystemClock
from registry.config import Settings
from registry.db.engine import open_database
from registry.doors.app import build_app
from registry.doors.http_server import HttpServer
from registry.jobs.checkpoint_folder import CheckpointFolder
from registry.jobs.periodic import PeriodicTask
from registry.jobs.pool import Pool
from registry.policies.jail import JailedPolicyReader
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.services.assessments import Claim as Assessment
from registry.services.fsck import check_belonging
from registry.services.inspections import InspectionService
from registry.services.policy_sets import bootstrap_policy
from registry.services.principals import bootstrap_admin
from registry.services.requests import forget_old
from registry.services.vetting import VettingService
from registry.services.webhook_queue import Claim
from registry.services.webhook_shares import SENT_AT_ONCE
from registry.vetting.stored import StoredVetter

logger = logging.getLogger(__name__)

FORGET_EVERY_S = 3600.0
WEBHOOKS_EVERY_S = 1.0
CHECKPOINT_LOOK_EVERY_S = 30.0
#: How long somebody's tokens may go on after the directory has let them go.
REFRESH_EVERY_S = 600.0
VETTED_AT_ONCE = 64
ASSESSING_EVERY_S = 1.0


class Registry:
    """A running registry: gRPC, HTTP and the work it does by itself. Stop it when done.

    `shares_port`: further processes are to answer gRPC on the same port; see `workers.py`. Raises
    StartError and the like from the constructor, with nothing left running or locked.
    """

    def __init__(self, settings: Settings, *, shares_port: bool = False) -> None:
        self.settings = settings
        clock = SystemClock()
        make_home(settings.home)
        make_ticket_key(settings.ticket_key_file)
        make_audit_key(settings.audit_key_file)
        key = ticket_key(settings.ticket_key_file)
        tls = tls_files(settings)
        verifier = workload_verifier(settings, clock)
        self.tools = tools_of(settings.clamav_socket, settings.yara_dir)
        with ExitStack() as undo:
            self.board = Board.to_share()
            undo.callback(os.close, self.board.file)
            self._database = open_database(settings.database_url, clock=clock, board=self.board)
            undo.callback(self._database.close)
            # Nobody else has this home by now: SQLite's lock is ours, and servers that share
            # PostgreSQL have homes of their own.
            clear_work(settings.home)
            blobs = LocalBlobStore(settings.blob_dir)
            blobs.check()
            check_belonging(self._database, blobs)
            reader = JailedPolicyReader()
            bootstrap_policy(self._database, clock, reader, policy_files(settings.policy_dir))
            people = people_of(settings, clock=clock)
            self.services = build_services(
                database=self._database,
                blobs=blobs,
                clock=clock,
                reader=reader,
                ticket_key=key,
                audit_keys=audit_keys(settings.audit_key_file),
                changes=self.board.callers,
                on_quarantined=self.wake_vetting,
                limits=limits_of(settings),
                verifier=verifier,
                workload_ttl_us=settings.workload_token_minutes * 60_000_000,
                sender=webhook_sender(settings),
                people=people,
                assessor=assessor_of(settings, blobs),
                on_assessment_wanted=self.wake_assessing,
            )
            self._inspector, self._vetting = self._make_vetting(clock)
            undo.callback(self._inspector.stop)
            self._sending = self._make_pool()
            self._assessing = self._make_assessing()
            self._tasks = self._make_tasks(clock)
            self._http = HttpServer(
                host=settings.http_address.host, port=settings.http_address.port, tls=tls
            )
            undo.callback(self._http.stop, 0)
            self._bind(blobs, tls, shares_port)
            undo.callback(self._api.stop, 0)
            #: Set on the very first start only. The last thing that may fail: nobody would ever see
            #: the token that a start made which then came to nothing.
            self.admin_token = bootstrap_admin(self._database, clock)
            undo.pop_all()

    def _bind(self, blobs: BlobStore, tls: TlsFiles | None, shares_port: bool) -> None:
        """Listen on both addresses; each side tells clients where the other one is."""
        settings, services = self.settings, self.services
        scheme = "https" if tls else "http"
        http_address = config.Address(host=settings.http_address.host, port=self._http.port)
        self.http_url = settings.http_url or f"{scheme}://{http_address}"
        info = server_info(
            settings, self._database, services.active.recent(), http_url=self.http_url
        )
        self._api = build_api(services, info, settings.grpc_address, tls=tls, shared=shares_port)
        grpc_address = config.Address(host=settings.grpc_address.host, port=self._api.port)
        self.grpc_target = settings.grpc_target or str(grpc_address)
        self.grpc_port = self._api.port
        self._app = build_app(
            info=dataclasses.replace(info, grpc_target=self.grpc_target),
            uploads=services.uploads,
            downloads=services.downloads,
            database=self._database,
            blobs=blobs,
            accel_prefix=settings.accel_prefix,
        )

    @property
    def lock_file(self) -> int | None:
        """What further processes need to write as well; see SqlDatabase."""
        return self._database.lock_file

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
        self._inspector.stop()
        # What hangs for longer is cut off; its lease ends, and it is sent again.
        self._sending.wait(GRACE_S)
        self.services.authenticator.flush_last_uses()
        self.services.downloads.flush()
        self._database.close()
        os.close(self.board.file)

    def wake_vetting(self) -> None:
        self._tasks[0].wake()

    def wake_assessing(self) -> None:
        self._tasks[2].wake()

    def _make_vetting(self, clock: Clock) -> tuple[WorkerInspector, VettingService]:
        """For this process alone: others of this server ask it for attention."""
        settings, database = self.settings, self._database

        def on_inspected(digest: str) -> None:
            vetting.inspected(digest)
            self.wake_vetting()

        inspections = InspectionService(database=database, clock=clock, on_inspected=on_inspected)
        if settings.bare_vetting:
            logger.warning(
                "HALLMARK_BARE_VETTING is on: files are looked at even where the jail cannot be "
                "closed. See what is missing: hallmark vet jail-check"
            )
        inspector = WorkerInspector(handover_of(settings, self.tools), self.tools, inspections)
        vetting = VettingService(
            database=database,
            clock=clock,
            vetter=StoredVetter(database=database, inspector=inspector),
            policies=self.services.active,
            facts=self.services.facts,
            on_passed=self.services.assessments.passed,
        )
        return inspector, vetting

    def _make_pool(self) -> Pool[Claim]:
        queue = self.services.webhook_queue
        return Pool(
            "webhook delivery",
            size=SENT_AT_ONCE,
            take=queue.claim,
            do=queue.deliver,
            on_free=lambda: self._tasks[1].wake(),
        )

    def _make_assessing(self) -> Pool[Assessment]:
        queue = self.services.assessments
        return Pool(
            "readiness",
            # One at a time: a model may take as much memory as it has bytes, and more.
            size=1,
            take=queue.claim,
            do=queue.assess,
            on_free=self.wake_assessing,
        )

    def _make_tasks(self, clock: Clock) -> tuple[PeriodicTask, ...]:
        services = self.services

        def vet() -> bool:
            return self._vetting.run_pending(VETTED_AT_ONCE) == VETTED_AT_ONCE

        copies = CheckpointFolder(self.settings.audit_export_dir)
        every_us = self.settings.audit_checkpoint_minutes * 60_000_000

        def checkpoint() -> None:
            if every_us:
                services.audit.make_if_due(every_us)

        return (
            PeriodicTask("vetting", vet, every_s=SWEEP_EVERY_S),
            PeriodicTask(
                "webhooks",
                services.webhook_queue.queue_new,
                self._sending.fill,
                every_s=WEBHOOKS_EVERY_S,
            ),
            PeriodicTask(
                "readiness",
                services.assessments.sweep,
                self._assessing.fill,
                every_s=ASSESSING_EVERY_S,
            ),
            PeriodicTask(
                "sweep",
                services.releases.release_due,
                services.releases.quarantine_due,
                services.promotions.expire_overdue,
                services.policies.expire_overdue,
                services.reminders.remind,
                services.waivers.expire_overdue,
                services.acceptances.expire_overdue,
                services.reviews.tell_overdue,
                services.uploads.expire_overdue,
                services.authenticator.flush_last_uses,
                services.downloads.flush,
                every_s=SWEEP_EVERY_S,
            ),
            PeriodicTask(
                "forget",
                partial(forget_old, self._database, clock),
                services.workloads.forget_ended,
                services.webhook_queue.purge,
                every_s=FORGET_EVERY_S,
            ),
            PeriodicTask(
                "checkpoint",
                checkpoint,
                partial(copies.keep, services.audit.since),
                every_s=CHECKPOINT_LOOK_EVERY_S,
            ),
            PeriodicTask(
                "directory",
                services.throttle.purge,
                services.accounts.refresh_all,
                every_s=REFRESH_EVERY_S,
            ),
        )
