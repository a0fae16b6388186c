"""Stages: how one moves, how it is rolled back, and what was in it when."""

from __future__ import annotations

from collections.abc import Sequence

from registry.domain.access import Action, Caller
from registry.domain.models import Model
from registry.domain.pages import Cursor, Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.promotions import Promotion, StagePeriod
from registry.domain.reviews import ReviewState
from registry.domain.stages import before, last_of
from registry.domain.times import show_time
from registry.domain.versions import Verdict, Version, VersionState
from registry.errors import (
    AlreadyInStageError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    NothingBeforeError,
    TargetMovedError,
)
from registry.names import ModelName, StageName, VersionName
from registry.names.rules import NUMBER_MAX
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy
from registry.services.fields import check_text
from registry.services.lookups import event, model_of, version_of
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

NOTE_LENGTH_MAX = 2000
#: As `expected_current`: the stage must be empty; no condition.
NOTHING = -1
ANYTHING = 0

#: A rollback looks at so many periods at once.
_HISTORY_PAGE = 1000
#: What a rollback that emptied a stage is remembered by, before the key of the period it ended.
_EMPTIED = "emptied "


def check_stage_of(policy: Policy, stage: str) -> str:
    """The stage, if the policy has it as an exclusive one."""
    if stage not in policy.exclusive_stages:
        raise InvalidFieldError(
            field="stage",
            found=show(stage) if stage else "nothing",
            expected=f"one of {', '.join(policy.exclusive_stages)}",
            fix="Name one of these stages.",
        )
    return stage


def check_expected(expected_current: int) -> int:
    """The number of a version, 0 for no condition, or -1 for an empty stage."""
    if not NOTHING <= expected_current <= NUMBER_MAX:
        raise InvalidFieldError(
            field="expected_current",
            found=str(expected_current),
            expected="a version's number, 0 for no condition, or -1 for an empty stage",
            fix="Give the number of the version that you compared with.",
        )
    return expected_current


def require_held(
    model: ModelName, stage: str, current: StagePeriod | None, expected_current: int
) -> None:
    """Raise TargetMovedError unless the stage holds what is expected."""
    held = current.version_number if current else NOTHING
    if expected_current not in (ANYTHING, held):
        raise TargetMovedError(
            name=str(StageName(model=model, stage=stage)),
            found=_spoken(held),
            expected=_spoken(expected_current),
        )


def already_there(version: Version, current: StagePeriod) -> AlreadyInStageError:
    return AlreadyInStageError(
        version=version.name,
        stage=current.stage,
        since=show_time(current.start_time_us),
    )


def enter(
    tx: Transaction, caller: Caller, model: Model, promotion: Promotion, *, now_us: int
) -> None:
    """Put a promotion's version into its stage. Model, version and promotion are locked."""
    current = tx.stages.current(promotion.model, promotion.stage)
    previous = current.version_number if current else None
    tx.stages.move(
        model.key,
        StagePeriod(
            key=0,
            model=promotion.model,
            version_key=promotion.version_key,
            version_number=promotion.version_number,
            digest=promotion.digest,
            stage=promotion.stage,
            start_time_us=now_us,
            end_time_us=None,
            promotion=promotion.number,
            mover=caller.id,
            note=promotion.note,
            rollback=False,
            previous_number=previous,
        ),
    )
    detail: dict[str, object] = {
        "from": previous,
        "to": promotion.version_number,
        "promotion": promotion.number,
        "digest": promotion.digest,
    }
    stage = StageName(model=ModelName(path=promotion.model), stage=promotion.stage)
    tx.events.append(event(caller, "stage.move", str(stage), promotion.namespace, detail))


class StageService:
    def __init__(self, *, database: Database, clock: Clock, policy: Policy) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    def rollback(
        self,
        caller: Caller,
        model: ModelName,
        *,
        stage: str,
        version: VersionName | None,
        to_empty: bool,
        expected_current: int,
        note: str,
        validate_only: bool,
        request_id: str,
    ) -> StagePeriod:
        """Point a stage to what was there before, to a version that was ever there, or empty it.

        The period that this begins; one without a version for a stage that is left empty.
        """
        caller.require(
            Action.STAGE_ROLLBACK, model.namespace, f"{model}/stages/{stage}", stage=stage
        )
        name = StageName(model=model, stage=check_stage_of(self._policy, stage))
        check_expected(expected_current)
        check_text("note", note, NOTE_LENGTH_MAX)
        _check_target(model, version, to_empty=to_empty)
        content = content_of(str(name), version, to_empty, expected_current, note)

        def planned(tx: Transaction, now: int, *, lock: bool) -> tuple[Model, StagePeriod]:
            stored = model_of(tx, model, lock=lock)
            history = _whole_history(tx, name)
            current = history[0] if history and history[0].end_time_us is None else None
            require_held(model, stage, current, expected_current)
            if to_empty:
                if current is None:
                    raise _nothing_before(name, "nothing", "an empty stage already")
                target = None
            else:
                target = _target(tx, name, history, version, lock=lock)
            return stored, _next(name, target, current, caller, note, now)

        if validate_only:
            now = self._clock.now_us()
            return self._database.snapshot(lambda tx: planned(tx, now, lock=False)[1])

        def fn(tx: Transaction) -> StagePeriod:
            now = self._clock.now_us()

            def create() -> tuple[str, StagePeriod]:
                stored, period = planned(tx, now, lock=True)
                return _carry_out(tx, caller, stored, name, period)

            return once(
                tx,
                caller,
                "RollbackStage",
                request_id,
                content,
                now_us=now,
                create=create,
                reload=lambda result: _as_done(tx, caller, name, note, result),
            )

        return self._database.write(fn, namespace=model.namespace)

    def history(
        self,
        caller: Caller,
        model: ModelName,
        *,
        stage: str,
        at_time_us: int | None,
        page: PageRequest,
    ) -> Page[StagePeriod]:
        """Newest first; with a time only the period that holds it."""
        caller.require(Action.VERSION_READ, model.namespace, str(model))
        check_stage_of(self._policy, stage)
        of = fingerprint("stage history", model.path, stage, at_time_us)
        after = decode_token(page.token, of, int)
        limit = page.limit()

        def fn(tx: Transaction) -> Page[StagePeriod]:
            if at_time_us is None:
                found = tx.stages.history(model.path, stage, after, limit + 1)
            else:
                period = tx.stages.at(model.path, stage, at_time_us)
                found = [period] if period else []
            if not found:
                model_of(tx, model)
            return page_of(found, limit, lambda period: (period.key,), of)

        return self._database.snapshot(fn)


def _check_target(model: ModelName, version: VersionName | None, *, to_empty: bool) -> None:
    if version is None:
        return
    if to_empty:
        raise InvalidFieldError(
            field="to_empty",
            found=f"true, and version {version}",
            expected="one of the two",
            fix="Leave one of them out.",
        )
    if version.model != model:
        raise InvalidFieldError(
            field="version",
            found=str(version),
            expected=f"a version of {model}",
            fix="A stage holds versions of its own model only.",
        )


def _whole_history(tx: Transaction, name: StageName) -> Sequence[StagePeriod]:
    """Newest first. What counts as before depends on all of it."""
    periods: list[StagePeriod] = []
    after: Cursor | None = None
    while True:
        page = tx.stages.history(name.model.path, name.stage, after, _HISTORY_PAGE)
        periods.extend(page)
        if len(page) < _HISTORY_PAGE:
            return periods
        after = (page[-1].key,)


def _target(
    tx: Transaction,
    name: StageName,
    history: Sequence[StagePeriod],
    wanted: VersionName | None,
    *,
    lock: bool,
) -> StagePeriod:
    """The period whose version is to come back; it is RELEASED."""
    period = before(history) if wanted is None else last_of(history, wanted.number)
    if period is None and wanted is None:
        raise _nothing_before(name, "what was there before", "nothing that came before")
    if period is None:
        raise _nothing_before(name, str(wanted), "that it was never there")
    target = VersionName(model=name.model, number=period.version_number)
    version = version_of(tx, target, lock=lock)
    if history[0].end_time_us is None and history[0].version_key == version.key:
        raise already_there(version, history[0])
    if version.state is not VersionState.RELEASED:
        raise InvalidStateError(
            name=version.name,
            action=f"come back to {name.stage}",
            found=version.state.value.upper(),
            allowed=VersionState.RELEASED.value.upper(),
            fix="Name another version that was there: hallmark history "
            f"{name.model.path} {name.stage}",
        )
    vetting = version.vetting
    if vetting is not None and vetting.verdict is not Verdict.PASS:
        # In its period of grace: it runs on where it runs, and comes into no stage.
        raise InvalidStateError(
            name=version.name,
            action=f"come back to {name.stage}",
            found=f"RELEASED, and vetting says {vetting.verdict.value}",
            allowed="RELEASED with pass",
            fix="Name another version that was there: hallmark history "
            f"{name.model.path} {name.stage}",
        )
    _require_not_rejected(tx, name, period)
    return period


def _require_not_rejected(tx: Transaction, name: StageName, period: StagePeriod) -> None:
    """A rollback asks for no new decision, since there was one; a broken glass whose review was
    rejected is none."""
    review = None if period.promotion is None else tx.reviews.of_promotion(period.promotion)
    if review is not None and review.state is ReviewState.REJECTED:
        raise InvalidStateError(
            name=period.version,
            action=f"come back to {name.stage} by a rollback",
            found=f"REJECTED in {review.name}, after it was moved past the decisions asked for",
            allowed="decided on",
            fix=f"Ask for it: hallmark promote {period.model}@{period.version_number} {name.stage}",
        )


def _next(
    name: StageName,
    target: StagePeriod | None,
    current: StagePeriod | None,
    caller: Caller,
    note: str,
    now_us: int,
) -> StagePeriod:
    return StagePeriod(
        key=0,
        model=name.model.path,
        version_key=target.version_key if target else 0,
        version_number=target.version_number if target else 0,
        digest=target.digest if target else "",
        stage=name.stage,
        start_time_us=now_us,
        end_time_us=None,
        promotion=target.promotion if target else None,
        mover=caller.id,
        note=note,
        rollback=True,
        previous_number=current.version_number if current else None,
    )


def _carry_out(
    tx: Transaction, caller: Caller, model: Model, name: StageName, period: StagePeriod
) -> tuple[str, StagePeriod]:
    """Move or empty the stage. What the request is remembered by, and the period."""
    detail: dict[str, object] = {
        "from": period.previous_number,
        "to": period.version_number or None,
        "promotion": period.promotion,
        "note": period.note,
    }
    tx.events.append(event(caller, "stage.rollback", str(name), model.namespace, detail))
    if period.version_number:
        moved = tx.stages.move(model.key, period)
        return str(moved.key), moved
    ended = tx.stages.clear(model.key, name.stage, period.start_time_us)
    if ended is None:
        raise _nothing_before(name, "nothing", "an empty stage already")
    return f"{_EMPTIED}{ended.key}", _after(ended, caller, period.note)


def _after(ended: StagePeriod, caller: Caller, note: str) -> StagePeriod:
    """The emptiness that began when a period was ended by a rollback."""
    return StagePeriod(
        key=0,
        model=ended.model,
        version_key=0,
        version_number=0,
        digest="",
        stage=ended.stage,
        start_time_us=ended.end_time_us or 0,
        end_time_us=None,
        promotion=None,
        mover=caller.id,
        note=note,
        rollback=True,
        previous_number=ended.version_number,
    )


def _as_done(
    tx: Transaction, caller: Caller, name: StageName, note: str, result: str
) -> StagePeriod:
    """What an earlier rollback did; its note is the repeat's, since equal ids have equal notes."""
    key = int(result.removeprefix(_EMPTIED))
    found = tx.stages.history(name.model.path, name.stage, (key + 1,), 1)
    if not found or found[0].key != key:
        raise NotFoundError(
            kind="period",
            name=f"{key} of {name}",
            fix="Its model was deleted since and made anew.",
        )
    return _after(found[0], caller, note) if result.startswith(_EMPTIED) else found[0]


def _nothing_before(name: StageName, wanted: str, found: str) -> NothingBeforeError:
    return NothingBeforeError(
        stage=str(name), wanted=wanted, found=found, model=name.model.path, name=name.stage
    )


def _spoken(number: int) -> str:
    return "nothing" if number == NOTHING else f"version {number}"
