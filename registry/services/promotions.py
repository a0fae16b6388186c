"""Promotions: ask, decide, withdraw. A stage moves with the decision that satisfies the policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from registry.domain.access import (
    Action,
    Caller,
)
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.models import Model
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.policies import GateAnswer
from registry.domain.promotions import (
    Outcome,
    Promotion,
    PromotionState,
    StagePeriod,
    require_pending,
    with_decision,
)
from registry.domain.versions import Version, VersionState
from registry.errors import (
    AlreadyExistsError,
    InvalidFieldError,
    InvalidStateError,
)
from registry.names import ModelName, PromotionName, VersionName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.directory import AsRemembered, FreshGroups
from registry.ports.policy import PolicySets
from registry.services.facts import VersionFacts
from registry.services.fields import check_text
from registry.services.gates import (
    ask_promote,
    before_request,
    keep_record,
    may_enter,
    waiting_for,
)
from registry.services.independence import require_independent
from registry.services.judging import (
    COMMENT_LENGTH_MAX,
    check_approval_end,
    check_conditions,
    check_time,
    reach_of,
    require_person,
    word_of,
)
from registry.services.lookups import event, model_of, version_of
from registry.services.overdue import write_down
from registry.services.promotion_records import (
    existing,
    numbered,
    record,
    shown,
    visible,
    withdraw,
    withdraw_open,
    withdrawable,
)
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once
from registry.services.reviews import open_review, require_clean, require_may_break
from registry.services.stages import (
    NOTE_LENGTH_MAX,
    already_there,
    check_expected,
    check_stage_of,
    enter,
    require_held,
)
from registry.services.standing import approvers, is_repeat, rules_of, with_dead

TTL_US_MAX = 90 * 24 * 3600 * 1_000_000
#: A version in one of these states never enters a stage, whatever the policy.
_WITHDRAWN = (VersionState.YANKED, VersionState.RECALLED)


class PromotionService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        policies: PolicySets,
        facts: VersionFacts,
        fresh_groups: FreshGroups | None = None,
    ) -> None:
        """`fresh_groups` is asked before somebody decides; None where there is no directory."""
        self._database = database
        self._clock = clock
        self._policies = policies
        self._facts = facts
        self._fresh_groups = fresh_groups or AsRemembered()

    def create(
        self,
        caller: Caller,
        name: VersionName,
        *,
        stage: str,
        note: str,
        expected_current: int,
        expire_time_us: int | None,
        validate_only: bool,
        request_id: str,
        break_glass: bool = False,
    ) -> Promotion:
        """Ask for a version to enter a stage; where nothing waits, it enters at once.

        With `break_glass` it enters whatever waits for decisions, and others review that after.
        """
        if break_glass:
            require_may_break(caller, name, stage, note, NOTE_LENGTH_MAX)
            # It is a decision, and one that nobody else has to share.
            caller = self._fresh_groups.refreshed(caller)
            require_may_break(caller, name, stage, note, NOTE_LENGTH_MAX)
        else:
            caller.require(Action.PROMOTION_REQUEST, name.model.namespace, str(name), stage=stage)
        check_stage_of(self._policies.recent(), stage)
        check_text("note", note, NOTE_LENGTH_MAX)
        check_expected(expected_current)

        extra = ("break glass",) if break_glass else ()

        def planned(
            tx: Transaction, now: int, *, lock: bool
        ) -> tuple[Model, Version, Promotion, GateAnswer]:
            policy = self._policies.active(tx)
            model = model_of(tx, name.model, lock=lock)
            version = version_of(tx, name, lock=lock)
            current = tx.stages.current(version.model, stage)
            if break_glass:
                require_clean(tx, caller, version, now)
            _require_promotable(tx, version, stage, current, now_us=now, alone=not break_glass)
            asked = Promotion(
                number=0,
                model_key=model.key,
                version_key=version.key,
                model=version.model,
                namespace=version.namespace,
                version_number=version.number,
                digest=version.digest,
                stage=stage,
                state=PromotionState.PENDING,
                requester=caller.id,
                note=note,
                decisions=(),
                waiting=(),
                previous_number=current.version_number if current else None,
                expected_current=expected_current,
                create_time_us=now,
                expire_time_us=_end(expire_time_us, now, ttl_us=policy.promotion_ttl_us),
                end_time_us=None,
                break_glass=break_glass,
            )
            answer = may_enter(tx, policy, self._facts, caller, asked, version, current, now_us=now)
            asked = dataclasses.replace(asked, waiting=waiting_for(policy, answer, version))
            if answer.waiting and not break_glass:
                return model, version, asked, answer
            require_held(name.model, stage, current, expected_current)
            done = dataclasses.replace(asked, state=PromotionState.COMPLETED, end_time_us=now)
            return model, version, done, answer

        self._facts.look(self._database, name)
        if validate_only:
            now = self._clock.now_us()
            _, version, plan, answer = self._database.snapshot(
                lambda tx: planned(tx, now, lock=False)
            )
            return shown(_only_planned(plan, version, answer), now)

        def fn(tx: Transaction) -> Promotion:
            now = self._clock.now_us()

            def create() -> tuple[str, Promotion]:
                model, version, plan, answer = planned(tx, now, lock=True)
                # What a broken glass passed by is in its review; the promotion waits for nothing.
                promotion = numbered(tx, tx.promotions.insert(shown(plan, now)))
                keep_record(tx, promotion, answer, decider="", now_us=now)
                detail: dict[str, object] = {
                    "version": version.name,
                    "digest": version.digest,
                    "stage": stage,
                    "note": note,
                    "policy_digest": answer.policy_digest,
                }
                tx.events.append(
                    event(caller, "promotion.create", promotion.name, promotion.namespace, detail)
                )
                if break_glass:
                    withdraw_open(tx, caller, version, now_us=now, stage=stage)
                    open_review(tx, caller, promotion, plan.waiting, answer.policy_digest, now)
                if promotion.state is PromotionState.COMPLETED:
                    enter(tx, caller, model, promotion, now_us=now)
                return str(promotion.number), promotion

            return once(
                tx,
                caller,
                "CreatePromotion",
                request_id,
                content_of(str(name), stage, note, expected_current, expire_time_us, *extra),
                now_us=now,
                create=create,
                reload=lambda number: shown(existing(tx, int(number)), now),
            )

        return self._database.write(fn, namespace=name.model.namespace)

    def get(self, caller: Caller, name: PromotionName) -> Promotion:
        now = self._clock.now_us()

        def fn(tx: Transaction) -> Promotion:
            found = shown(visible(tx, caller, Action.PROMOTION_READ, name), now)
            if found.state is not PromotionState.PENDING or not found.decisions:
                return found
            version = tx.versions.by_key(found.version_key)
            return with_dead(found, self._policies.active(tx), version, now)

        return self._database.snapshot(fn)

    def list(
        self,
        caller: Caller,
        *,
        model: ModelName | None,
        namespace: str | None,
        state: PromotionState | None,
        stage: str,
        page: PageRequest,
    ) -> Page[Promotion]:
        """Newest first: of a model, of a namespace, or with neither of all that may be read."""
        reach = reach_of(caller, Action.PROMOTION_READ, model, namespace)
        if stage:
            check_stage_of(self._policies.recent(), stage)
        of = fingerprint("promotions", str(model), namespace, state, stage)
        after = decode_token(page.token, of, int)
        limit = page.limit()
        now = self._clock.now_us()
        found = self._database.snapshot(
            lambda tx: tx.promotions.list(
                patterns=reach,
                model=model.path if model else "",
                state=state,
                stage=stage,
                now_us=now,
                after=after,
                limit=limit + 1,
            )
        )
        page_now = [shown(promotion, now) for promotion in found]
        return page_of(page_now, limit, lambda promotion: (promotion.number,), of)

    def decide(
        self,
        caller: Caller,
        name: PromotionName,
        *,
        outcome: Outcome,
        comment: str,
        digest: str,
        expected_current: int,
        conditions: Collection[str] = (),
        expire_time_us: int | None = None,
    ) -> Promotion:
        """Record the caller's word; with an approval that satisfies the policy the stage moves."""
        require_person(caller, Action.PROMOTION_DECIDE, str(name))
        caller = self._fresh_groups.refreshed(caller)
        asked = self._database.read(lambda tx: visible(tx, caller, Action.PROMOTION_DECIDE, name))
        check_text("comment", comment, COMMENT_LENGTH_MAX)
        check_expected(expected_current)
        _check_digest(asked, digest)
        lines = check_conditions(conditions)
        model_name = ModelName(path=asked.model)

        self._facts.look(self._database, VersionName(model=model_name, number=asked.version_number))

        def fn(tx: Transaction) -> Promotion:
            now = self._clock.now_us()
            policy = self._policies.active(tx)
            model = model_of(tx, model_name, lock=True)
            version = version_of(
                tx, VersionName(model=model_name, number=asked.version_number), lock=True
            )
            promotion = existing(tx, asked.number, lock=True)
            require_independent(
                tx,
                caller,
                promotion.name,
                requester=promotion.requester,
                version=version,
                outcome=outcome,
                beside=approvers(promotion, policy, rules_of(version), now),
            )
            new = word_of(
                caller,
                promotion.namespace,
                outcome,
                digest=digest,
                policy_digest=policy.digest,
                comment=comment,
                now_us=now,
                rules_digest=rules_of(version),
                conditions=lines,
                expire_time_us=expire_time_us,
            )
            if is_repeat(promotion, new, policy, now):
                return shown(promotion, now)
            require_pending(promotion, now, action="be decided on")
            check_approval_end(outcome, expire_time_us, now)
            current = tx.stages.current(promotion.model, promotion.stage)
            for expected in (expected_current, promotion.expected_current):
                require_held(model_name, promotion.stage, current, expected)
            decided = dataclasses.replace(
                promotion, decisions=with_decision(promotion.decisions, new)
            )
            # What a rejection was shown is kept too, whatever the rules say to it.
            ask = may_enter if outcome is Outcome.APPROVE else ask_promote
            answer = ask(tx, policy, self._facts, caller, decided, version, current, now_us=now)
            keep_record(tx, decided, answer, decider=caller.id, now_us=now)
            state = PromotionState.REJECTED
            if outcome is Outcome.APPROVE:
                decided = dataclasses.replace(decided, waiting=waiting_for(policy, answer, version))
                state = PromotionState.PENDING if answer.waiting else PromotionState.COMPLETED
            return record(tx, caller, model, decided, state, now_us=now)

        return self._database.write(fn, namespace=model_name.namespace)

    def withdraw(self, caller: Caller, name: PromotionName) -> Promotion:
        """End an open promotion: its requester may, and who holds promotion.withdraw."""
        asked = self._database.read(lambda tx: withdrawable(tx, caller, name))
        model_name = ModelName(path=asked.model)

        def fn(tx: Transaction) -> Promotion:
            now = self._clock.now_us()
            model_of(tx, model_name, lock=True)
            promotion = existing(tx, asked.number, lock=True)
            if promotion.state is PromotionState.WITHDRAWN:
                return shown(promotion, now)
            require_pending(promotion, now, action="be withdrawn")
            return withdraw(tx, caller, promotion, now_us=now)

        return self._database.write(fn, namespace=model_name.namespace)

    def expire_overdue(self) -> int:
        """Write down which promotions have run out of time; how many."""
        return write_down(
            self._database,
            self._clock,
            find=lambda tx, now, limit: tx.promotions.overdue(now, limit),
            lock=lambda tx, each: tx.promotions.lock(each.number),
            is_open=lambda each: each.state is PromotionState.PENDING,
            end=_expire,
        )


def _expire(tx: Transaction, promotion: Promotion, now_us: int) -> EventDraft:
    tx.promotions.set_state(promotion.number, PromotionState.EXPIRED, promotion.expire_time_us)
    return EventDraft(
        action="promotion.expire",
        resource=promotion.name,
        namespace=promotion.namespace,
        actor=SYSTEM,
    )


def _require_promotable(
    tx: Transaction,
    version: Version,
    stage: str,
    current: StagePeriod | None,
    *,
    now_us: int,
    alone: bool,
) -> None:
    """`alone`: no other request for the same may be open."""
    if version.state in _WITHDRAWN:
        raise InvalidStateError(
            name=version.name,
            action=f"be promoted to {stage}",
            found=version.state.value.upper(),
            allowed=VersionState.RELEASED.value.upper(),
            fix=f"Take another version: hallmark version list {version.model}",
        )
    if current is not None and current.version_key == version.key:
        raise already_there(version, current)
    for promotion in tx.promotions.open_of(version.key, stage, now_us) if alone else ():
        raise AlreadyExistsError(
            kind="request",
            name=f"{version.ref} -> {stage}",
            existing=promotion.name,
            fix=f"Have that one decided on: hallmark decide {promotion.number} --approve",
        )


def _only_planned(plan: Promotion, version: Version, answer: GateAnswer) -> Promotion:
    if not plan.waiting:
        return plan
    waiting = before_request(answer, version, plan.stage).waiting
    return dataclasses.replace(plan, waiting=waiting)


def _end(wanted_us: int | None, now_us: int, *, ttl_us: int) -> int:
    if wanted_us is None:
        return now_us + ttl_us
    return check_time("expire_time", wanted_us, now_us, span_us=TTL_US_MAX)


def _check_digest(promotion: Promotion, digest: str) -> None:
    if digest != promotion.digest:
        raise InvalidFieldError(
            field="digest",
            found=show(digest) if digest else "nothing",
            expected=f"the promotion's digest, {promotion.digest}",
            fix="Look at the version that is asked for, and decide on its digest.",
        )
