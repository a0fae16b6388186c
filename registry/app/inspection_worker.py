"""The process that looks at files: durable work, each file in the jail.

    python -P -m registry.app.inspection_worker NUDGES ASKS

Both are sockets of the server that started it; see `inspector.py`. Work is a DBOS workflow a
manifest, in a queue that servers on one PostgreSQL share, under an id that follows from what is to
be known: asking for it twice is harmless. A workflow takes lot after lot until every file has a
result. A result is stored by the server before the next file is looked at, so what is repeated
after a kill is one file at most.

What trials of DBOS showed, and what stands here because of it: no admin server is started; the
executor's id is unique and stays; the application's version is pinned, since a hash of the source
would strand what is in progress whenever a release is installed; what belongs to a server that is
gone is handed over by whoever finds it without a sign of life.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID

from registry.app.inspection_words import lot_from_json, result_as_json
from registry.app.inspector import Handover
from registry.app.process import fill_standard_streams, set_up_logging
from registry.blobs.local import LocalBlobStore
from registry.clock import SystemClock
from registry.domain.inspections import FileResult, Lot
from registry.errors import NotFoundError
from registry.ports.blobs import BlobStore
from registry.vetting.blob_files import open_blob
from registry.vetting.inspecting import result_of, result_of_none
from registry.vetting.jail import Limits, NoJailError
from registry.vetting.judging import inspect_files
from registry.vetting.tools import Tools

logger = logging.getLogger("registry.app.inspection_worker")

QUEUE = "vetting"
#: Never changed while workflows keep their steps: those in progress are found by it.
APPLICATION_VERSION = "hallmark-vetting-1"
#: Manifests in progress at once: a large one holds up no small one.
AT_ONCE = 2
#: It ends when there was nothing to do for so long, and gives its memory back.
IDLE_S = 30.0
ALIVE_EVERY_S = 15.0
#: Serving goes before.
NICENESS = 10
_POLL_S = 0.1
_UNDER_WAY = ("ENQUEUED", "PENDING", "DELAYED")
_LINK: Link
_BLOBS: BlobStore
_LIMITS: Limits
_TOOLS: Tools


class LinkError(Exception):
    """The server could not do what it was asked; DBOS tries the step again."""


class Link:
    """What is asked of the server. May be used by many threads."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lines = channel.makefile("rb")
        self._lock = threading.Lock()

    def ask(self, op: str, digest: str, rules: str, **more: Any) -> Any:
        asked = {"op": op, "digest": digest, "rules_digest": rules, **more}
        with self._lock:
            try:
                self._channel.sendall(json.dumps(asked).encode() + b"\n")
                line = self._lines.readline()
            except OSError:
                line = b""
        if not line:
            # The server is gone. It, or another one, goes on with what is in progress.
            os._exit(1)
        answer = json.loads(line)
        if "error" in answer:
            raise LinkError(answer["error"])
        return answer


@DBOS.workflow(name="vet")
def vet(digest: str, rules: str) -> None:
    """Look at all files of a manifest that have no result under these rules."""
    is_first = True
    while look_at_lot(digest, rules, is_first):
        is_first = False


@DBOS.step(
    name="look_at_lot", retries_allowed=True, max_attempts=4, interval_seconds=0.5, backoff_rate=3
)
def look_at_lot(digest: str, rules: str, is_first: bool) -> bool:
    """Whether there may be more. Repeats safely: what has a result is in no lot."""
    if rules != _TOOLS.digest():
        # Another release began it, or a scanner has other rules by now: whoever needs results of
        # today asks for them under another id.
        return False
    asked = _LINK.ask("begin" if is_first else "next", digest, rules)
    lot = lot_from_json(asked["lot"])
    if lot is None:
        return False
    try:
        _look(lot, rules)
    except NoJailError as error:
        _LINK.ask("hinder", digest, rules, problem=str(error))
        raise
    return True


def _look(lot: Lot, rules: str) -> None:
    subjects = dict(lot.files)
    clock = SystemClock()
    there = []
    for path, subject in lot.files:
        if _BLOBS.stat(subject.sha256) is None:
            _keep(lot, path, result_of_none(subject, rules=rules, now_us=clock.now_us()))
        else:
            there.append(path)

    def open_file(path: str) -> int:
        try:
            return open_blob(_BLOBS, subjects[path].sha256)
        except NotFoundError as error:
            raise OSError(0, "it is gone from the store") from error

    with closing(inspect_files(lot.sizes, open_file, _LIMITS, _TOOLS, paths=there)) as looks:
        for path in there:
            with _signs_of_life(lot.digest, rules, path):
                judged = next(looks)
            result = result_of(lot, subjects[path], judged, rules=rules, now_us=clock.now_us())
            _keep(lot, path, result)


def _keep(lot: Lot, path: str, result: FileResult) -> None:
    _LINK.ask("keep", lot.digest, result.rules_digest, path=path, result=result_as_json(result))


@contextmanager
def _signs_of_life(digest: str, rules: str, path: str) -> Iterator[None]:
    """Say now and then that somebody is at it: a large file takes minutes."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(ALIVE_EVERY_S):
            _LINK.ask("alive", digest, rules, path=path)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Work:
    """What is in the queue."""

    def __init__(self, handover: Handover) -> None:
        config: DBOSConfig = {
            "name": "hallmark-vetting",
            "system_database_url": handover.work_url,
            "dbos_system_schema": "hallmark_work",
            "executor_id": handover.executor,
            "application_version": APPLICATION_VERSION,
            "log_level": "WARNING",
            "console_log_level": "WARNING",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 30.0,
            "scheduler_polling_interval_sec": 3600.0,
            "sys_db_pool_size": 4,
        }
        self._executor = handover.executor
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=_POLL_S)

    def want(self, digests: Collection[str], rules: str) -> None:
        ids = {f"vet:{digest}:{rules}": digest for digest in digests}
        known = {each.workflow_id: each for each in DBOS.list_workflows(workflow_ids=list(ids))}
        for id, digest in ids.items():
            status = known.get(id)
            if status is not None and status.status in _UNDER_WAY:
                self._take_over(id, status.status, status.executor_id, digest, rules)
                continue
            if status is not None:
                # It came to its end, and still not every file has a result.
                DBOS.delete_workflow(id)
            with SetWorkflowID(id):
                DBOS.enqueue_workflow(QUEUE, vet, digest, rules)

    def _take_over(
        self, id: str, status: str, executor: str | None, digest: str, rules: str
    ) -> None:
        """Have it begun anew, if it belongs to a server that gives no sign of life."""
        is_ours = executor == self._executor or status != "PENDING"
        if not is_ours and _LINK.ask("is_stale", digest, rules)["is_stale"]:
            logger.warning("taking over %s from %s, which gives no sign of life", id, executor)
            DBOS.resume_workflow(id)

    def is_idle(self) -> bool:
        """Whether nothing of ours is in progress or waits. Forgets what has come to its end."""
        ended = DBOS.list_workflows(status=["SUCCESS", "ERROR", "CANCELLED"], load_input=False)
        if ended:
            DBOS.delete_workflows([each.workflow_id for each in ended])
        waiting = DBOS.list_workflows(status=list(_UNDER_WAY), load_input=False)
        return not any(
            each.status != "PENDING" or each.executor_id == self._executor for each in waiting
        )


def main(arguments: list[str]) -> int:
    global _LINK, _BLOBS, _LIMITS, _TOOLS
    fill_standard_streams()
    nudges = socket.socket(fileno=int(arguments[0]))
    lines = nudges.makefile("rb")
    handover = Handover(**json.loads(lines.readline()))
    set_up_logging(handover.log_level)
    os.nice(NICENESS)
    _LINK = Link(socket.socket(fileno=int(arguments[1])))
    _BLOBS = LocalBlobStore(Path(handover.blob_dir))
    _LIMITS = Limits(bare=handover.bare)
    _TOOLS = Tools(yara_rules=handover.yara_rules, clamav_socket=handover.clamav_socket)
    heard = threading.Event()
    work = Work(handover)

    def hear() -> None:
        for line in lines:
            wanted = json.loads(line)
            heard.set()
            work.want(wanted["want"], wanted["rules_digest"])
            heard.set()
        # The server has ended, or wants us to.
        os._exit(0)

    threading.Thread(target=hear, name="nudges", daemon=True).start()
    idle_since_s = time.monotonic()
    while time.monotonic() - idle_since_s < IDLE_S:
        time.sleep(IDLE_S / 10)
        if heard.is_set() or not work.is_idle():
            heard.clear()
            idle_since_s = time.monotonic()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
