"""The process that looks at files, each in the jail.

    python -P -m registry.app.inspection_worker NUDGES ASKS

Both are sockets of the server that started it; see `inspector.py`. What is to be done, and goes on
after whatever was killed, is in `registry/jobs/durable_vetting.py`. A result is stored by the
server before the next file is looked at, so a kill has one file at most be looked at twice.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from registry.app.inspection_words import lot_from_json, result_as_json
from registry.app.inspector import Handover
from registry.app.process import fill_standard_streams, set_up_logging
from registry.blobs.local import LocalBlobStore
from registry.clock import SystemClock
from registry.domain.inspections import FileResult, Lot
from registry.errors import NotFoundError
from registry.jail.process import Limits, NoJailError
from registry.jobs.durable_vetting import DurableVetting, Executor
from registry.ports.blobs import BlobStore
from registry.vetting.blob_files import open_blob
from registry.vetting.inspecting import result_of, result_of_none
from registry.vetting.judging import inspect_files
from registry.vetting.tools import Tools

logger = logging.getLogger("registry.app.inspection_worker")

#: It ends when there was nothing to do for so long, and gives its memory back.
IDLE_S = 30.0
ALIVE_EVERY_S = 15.0
LOOK_EVERY_S = 2.0
#: Serving goes before.
NICENESS = 10


class LinkError(Exception):
    """The server could not do what it was asked; it is tried again."""


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


class Looker:
    """Looks at lots of files, and hands over what it found."""

    def __init__(self, link: Link, blobs: BlobStore, limits: Limits, tools: Tools) -> None:
        self._link = link
        self._blobs = blobs
        self._limits = limits
        self._tools = tools
        self._clock = SystemClock()

    def look_at_lot(self, digest: str, rules: str, is_first: bool) -> bool:
        """Whether there may be more. Repeats safely: what has a result is in no lot."""
        if rules != self._tools.digest():
            # Another release began it, or a scanner has other rules by now: whoever needs results
            # of today asks for them under another id.
            return False
        asked = self._link.ask("begin" if is_first else "next", digest, rules)
        lot = lot_from_json(asked["lot"])
        if lot is None:
            return False
        try:
            self._look(lot, rules)
        except NoJailError as error:
            self._link.ask("hinder", digest, rules, problem=str(error))
            raise
        return True

    def is_stale(self, digest: str, rules: str) -> bool:
        """Whether whoever began with a manifest gives no sign of life."""
        return bool(self._link.ask("is_stale", digest, rules)["is_stale"])

    def _look(self, lot: Lot, rules: str) -> None:
        subjects = dict(lot.files)
        there = []
        for path, subject in lot.files:
            if self._blobs.stat(subject.sha256) is None:
                now_us = self._clock.now_us()
                self._keep(lot, path, result_of_none(subject, rules=rules, now_us=now_us))
            else:
                there.append(path)

        def open_file(path: str) -> int:
            try:
                return open_blob(self._blobs, subjects[path].sha256)
            except NotFoundError as error:
                raise OSError(0, "it is gone from the store") from error

        looks = inspect_files(lot.sizes, open_file, self._limits, self._tools, paths=there)
        with closing(looks):
            for path in there:
                with self._signs_of_life(lot.digest, rules, path):
                    judged = next(looks)
                now_us = self._clock.now_us()
                result = result_of(lot, subjects[path], judged, rules=rules, now_us=now_us)
                self._keep(lot, path, result)

    def _keep(self, lot: Lot, path: str, result: FileResult) -> None:
        value = result_as_json(result)
        self._link.ask("keep", lot.digest, result.rules_digest, path=path, result=value)

    @contextmanager
    def _signs_of_life(self, digest: str, rules: str, path: str) -> Iterator[None]:
        """Say now and then that somebody is at it: a large file takes minutes."""
        done = threading.Event()

        def tell() -> None:
            while not done.wait(ALIVE_EVERY_S):
                self._link.ask("alive", digest, rules, path=path)

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def main(arguments: list[str]) -> int:
    fill_standard_streams()
    nudges = socket.socket(fileno=int(arguments[0]))
    lines = nudges.makefile("rb")
    handover = Handover(**json.loads(lines.readline()))
    set_up_logging(handover.log_level)
    os.nice(NICENESS)
    # The work's own database file is nobody else's to read.
    os.umask(0o077)
    looker = Looker(
        Link(socket.socket(fileno=int(arguments[1]))),
        LocalBlobStore(Path(handover.blob_dir)),
        Limits(bare=handover.bare),
        Tools(yara_rules=handover.yara_rules, clamav_socket=handover.clamav_socket),
    )
    work = DurableVetting(
        Executor(url=handover.work_url, name=handover.executor),
        look_at_lot=looker.look_at_lot,
        is_stale=looker.is_stale,
    )
    heard = threading.Event()

    def hear() -> None:
        for line in lines:
            wanted = json.loads(line)
            heard.set()
            work.want(wanted["want"], wanted["rules_digest"])
            heard.set()
        # The server has ended, or wants us to.
        os._exit(0)

    threading.Thread(target=hear, name="nudges", daemon=True).start()
    try:
        _watch(work, heard)
    except Exception:
        logger.exception("work cannot be looked at; it is begun anew")
        # Threads of the work would keep the process alive.
        os._exit(1)
    os._exit(0)


def _watch(work: DurableVetting, heard: threading.Event) -> None:
    """Return when there was nothing to do for a while."""
    idle_since_s = time.monotonic()
    while time.monotonic() - idle_since_s < IDLE_S:
        time.sleep(LOOK_EVERY_S)
        if work.is_stuck():
            logger.error("work is stuck, as after a full disk; it is begun anew")
            os._exit(1)
        if heard.is_set() or not work.is_idle():
            heard.clear()
            idle_since_s = time.monotonic()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
