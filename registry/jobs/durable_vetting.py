"""The queue of inspections, as durable work: what was begun goes on whatever is killed.

Work is a DBOS workflow a manifest, in a queue that servers on one PostgreSQL share, under an id
that follows from what is to be known: asking for it twice is harmless. A workflow takes lot after
lot until every file has a result.

What trials of DBOS showed, and what stands here because of it: its admin server stays off; the
executor's id is unique and stays; the application's version is pinned, since by default it is a
hash of the source, and a new release would strand what is in progress; what belongs to a server
that is gone is handed over by whoever is asked for it and finds no sign of life; where its tables
could not be written (a full disk), rows stay that nobody works on, in the places of others, so who
finds that (`is_stuck`) has to begin anew. Whatever is not in
its tables (a kill before anything was put there) is asked for again by the registry's sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from dbos import DBOS, DBOSConfig, SetWorkflowID

logger = logging.getLogger(__name__)

QUEUE = "vetting"
#: Never changed while workflows keep their steps: those in progress are found by it.
APPLICATION_VERSION = "hallmark-vetting-1"
SCHEMA = "hallmark_work"
#: Manifests in progress at once: a large one holds up no small one.
AT_ONCE = 2
_POLL_S = 0.1
_UNDER_WAY = ("ENQUEUED", "PENDING", "DELAYED")
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


@dataclass(frozen=True, kw_only=True)
class Executor:
    #: SQLAlchemy URL of the database that has the tables of the work.
    url: str
    #: This server's name among those that share them: its own, and the same after a restart.
    name: str


class DurableVetting:
    """One in a process, since DBOS is one. What was in progress goes on at once."""

    def __init__(
        self,
        executor: Executor,
        *,
        look_at_lot: Callable[[str, str, bool], bool],
        is_stale: Callable[[str, str], bool],
    ) -> None:
        """`look_at_lot` takes the digest of a manifest, that of the rules and whether it is the
        first; it says whether there may be more, may be repeated, and is tried again where it
        raises. `is_stale` tells whether nobody works on a manifest any more."""
        self._executor = executor.name
        self._is_stale = is_stale
        #: Ids of workflows that a thread of ours is in.
        self._running: set[str] = set()
        self._looked_dead: set[str] = set()
        DBOS(config=_config(executor))

        @DBOS.step(
            name="look_at_lot",
            retries_allowed=True,
            max_attempts=4,
            interval_seconds=0.5,
            backoff_rate=3,
        )
        def step(digest: str, rules: str, is_first: bool) -> bool:
            return look_at_lot(digest, rules, is_first)

        @DBOS.workflow(name="vet")
        def vet(digest: str, rules: str) -> None:
            self._running.add(_id(digest, rules))
            try:
                is_first = True
                while step(digest, rules, is_first):
                    is_first = False
            finally:
                self._running.discard(_id(digest, rules))

        self._vet = vet
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=_POLL_S)

    def want(self, digests: Collection[str], rules: str) -> None:
        """Have these manifests looked at, unless that is under way."""
        ids = {_id(digest, rules): digest for digest in digests}
        known = {each.workflow_id: each for each in DBOS.list_workflows(workflow_ids=list(ids))}
        for id, digest in ids.items():
            found = known.get(id)
            if found is not None and found.status in _UNDER_WAY:
                self._take_over(id, found.status, found.executor_id, digest, rules)
                continue
            if found is not None:
                # It came to its end, and still not every file has a result.
                DBOS.delete_workflow(id)
            with SetWorkflowID(id):
                DBOS.enqueue_workflow(QUEUE, self._vet, digest, rules)

    def _take_over(
        self, id: str, status: str, executor: str | None, digest: str, rules: str
    ) -> None:
        """Have it begun anew, if it belongs to a server that gives no sign of life."""
        is_ours = executor == self._executor or status != "PENDING"
        if not is_ours and self._is_stale(digest, rules):
            logger.warning("taking over %s from %s, which gives no sign of life", id, executor)
            DBOS.resume_workflow(id)

    def is_stuck(self) -> bool:
        """Whether there is a workflow that counts as ours, in which no thread of ours is, now and
        when this was asked the last time. Then the process has to end: at the next start whatever
        was in progress is begun anew."""
        pending = DBOS.list_workflows(status=["PENDING"], load_input=False)
        ours = {each.workflow_id for each in pending if each.executor_id == self._executor}
        dead = ours - self._running
        was_dead, self._looked_dead = self._looked_dead, dead
        return bool(dead & was_dead)

    def is_idle(self) -> bool:
        """Whether nothing of ours is in progress or waits. Forgets what has come to its end."""
        ended = DBOS.list_workflows(status=list(_ENDED), load_input=False)
        if ended:
            DBOS.delete_workflows([each.workflow_id for each in ended])
        waiting = DBOS.list_workflows(status=list(_UNDER_WAY), load_input=False)
        return not any(
            each.status != "PENDING" or each.executor_id == self._executor for each in waiting
        )


def _id(digest: str, rules: str) -> str:
    return f"vet:{digest}:{rules}"


def _config(executor: Executor) -> DBOSConfig:
    return {
        "name": "hallmark-vetting",
        "system_database_url": executor.url,
        "dbos_system_schema": SCHEMA,
        "executor_id": executor.name,
        "application_version": APPLICATION_VERSION,
        "log_level": "WARNING",
        "console_log_level": "WARNING",
        "use_listen_notify": False,
        "notification_listener_polling_interval_sec": 30.0,
        "scheduler_polling_interval_sec": 3600.0,
        "sys_db_pool_size": 4,
    }
