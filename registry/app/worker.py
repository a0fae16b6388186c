"""A further process of a server, which answers gRPC; `workers.py` starts it and tells why."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence

from registry import config, cores
from registry.app.api import build_api, server_info
from registry.app.files import audit_keys, ticket_key, tls_files, webhook_sender
from registry.app.people import people_of
from registry.app.process import (
    GRACE_S,
    SWEEP_EVERY_S,
    fill_standard_streams,
    set_up_logging,
    signals,
)
from registry.app.readiness import assessor_of
from registry.app.services import build_services, limits_of
from registry.app.workers import MESSAGE_BYTES_MAX, READY, VET, Handover
from registry.app.workloads import workload_verifier
from registry.blobs.local import LocalBlobStore
from registry.board import Board
from registry.clock import SystemClock
from registry.config import Address, Settings
from registry.db.engine import join_database
from registry.errors import HallmarkError
from registry.jobs.periodic import PeriodicTask
from registry.policies.jail import JailedPolicyReader

logger = logging.getLogger("registry.app.worker")

_FILES_MAX = 2


class Worker:
    """Raises StartError and the like from the constructor."""

    def __init__(
        self,
        settings: Settings,
        handover: Handover,
        files: Sequence[int],
        link: socket.socket,
    ) -> None:
        """`files`: of the board and, if there is one, of the database's lock."""
        cores.settle_on(handover.core)
        clock = SystemClock()
        self._link = link
        self._board = Board(file=files[0], place=handover.place)
        self._database = join_database(
            settings.database_url,
            clock=clock,
            board=self._board,
            lock_file=files[1] if len(files) > 1 else None,
        )
        blobs = LocalBlobStore(settings.blob_dir)
        self._services = services = build_services(
            database=self._database,
            blobs=blobs,
            clock=clock,
            audit_keys=audit_keys(settings.audit_key_file),
            reader=JailedPolicyReader(),
            ticket_key=ticket_key(settings.ticket_key_file),
            changes=self._board.callers,
            on_quarantined=self._ask_for_vetting,
            limits=limits_of(settings),
            verifier=workload_verifier(settings, clock),
            workload_ttl_us=settings.workload_token_minutes * 60_000_000,
            sender=webhook_sender(settings),
            people=people_of(settings, clock=clock),
            assessor=assessor_of(settings, blobs),
        )
        self._api = build_api(
            services,
            server_info(
                settings, self._database, services.active.recent(), http_url=handover.http_url
            ),
            Address(host=settings.grpc_address.host, port=handover.grpc_port),
            tls=tls_files(settings),
            shared=True,
            first=False,
        )
        self._flushing = PeriodicTask(
            "flush",
            services.authenticator.flush_last_uses,
            services.downloads.flush,
            every_s=SWEEP_EVERY_S,
        )

    def start(self) -> None:
        self._api.start()
        self._flushing.start()

    def stop(self) -> None:
        """End what is in progress within the grace, then close; returns when all is closed."""
        self._api.stop(GRACE_S)
        self._flushing.stop()
        self._services.authenticator.flush_last_uses()
        self._services.downloads.flush()
        self._database.close()

    def _ask_for_vetting(self) -> None:
        if self._board.ask():
            # Where nobody hears it, this process ends too.
            with contextlib.suppress(OSError):
                self._link.send(VET)


def main() -> int:
    """Serve until told to stop; the exit code. Ends at once where the first process has ended."""
    fill_standard_streams()
    link = socket.socket(fileno=int(sys.argv[1]))
    stop_asked = signals(signal.SIGINT, signal.SIGTERM)
    try:
        settings = config.load(os.environ)
        set_up_logging(settings.log_level)
        message, files, _, _ = socket.recv_fds(link, MESSAGE_BYTES_MAX, _FILES_MAX)
        if not message:
            # The first process could not start, and has said why.
            return 0
        worker = Worker(settings, Handover(**json.loads(message)), files, link)
    except (HallmarkError, OSError) as error:
        logger.error("this worker cannot start: %s", error)
        return 4
    worker.start()
    # As in `serve`.
    gc.collect()
    gc.freeze()
    # Where nobody hears it, this process is to end as well.
    with contextlib.suppress(OSError):
        link.send(READY)
    ready, _, _ = select.select([link.fileno(), stop_asked], [], [])
    if link.fileno() in ready and _is_cut(link):
        # What is in progress is cut off here too, as it was there.
        os._exit(1)
    worker.stop()
    return 0


def _is_cut(link: socket.socket) -> bool:
    """Whether the first process is gone."""
    try:
        return not link.recv(MESSAGE_BYTES_MAX)
    except ConnectionResetError:
        # It was killed before it had read all that was said to it.
        return True


if __name__ == "__main__":
    sys.exit(main())
