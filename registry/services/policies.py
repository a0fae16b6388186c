"""Policies: read sets, change by two people which is active, and explain past decisions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.access import REGISTRY_WIDE, Action, Caller, PrincipalKind
from registry.domain.canonical import canonical_json, load_canonical
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.gate_documents import shown_where
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.policies import Gate, RuleResult, results_value
from registry.domain.policy_sets import ChangeState, GateRecord, PolicyChange
from registry.domain.promotions import Outcome, Promotion
from registry.domain.scopes import covered
from registry.errors import (
    AlreadyExistsError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    TargetMovedError,
)
from registry.names import PolicyChangeName, PromotionName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.directory import AsRemembered, FreshGroups
from registry.ports.policy import Policy, PolicyReader, PolicySets
from registry.services.fields import check_text
from registry.services.independence import is_second
from registry.services.judging import require_numbered
from registry.services.lookups import event
from registry.services.overdue import write_down
from registry.services.promotion_records import numbered_results
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once
from registry.services.telling import shown_to, told_results

NOTE_LENGTH_MAX = 2000
ALL_CHANGES = "policyChanges"


@dataclass(frozen=True, kw_only=True)
class StoredSet:
    digest: str
    #: Canonical JSON.
    content: bytes
    active: bool


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a gate was shown and said then, and what the same set says to it now."""

    promotion: Promotion
    record: GateRecord
    #: What was decided; None for the request itself.
    outcome: Outcome | None
    #: Without what the caller may not read of it.
    document: bytes
    is_whole: bool
    then: tuple[RuleResult, ...]
    again: tuple[RuleResult, ...]
    #: Whether both are the same.
    equal: bool


class PolicyService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        reader: PolicyReader,
        policies: PolicySets,
        fresh_groups: FreshGroups | None = None,
    ) -> None:
        """`fresh_groups` is asked before somebody decides; None where there is no directory."""
        self._fresh_groups = fresh_groups or AsRemembered()
        self._database = database
        self._clock = clock
        self._reader = reader
        self._policies = policies

    def active_digest(self) -> str:
        """For anybody: which set is active is no secret."""
        return self._database.read(lambda tx: tx.policies.active())

    def active(self, caller: Caller) -> StoredSet:
        """Anybody who is known here may read rules: every refusal quotes them."""
        return self._database.snapshot(lambda tx: _stored(tx, tx.policies.active()))

    def get(self, caller: Caller, digest: str) -> StoredSet:
        return self._database.snapshot(lambda tx: _stored(tx, digest))

    def changes(
        self, caller: Caller, *, state: ChangeState | None, page: PageRequest
    ) -> Page[PolicyChange]:
        """Newest first."""
        caller.require(Action.POLICY_READ, REGISTRY_WIDE, ALL_CHANGES)
        of = fingerprint("policy changes", state)
        after = decode_token(page.token, of, int)
        limit = page.limit()
        now = self._clock.now_us()
        found = self._database.read(lambda tx: tx.policies.changes(state, now, after, limit + 1))
        shown = [_shown(change, now) for change in found]
        return page_of(shown, limit, lambda change: (change.number,), of)

    def propose(
        self,
        caller: Caller,
        files: Sequence[tuple[str, bytes]],
        *,
        note: str,
        validate_only: bool,
        request_id: str,
    ) -> PolicyChange:
        """Ask for the set in these files to become the active one."""
        caller.require(Action.POLICY_PROPOSE, REGISTRY_WIDE, ALL_CHANGES)
        _require_person(caller, Action.POLICY_PROPOSE, ALL_CHANGES)
        check_text("note", note, NOTE_LENGTH_MAX, required=True)
        # Outside the unit of work: compiling and the examples take a tenth of a second.
        content, proposed = self._reader.read(_each_once(files))

        def planned(tx: Transaction, now: int) -> PolicyChange:
            active = self._policies.active(tx)
            _require_other(proposed, active)
            for open_one in tx.policies.changes(ChangeState.PENDING, now, None, 1000):
                if open_one.digest == proposed.digest:
                    raise AlreadyExistsError(
                        kind="proposal of policy set",
                        name=proposed.digest,
                        existing=open_one.name,
                        fix=f"Have that one decided on: hallmark policy approve {open_one.number}",
                    )
            return PolicyChange(
                number=0,
                digest=proposed.digest,
                base_digest=active.digest,
                state=ChangeState.PENDING,
                proposer=caller.id,
                proposer_uid=caller.principal.uid,
                token_creator=caller.token.creator,
                note=note,
                decider="",
                comment="",
                create_time_us=now,
                end_time_us=None,
            )

        if validate_only:
            return self._database.snapshot(lambda tx: planned(tx, self._clock.now_us()))

        def fn(tx: Transaction) -> PolicyChange:
            now = self._clock.now_us()

            def create() -> tuple[str, PolicyChange]:
                tx.policies.lock_changes()
                plan = planned(tx, now)
                tx.policies.put(proposed.digest, content, now)
                change = tx.policies.insert_change(plan)
                detail: dict[str, object] = {
                    "digest": change.digest,
                    "from": change.base_digest,
                    "note": note,
                }
                tx.events.append(event(caller, "policy.propose", change.name, "", detail))
                return str(change.number), change

            return once(
                tx,
                caller,
                "ProposePolicySet",
                request_id,
                content_of(proposed.digest, note),
                now_us=now,
                create=create,
                reload=lambda number: _shown(
                    _existing(tx, PolicyChangeName(number=int(number))), now
                ),
            )

        return self._database.write(fn)

    def decide(
        self,
        caller: Caller,
        name: PolicyChangeName,
        *,
        outcome: Outcome,
        digest: str,
        comment: str,
    ) -> PolicyChange:
        """A second person's word: yes makes the set the active one, in this very transaction."""
        caller.require(Action.POLICY_DECIDE, REGISTRY_WIDE, str(name))
        _require_person(caller, Action.POLICY_DECIDE, str(name))
        caller = self._fresh_groups.refreshed(caller)
        caller.require(Action.POLICY_DECIDE, REGISTRY_WIDE, str(name))
        check_text("comment", comment, NOTE_LENGTH_MAX)

        def fn(tx: Transaction) -> PolicyChange:
            now = self._clock.now_us()
            change = _existing(tx, name, lock=True)
            _require_second(tx, caller, change)
            if digest != change.digest:
                raise InvalidFieldError(
                    field="digest",
                    found=show(digest) if digest else "nothing",
                    expected=f"the digest of the proposed set, {change.digest}",
                    fix=f"Look at what it changes: hallmark policy show {change.number}",
                )
            is_yes = outcome is Outcome.APPROVE
            state = ChangeState.ACTIVATED if is_yes else ChangeState.REJECTED
            if change.state is state and change.decider == caller.id:
                return change
            _require_pending(change, now, action="be decided on")
            if is_yes:
                self._activate(tx, caller, change, now)
            tx.policies.end_change(
                change.number, state, decider=caller.id, comment=comment, time_us=now
            )
            detail: dict[str, object] = {
                "outcome": outcome.value,
                "digest": change.digest,
                "comment": comment,
            }
            tx.events.append(event(caller, "policy.decide", change.name, "", detail))
            return dataclasses.replace(
                change, state=state, decider=caller.id, comment=comment, end_time_us=now
            )

        decided = self._database.write(fn)
        # Compiled here, and not while the next unit of work keeps others waiting.
        self._database.read(self._policies.active)
        return decided

    def withdraw(self, caller: Caller, name: PolicyChangeName) -> PolicyChange:
        """End an open proposal: its proposer may, and who may decide on it."""
        # What the proposer may is seen first, since that needs no role any more.
        asked = self._database.read(lambda tx: tx.policies.change(name.number))
        is_own = asked is not None and asked.proposer == caller.id
        if not is_own or not covered(caller.token.scopes, Action.POLICY_PROPOSE, None, ""):
            caller.require(Action.POLICY_DECIDE, REGISTRY_WIDE, str(name))

        def fn(tx: Transaction) -> PolicyChange:
            now = self._clock.now_us()
            change = _existing(tx, name, lock=True)
            if change.state is ChangeState.WITHDRAWN:
                return change
            _require_pending(change, now, action="be withdrawn")
            state = ChangeState.WITHDRAWN
            tx.policies.end_change(change.number, state, decider="", comment="", time_us=now)
            tx.events.append(event(caller, "policy.withdraw", change.name, "", {}))
            return dataclasses.replace(change, state=state, end_time_us=now)

        return self._database.write(fn)

    def expire_overdue(self) -> int:
        """Write down which proposals have run out of time; how many."""
        return write_down(
            self._database,
            self._clock,
            find=lambda tx, now, limit: tx.policies.overdue(now, limit),
            lock=lambda tx, each: tx.policies.change(each.number, lock=True),
            is_open=lambda each: each.state is ChangeState.PENDING,
            end=_expire,
        )

    def explain(self, caller: Caller, name: PromotionName, decider: str | None) -> Explanation:
        """Replay what the gate was shown at a decision (None: the last that was kept)."""

        def fn(tx: Transaction) -> Explanation:
            promotion = tx.promotions.get(name.number)
            require_numbered(caller, Action.PROMOTION_READ, name, promotion)
            found = tx.policies.recorded(name.number, decider)
            if promotion is None or found is None:
                raise _no_record(name, decider)
            record, document = found
            policy = self._policies.of(tx, record.policy_digest)
            if policy is None:
                raise _no_set(record.policy_digest)
            return _explained(caller, promotion, record, document, policy)

        return self._database.snapshot(fn)

    def _activate(self, tx: Transaction, caller: Caller, change: PolicyChange, now_us: int) -> None:
        """Only over the set that the decider compared with."""
        if not tx.policies.activate(change.digest, change.base_digest, now_us):
            raise TargetMovedError(
                name="The active policy set",
                found=tx.policies.active(),
                expected=change.base_digest,
            )
        detail: dict[str, object] = {
            "digest": change.digest,
            "from": change.base_digest,
            "change": change.name,
        }
        resource = f"policySets/{change.digest}"
        tx.events.append(event(caller, "policy.activate", resource, "", detail))


def _expire(tx: Transaction, change: PolicyChange, now_us: int) -> EventDraft:
    tx.policies.end_change(
        change.number,
        ChangeState.EXPIRED,
        decider="",
        comment="",
        time_us=change.expire_time_us,
    )
    return EventDraft(
        action="policy.expire",
        resource=change.name,
        namespace="",
        actor=SYSTEM,
        detail={"digest": change.digest},
    )


def _explained(
    caller: Caller, promotion: Promotion, record: GateRecord, document: bytes, policy: Policy
) -> Explanation:
    value: Any = load_canonical(document, field="gate document")
    gate, is_shown = Gate(value["gate"]), shown_to(caller)
    then, again = _results(record.results_json), policy.replay(gate, value)
    seen = shown_where(value, is_shown)
    is_whole = seen is value

    def worded(results: tuple[RuleResult, ...]) -> tuple[RuleResult, ...]:
        known = told_results(policy, gate, value, results, is_shown)
        return numbered_results(known, promotion.number)

    return Explanation(
        promotion=promotion,
        record=record,
        outcome=_outcome(promotion, record),
        document=document if is_whole else canonical_json(seen, field="gate document"),
        is_whole=is_whole,
        then=worded(then),
        again=worded(again),
        equal=results_value(then) == results_value(again),
    )


def _each_once(files: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    found = dict(files)
    if len(found) != len(files):
        raise InvalidFieldError(
            field="files",
            found="a name twice",
            expected="each file once",
            fix="Drop one of them.",
        )
    return found


def _stored(tx: Transaction, digest: str) -> StoredSet:
    content = tx.policies.content(digest)
    if content is None:
        raise _no_set(digest)
    return StoredSet(digest=digest, content=content, active=tx.policies.active() == digest)


def _existing(tx: Transaction, name: PolicyChangeName, *, lock: bool = False) -> PolicyChange:
    found = tx.policies.change(name.number, lock=lock)
    if found is None:
        raise NotFoundError(
            kind="policy change",
            name=str(name),
            fix="See which there are: hallmark policy list",
        )
    return found


def _require_other(proposed: Policy, active: Policy) -> None:
    """Something is to change, and stages are not: names that point to versions may be in use."""
    if proposed.digest == active.digest:
        raise AlreadyExistsError(
            kind="policy set",
            name=proposed.digest,
            existing="the active set: nothing differs but comments and examples",
            fix="See for yourself: hallmark policy diff active DIR",
        )
    for field in ("exclusive_stages", "label_stages"):
        found, expected = getattr(proposed, field), getattr(active, field)
        if found != expected:
            raise InvalidFieldError(
                field="files[settings.yaml]",
                found=f"stages {', '.join(found)}",
                expected=f"{', '.join(expected)}, as when this registry was first started",
                fix="Leave the setting stages as it is.",
            )


def _require_person(caller: Caller, action: Action, resource: str) -> None:
    if caller.principal.kind is PrincipalKind.ROBOT:
        raise _denied(caller, action, resource, "on '*', held by a person and not by a robot")


def _require_second(tx: Transaction, caller: Caller, change: PolicyChange) -> None:
    if not is_second(tx, caller, change):
        raise _denied(
            caller,
            Action.POLICY_DECIDE,
            change.name,
            f"on '*', held by another person than principals/{change.proposer} who proposed it, "
            "where neither made the other's token",
        )


def _denied(caller: Caller, action: Action, resource: str, scope: str) -> PermissionDeniedError:
    return PermissionDeniedError(
        principal=caller.principal.name,
        action=action.value,
        resource=resource,
        roles="admin, security",
        scope=scope,
    )


def _shown(change: PolicyChange, now_us: int) -> PolicyChange:
    """The proposal as it stands at a moment."""
    state = change.state_at(now_us)
    if state is change.state:
        return change
    return dataclasses.replace(change, state=state, end_time_us=change.expire_time_us)


def _require_pending(change: PolicyChange, now_us: int, *, action: str) -> None:
    state = change.state_at(now_us)
    if state is not ChangeState.PENDING:
        raise InvalidStateError(
            name=change.name,
            action=action,
            found=state.value.upper(),
            allowed="PENDING",
            fix="Propose it anew: hallmark policy propose DIR --note WHY",
        )


def _no_set(digest: str) -> NotFoundError:
    return NotFoundError(
        kind="policy set",
        name=show(digest),
        fix="See which were proposed: hallmark policy list",
    )


def _outcome(promotion: Promotion, record: GateRecord) -> Outcome | None:
    if not record.decider:
        return None
    said = (record.decider, record.create_time_us)
    # Of a word that another one has taken the place of only approvals had a record, at first.
    return next(
        (d.outcome for d in promotion.decisions if (d.decider, d.create_time_us) == said),
        Outcome.APPROVE,
    )


def _no_record(name: PromotionName, decider: str | None) -> NotFoundError:
    whose = "" if decider is None else f" of {show(decider)}" if decider else " of its request"
    return NotFoundError(
        kind="evaluation",
        name=f"{name}{whose}",
        fix="Requests and decisions are evaluated; see which there were: hallmark promotion show "
        f"{name.number}",
    )


def _results(results_json: str) -> tuple[RuleResult, ...]:
    return tuple(RuleResult(**each) for each in json.loads(results_json))
