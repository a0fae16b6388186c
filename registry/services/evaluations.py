"""Evaluations: measured results of a version, added and never changed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from registry.domain.access import Action, Caller
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.versions import Dataset, Evaluation, Version
from registry.errors import InvalidFieldError, NotFoundError, QuotaError
from registry.names import VersionName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.fields import check_numbers, check_text
from registry.services.lookups import event, version_of
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once
from registry.services.specs import check_dataset

EVALUATIONS_MAX = 1000


class EvaluationService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(
        self,
        caller: Caller,
        name: VersionName,
        *,
        evaluation: str,
        metrics: Iterable[tuple[str, float]],
        dataset: Dataset,
        tool: str,
        request_id: str,
    ) -> Evaluation:
        caller.require(Action.EVALUATION_CREATE, name.model.namespace, str(name))
        check_text("evaluation.evaluation", evaluation, 100, required=True, one_line=True)
        numbers = check_numbers("evaluation.metrics", metrics)
        if not numbers:
            raise InvalidFieldError(
                field="evaluation.metrics",
                found="none",
                expected="at least one",
                fix="Give the values that were measured.",
            )
        check_dataset("evaluation.dataset", dataset, digest_required=True)
        check_text("evaluation.tool", tool, 200, one_line=True)

        def fn(tx: Transaction) -> Evaluation:
            now = self._clock.now_us()

            def create() -> tuple[str, Evaluation]:
                version = version_of(tx, name, lock=True)
                _require_room(tx, version)
                added = tx.versions.add_evaluation(
                    version.key,
                    Evaluation(
                        key=0,
                        uid=str(uuid.uuid4()),
                        version=version.name,
                        digest=version.digest,
                        evaluation=evaluation,
                        metrics=numbers,
                        dataset=dataset,
                        tool=tool,
                        reporter=caller.id,
                        create_time_us=now,
                    ),
                )
                detail: dict[str, object] = {
                    "uid": added.uid,
                    "evaluation": evaluation,
                    "digest": version.digest,
                    "dataset": dataset.digest,
                }
                tx.events.append(
                    event(caller, "evaluation.create", version.name, version.namespace, detail)
                )
                return added.uid, added

            return once(
                tx,
                caller,
                "AddEvaluation",
                request_id,
                content_of(str(name), evaluation, numbers, dataset, tool),
                now_us=now,
                create=create,
                reload=lambda uid: _by_uid(tx, name, uid),
            )

        return self._database.write(fn, namespace=name.model.namespace)

    def list(self, caller: Caller, name: VersionName, page: PageRequest) -> Page[Evaluation]:
        """Newest first."""
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))
        of = fingerprint("evaluations", str(name))
        after = decode_token(page.token, of, int)
        limit = page.limit()

        def fn(tx: Transaction) -> Page[Evaluation]:
            version = version_of(tx, name)
            found = tx.versions.evaluations(version.key, after, limit + 1)
            return page_of(found, limit, lambda evaluation: (evaluation.key,), of)

        return self._database.snapshot(fn)


def _require_room(tx: Transaction, version: Version) -> None:
    count = tx.versions.evaluation_count(version.key)
    if count >= EVALUATIONS_MAX:
        raise QuotaError(
            what=f"Evaluations of {version.name}",
            found=count,
            limit=EVALUATIONS_MAX,
            fix="They are never removed: add to a newer version, or report several metrics in one.",
        )


def _by_uid(tx: Transaction, name: VersionName, uid: str) -> Evaluation:
    version = version_of(tx, name)
    for evaluation in tx.versions.evaluations(version.key, None, EVALUATIONS_MAX):
        if evaluation.uid == uid:
            return evaluation
    raise NotFoundError(
        kind="evaluation",
        name=f"{uid} of {name}",
        fix="Its version was deleted since; add it again with another request_id.",
    )
