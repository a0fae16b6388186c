"""The server's side of inspecting files: a process apart, started when there is something to do.

That process (`inspection_worker.py`) keeps its work in tables of its own, hence what it began goes
on whatever is killed. It has no access to the registry's tables: over one socket it is told of
manifests that lack results, over another it asks for files to look at and hands over what it found.
It ends by itself when there is nothing to do, and when its server does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from registry.app.inspection_words import lot_as_json, result_from_json
from registry.config import Settings
from registry.errors import HallmarkError
from registry.services.inspections import InspectionService
from registry.vetting.tools import Tools

logger = logging.getLogger(__name__)

#: One that ended badly is replaced after a while, which doubles as long as none gets ready.
RESTART_AFTER_S = 1.0
RESTART_AFTER_S_MAX = 5.0
#: So long a digest of the tools is taken for what it is: ClamAV may get new signatures.
DIGEST_S = 10.0
_STOP_S = 5.0
_WORKER = (sys.executable, "-P", "-m", "registry.app.inspection_worker")
WORK_FILE = "vetting-work.db"


@dataclass(frozen=True, kw_only=True)
class Handover:
    """What the process is told at its start."""

    #: SQLAlchemy URL of the database that has the tables of its work.
    work_url: str
    #: This server's name among those that share them: its own, and the same after a restart.
    executor: str
    blob_dir: str
    log_level: str
    yara_rules: Mapping[str, str]
    clamav_socket: str
    #: Look at files also where this machine cannot close the jail.
    bare: bool


class WorkerInspector:
    """Implements `registry/ports/vetting.py`. May be used by many threads."""

    def __init__(self, handover: Handover, tools: Tools, service: InspectionService) -> None:
        self._handover = handover
        self._tools = tools
        self._service = service
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._nudges: socket.socket | None = None
        self._not_before_s = 0.0
        self._restart_after_s = RESTART_AFTER_S
        self._stopped = False
        self._digest = ("", 0.0)

    @property
    def rules_digest(self) -> str:
        digest, until_s = self._digest
        if time.monotonic() >= until_s:
            digest = self._tools.digest()
            self._digest = (digest, time.monotonic() + DIGEST_S)
        return digest

    def want(self, digests: Collection[str]) -> None:
        line = json.dumps({"want": sorted(digests), "rules_digest": self.rules_digest})
        with self._lock:
            if self._stopped or not self._is_running():
                return
            assert self._nudges is not None
            try:
                self._nudges.sendall(line.encode() + b"\n")
            except OSError as error:
                # It ends just now; whatever is wanted is asked for again.
                logger.debug("the inspecting process does not listen: %s", error)

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        process = self._process
        return None if process is None else process.pid

    def stop(self) -> None:
        """End the process. What it was at goes on at the next start."""
        with self._lock:
            self._stopped = True
            process, nudges = self._process, self._nudges
            if nudges is not None:
                nudges.close()
        if process is not None:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _is_running(self) -> bool:
        """With the lock held: start it, if it is time for that."""
        if self._process is not None:
            return True
        if time.monotonic() < self._not_before_s:
            return False
        nudges, their_nudges = socket.socketpair()
        asks, their_asks = socket.socketpair()
        with their_nudges, their_asks:
            files = [their_nudges.fileno(), their_asks.fileno()]
            try:
                self._process = subprocess.Popen(
                    # Not where a folder named `registry` may lie that is not ours.
                    [*_WORKER, *map(str, files)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=files,
                    start_new_session=True,
                )
            except OSError as error:
                logger.error("no process can be started that looks at files: %s", error.strerror)
                self._put_off()
                return False
        self._nudges = nudges
        nudges.sendall(json.dumps(asdict(self._handover)).encode() + b"\n")
        threading.Thread(
            target=self._serve, args=(self._process, asks), name="inspections", daemon=True
        ).start()
        return True

    def _put_off(self) -> None:
        self._not_before_s = time.monotonic() + self._restart_after_s
        self._restart_after_s = min(2 * self._restart_after_s, RESTART_AFTER_S_MAX)

    def _serve(self, process: subprocess.Popen[bytes], asks: socket.socket) -> None:
        """Answer what it asks until it ends."""
        # Where it ends in the middle of a question, nobody hears the answer.
        with suppress(OSError), asks, asks.makefile("rb") as lines:
            for line in lines:
                asks.sendall(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
        code = process.wait()
        with self._lock:
            self._process = None
            if self._nudges is not None:
                self._nudges.close()
            if code:
                self._put_off()
        if code and not self._stopped:
            logger.error("the process that looks at files ended with code %d", code)

    def _answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._do(asked)
        except HallmarkError as error:
            return {"error": str(error)}

    def _do(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        digest, rules = asked["digest"], asked["rules_digest"]
        match asked["op"]:
            case "begin":
                return {"lot": lot_as_json(self._service.begin(digest, rules))}
            case "next":
                # It works, so whatever ended one before it is over.
                self._restart_after_s = RESTART_AFTER_S
                return {"lot": lot_as_json(self._service.next_lot(digest, rules))}
            case "keep":
                self._service.keep(digest, asked["path"], result_from_json(asked["result"]))
            case "alive":
                self._service.alive(digest, rules, asked["path"])
            case "hinder":
                self._service.hinder(digest, rules, asked["problem"])
            case "is_stale":
                return {"is_stale": self._service.is_stale(digest, rules)}
        return {}


def handover_of(settings: Settings, tools: Tools) -> Handover:
    """The tables of the work lie beside the registry's own: in its PostgreSQL database, or in a
    SQLite file of their own, which has one writer."""
    is_embedded = settings.database_url.startswith("sqlite")
    home = str(settings.home.resolve())
    return Handover(
        work_url=f"sqlite:///{home}/{WORK_FILE}" if is_embedded else settings.database_url,
        # Two servers on one machine have homes of their own.
        executor=f"{socket.gethostname()}-{hashlib.sha256(home.encode()).hexdigest()[:8]}",
        blob_dir=str(settings.blob_dir),
        log_level=settings.log_level,
        yara_rules=tools.yara_rules,
        clamav_socket=tools.clamav_socket,
        bare=settings.bare_vetting,
    )
