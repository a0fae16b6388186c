"""Waivers: ask for an exception from a rule, decide on it, end it."""

from __future__ import annotations

import dataclasses
import re

from registry.domain.access import Action, Caller
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.promotions import Outcome
from registry.domain.scopes import covered
from registry.domain.versions import Version, VersionState
from registry.domain.waivers import OPEN, Waiver, WaiverState, require_state
from registry.errors import (
    AlreadyExistsError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    StaleEtagError,
)
from registry.names import ModelName, VersionName, WaiverName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.directory import AsRemembered, FreshGroups
from registry.ports.policy import Policy, PolicySets
from registry.services.fields import check_text
from registry.services.judging import (
    COMMENT_LENGTH_MAX,
    DAY_US,
    check_time,
    detail_of,
    reach_of,
    require_numbered,
    require_person,
    require_uninvolved,
    word_of,
)
from registry.services.lookups import event, model_of, version_of
from registry.services.overdue import write_down
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once
from registry.services.stages import check_stage_of
from registry.services.standing import rules_of

REASON_LENGTH_MAX = 2000
TTL_US = 30 * DAY_US
TTL_US_MAX = 90 * DAY_US
_RULE = re.compile(r"[A-Z0-9][A-Z0-9-]{0,63}")
_WITHDRAWN = (VersionState.YANKED, VersionState.RECALLED)


class WaiverService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        policies: PolicySets,
        fresh_groups: FreshGroups | None = None,
    ) -> None:
        """`fresh_groups` is asked before somebody decides; None where there is no directory."""
        self._fresh_groups = fresh_groups or AsRemembered()
        self._database = database
        self._clock = clock
        self._policies = policies

    def request(
        self,
        caller: Caller,
        target: ModelName | VersionName,
        *,
        rule: str,
        reason: str,
        stage: str,
        expire_time_us: int | None,
        request_id: str,
    ) -> Waiver:
        """Ask for an exception; the caller owns it."""
        model_name = target if isinstance(target, ModelName) else target.model
        caller.require(Action.WAIVER_REQUEST, model_name.namespace, str(target))
        require_person(caller, Action.WAIVER_REQUEST, str(target))
        _check_rule(rule)
        check_text("reason", reason, REASON_LENGTH_MAX, required=True)
        if stage:
            check_stage_of(self._policies.recent(), stage)

        def fn(tx: Transaction) -> Waiver:
            now = self._clock.now_us()

            def create() -> tuple[str, Waiver]:
                _require_waivable(self._policies.active(tx), rule)
                model = model_of(tx, model_name, lock=True)
                version = None
                if isinstance(target, VersionName):
                    version = version_of(tx, target)
                    _require_usable(version)
                asked = Waiver(
                    number=0,
                    rule=rule,
                    model_key=model.key,
                    model=model.path,
                    namespace=model.namespace,
                    version_key=version.key if version else None,
                    version_number=version.number if version else None,
                    digest=version.digest if version else "",
                    stage=stage,
                    reason=reason,
                    state=WaiverState.PENDING,
                    requester=caller.id,
                    decision=None,
                    create_time_us=now,
                    expire_time_us=now + TTL_US
                    if expire_time_us is None
                    else check_time("expire_time", expire_time_us, now, span_us=TTL_US_MAX),
                    end_time_us=None,
                )
                _require_fresh(tx, asked, now)
                waiver = tx.waivers.insert(asked)
                detail: dict[str, object] = {
                    "rule": rule,
                    "target": waiver.target,
                    "digest": waiver.digest,
                    "stage": stage,
                    "reason": reason,
                    "expire_time_us": waiver.expire_time_us,
                }
                tx.events.append(
                    event(caller, "waiver.request", waiver.name, waiver.namespace, detail)
                )
                return str(waiver.number), waiver

            return once(
                tx,
                caller,
                "RequestWaiver",
                request_id,
                content_of(str(target), rule, reason, stage, expire_time_us),
                now_us=now,
                create=create,
                reload=lambda number: self._shown(tx, _existing(tx, int(number)), now),
            )

        return self._database.write(fn, namespace=model_name.namespace)

    def get(self, caller: Caller, name: WaiverName) -> Waiver:
        now = self._clock.now_us()
        return self._database.snapshot(
            lambda tx: self._shown(tx, _visible(tx, caller, Action.WAIVER_READ, name), now)
        )

    def list(
        self,
        caller: Caller,
        *,
        model: ModelName | None,
        namespace: str | None,
        state: WaiverState | None,
        rule: str,
        page: PageRequest,
    ) -> Page[Waiver]:
        """Newest first: of a model, of a namespace, or with neither of all that may be read."""
        reach = reach_of(caller, Action.WAIVER_READ, model, namespace)
        if rule:
            _check_rule(rule)
        of = fingerprint("waivers", str(model), namespace, state, rule)
        after = decode_token(page.token, of, int)
        limit = page.limit()
        now = self._clock.now_us()

        def fn(tx: Transaction) -> Page[Waiver]:
            found = tx.waivers.list(
                reach=reach,
                model=model.path if model else "",
                state=state,
                rule=rule,
                now_us=now,
                after=after,
                limit=limit + 1,
            )
            shown = [self._shown(tx, waiver, now) for waiver in found]
            return page_of(shown, limit, lambda waiver: (waiver.number,), of)

        return self._database.snapshot(fn)

    def decide(
        self,
        caller: Caller,
        name: WaiverName,
        *,
        outcome: Outcome,
        comment: str,
        policy_digest: str,
    ) -> Waiver:
        """Grant or refuse: the word of a person who neither asked nor had a hand in the version."""
        require_person(caller, Action.WAIVER_DECIDE, str(name))
        caller = self._fresh_groups.refreshed(caller)
        asked = self._database.read(lambda tx: _visible(tx, caller, Action.WAIVER_DECIDE, name))
        check_text("comment", comment, COMMENT_LENGTH_MAX)

        def fn(tx: Transaction) -> Waiver:
            now = self._clock.now_us()
            policy = self._policies.active(tx)
            if policy_digest not in ("", policy.digest):
                raise StaleEtagError(
                    name="the policy", found=policy.digest, sent=show(policy_digest)
                )
            waiver, version = _locked(tx, asked)
            require_uninvolved(
                tx,
                caller,
                Action.WAIVER_DECIDE,
                waiver.name,
                requester=waiver.requester,
                version=version,
                outcome=outcome,
                beside=[waiver.requester],
            )
            done = waiver.decision
            if done is not None and (done.decider, done.outcome, done.comment) == (
                caller.id,
                outcome,
                comment,
            ):
                return self._shown(tx, waiver, now)
            require_state(waiver, WaiverState.PENDING, now, action="be decided on", fix=_AGAIN)
            if outcome is Outcome.APPROVE:
                _require_waivable(policy, waiver.rule)
                if version is not None:
                    _require_usable(version)
            word = word_of(
                caller,
                waiver.namespace,
                outcome,
                digest=waiver.digest,
                policy_digest=policy.digest,
                comment=comment,
                now_us=now,
                rules_digest="" if version is None else rules_of(version),
            )
            granted = outcome is Outcome.APPROVE
            decided = dataclasses.replace(
                waiver,
                state=WaiverState.GRANTED if granted else WaiverState.REJECTED,
                decision=word,
                end_time_us=None if granted else now,
            )
            detail = {**detail_of(word), "rule": waiver.rule, "target": waiver.target}
            return _store(tx, caller, "waiver.decide", decided, detail)

        return self._database.write(fn, namespace=asked.namespace)

    def withdraw(self, caller: Caller, name: WaiverName) -> Waiver:
        """Take back what nobody decided on: the requester, or who may decide."""
        asked = self._database.read(lambda tx: _endable(tx, caller, name))

        def fn(tx: Transaction) -> Waiver:
            now = self._clock.now_us()
            waiver, _ = _locked(tx, asked)
            if waiver.state is WaiverState.WITHDRAWN:
                return self._shown(tx, waiver, now)
            fix = f"End a granted one with: hallmark waiver revoke {waiver.number}"
            require_state(waiver, WaiverState.PENDING, now, action="be withdrawn", fix=fix)
            gone = dataclasses.replace(waiver, state=WaiverState.WITHDRAWN, end_time_us=now)
            return _store(tx, caller, "waiver.withdraw", gone, {})

        return self._database.write(fn, namespace=asked.namespace)

    def revoke(self, caller: Caller, name: WaiverName, *, comment: str) -> Waiver:
        """End what was granted, before its time: its owner, or who may decide."""
        asked = self._database.read(lambda tx: _endable(tx, caller, name))
        check_text("comment", comment, COMMENT_LENGTH_MAX)

        def fn(tx: Transaction) -> Waiver:
            now = self._clock.now_us()
            waiver, _ = _locked(tx, asked)
            if waiver.state is WaiverState.REVOKED:
                return self._shown(tx, waiver, now)
            fix = f"Take back an undecided one with: hallmark waiver withdraw {waiver.number}"
            require_state(waiver, WaiverState.GRANTED, now, action="be revoked", fix=fix)
            gone = dataclasses.replace(waiver, state=WaiverState.REVOKED, end_time_us=now)
            return _store(tx, caller, "waiver.revoke", gone, {"comment": comment})

        return self._database.write(fn, namespace=asked.namespace)

    def _shown(self, tx: Transaction, waiver: Waiver, now_us: int) -> Waiver:
        """The waiver as it stands at a moment."""
        state = waiver.state_at(now_us)
        if state is not waiver.state:
            return dataclasses.replace(waiver, state=state, end_time_us=waiver.expire_time_us)
        if state is not WaiverState.GRANTED:
            return waiver
        version = None if waiver.version_key is None else tx.versions.by_key(waiver.version_key)
        rules = "" if version is None else rules_of(version)
        stands = waiver.stands(self._policies.active(tx).digest, rules)
        return dataclasses.replace(waiver, lapsed=not stands)

    def expire_overdue(self) -> int:
        """Write down which waivers have run out of time; how many."""
        return write_down(
            self._database,
            self._clock,
            find=lambda tx, now, limit: tx.waivers.overdue(now, limit),
            lock=lambda tx, each: tx.waivers.lock(each.number),
            is_open=lambda each: each.state in OPEN,
            end=_expire,
        )


def _expire(tx: Transaction, waiver: Waiver, now_us: int) -> EventDraft:
    tx.waivers.set_state(
        waiver.number,
        WaiverState.EXPIRED,
        decision=waiver.decision,
        end_time_us=waiver.expire_time_us,
    )
    return EventDraft(
        action="waiver.expire",
        resource=waiver.name,
        namespace=waiver.namespace,
        actor=SYSTEM,
        detail={"was": waiver.state.value, "rule": waiver.rule},
    )


def _require_waivable(policy: Policy, rule: str) -> None:
    if not policy.is_waivable(rule):
        raise InvalidFieldError(
            field="rule",
            found=rule,
            expected="a rule of the policy that it lets be waived",
            fix="Mend what the rule asks for; the refusal says how.",
        )


_AGAIN = "Ask anew: hallmark waiver request RULE MODEL@REF --reason WHY"


def _check_rule(rule: str) -> None:
    if not _RULE.fullmatch(rule):
        raise InvalidFieldError(
            field="rule",
            found=show(rule) if rule else "nothing",
            expected="a rule's id: 1 to 64 of capitals, digits and '-'",
            fix="Write it as the refusal does, such as METRIC-1.",
        )


def _require_usable(version: Version) -> None:
    if version.state in _WITHDRAWN:
        raise InvalidStateError(
            name=version.name,
            action="get a waiver",
            found=version.state.value.upper(),
            allowed="neither YANKED nor RECALLED",
            fix=f"Take another version: hallmark version list {version.model}",
        )


def _require_fresh(tx: Transaction, asked: Waiver, now_us: int) -> None:
    """The model is locked, so of two such requests the second sees the first."""
    for waiver in tx.waivers.pending(asked.model_key, asked.rule, now_us):
        if (waiver.version_key, waiver.stage) == (asked.version_key, asked.stage):
            raise AlreadyExistsError(
                kind="request",
                name=f"to waive {asked.rule} for {asked.ref}",
                existing=waiver.name,
                fix=f"Have that one decided on: hallmark waiver decide {waiver.number} --approve",
            )


def _existing(tx: Transaction, number: int) -> Waiver:
    found = tx.waivers.get(number)
    if found is None:
        raise _no_waiver(WaiverName(number=number))
    return found


def _no_waiver(name: WaiverName) -> NotFoundError:
    return NotFoundError(
        kind="waiver", name=str(name), fix="See which there are: hallmark waiver list"
    )


def _locked(tx: Transaction, asked: Waiver) -> tuple[Waiver, Version | None]:
    """The waiver, its model locked before it, and its version as it is now."""
    model_of(tx, ModelName(path=asked.model), lock=True)
    found = tx.waivers.lock(asked.number)
    if found is None:
        raise _no_waiver(WaiverName(number=asked.number))
    version = None if found.version_key is None else tx.versions.by_key(found.version_key)
    return found, version


def _visible(tx: Transaction, caller: Caller, action: Action, name: WaiverName) -> Waiver:
    """The waiver, if the caller may act on it; one that is not there is told apart from a foreign
    one only to those who may act on all."""
    found = tx.waivers.get(name.number)
    require_numbered(caller, action, name, found)
    if found is None:
        raise _no_waiver(name)
    return found


def _endable(tx: Transaction, caller: Caller, name: WaiverName) -> Waiver:
    found = tx.waivers.get(name.number)
    is_requester = found is not None and found.requester == caller.id
    if (
        found is not None
        and is_requester
        and caller.may(Action.WAIVER_READ, found.namespace, model=found.model)
        # A token that is good for less than asking does not take back what was asked for.
        and covered(caller.token.scopes, Action.WAIVER_REQUEST, found.model, "")
    ):
        return found
    return _visible(tx, caller, Action.WAIVER_DECIDE, name)


def _store(
    tx: Transaction, caller: Caller, action: str, waiver: Waiver, detail: dict[str, object]
) -> Waiver:
    tx.waivers.set_state(
        waiver.number, waiver.state, decision=waiver.decision, end_time_us=waiver.end_time_us
    )
    tx.events.append(event(caller, action, waiver.name, waiver.namespace, detail))
    return waiver
