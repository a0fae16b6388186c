"""Acceptances: who may fetch a model's files under its terms."""

from __future__ import annotations

import dataclasses

from registry.domain.access import (
    REGISTRY_WIDE,
    Action,
    Caller,
    PrincipalKind,
)
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.models import Model
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.promotions import Outcome
from registry.domain.scopes import covered
from registry.domain.terms import OPEN, Acceptance, AcceptanceState, Terms
from registry.errors import InvalidFieldError, InvalidStateError, NotFoundError
from registry.names import AcceptanceName, ModelName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.directory import AsRemembered, FreshGroups
from registry.services.fields import check_text
from registry.services.judging import (
    COMMENT_LENGTH_MAX,
    DAY_US,
    detail_of,
    reach_of,
    require_numbered,
    require_person,
    require_uninvolved,
    word_of,
)
from registry.services.lookups import event, model_of
from registry.services.overdue import write_down
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once
from registry.services.terms import terms_of

REASON_LENGTH_MAX = 2000
#: A request waits for an approval so long.
WAITS_US = 14 * DAY_US


class AcceptanceService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        fresh_groups: FreshGroups | None = None,
    ) -> None:
        """`fresh_groups` is asked before somebody decides; None where there is no directory."""
        self._fresh_groups = fresh_groups or AsRemembered()
        self._database = database
        self._clock = clock

    def accept(
        self,
        caller: Caller,
        model: ModelName,
        *,
        terms_digest: str,
        on_behalf_of: str,
        request_id: str = "",
    ) -> Acceptance:
        """Accept the terms of now; what runs already is returned as it is."""
        _require_may_accept(caller, model, on_behalf_of)
        return self._open(
            caller, model, terms_digest, on_behalf_of, reason=None, request_id=request_id
        )

    def request(
        self,
        caller: Caller,
        model: ModelName,
        *,
        terms_digest: str,
        reason: str,
        on_behalf_of: str,
        request_id: str = "",
    ) -> Acceptance:
        """Accept the terms of now, and ask for the approval that they need."""
        _require_may_accept(caller, model, on_behalf_of)
        check_text("reason", reason, REASON_LENGTH_MAX, required=True)
        return self._open(
            caller, model, terms_digest, on_behalf_of, reason=reason, request_id=request_id
        )

    def _open(
        self,
        caller: Caller,
        model: ModelName,
        terms_digest: str,
        on_behalf_of: str,
        *,
        reason: str | None,
        request_id: str,
    ) -> Acceptance:
        principal = on_behalf_of or caller.id

        def fn(tx: Transaction) -> Acceptance:
            now = self._clock.now_us()

            def create() -> tuple[str, Acceptance]:
                stored = model_of(tx, model, lock=True)
                terms = terms_of(tx, model)
                _check_digest(terms, terms_digest)
                if on_behalf_of:
                    _check_robot(tx, on_behalf_of)
                found = tx.acceptances.open_of(stored.key, principal, terms.digest, now)
                if found is None:
                    found = _made(tx, caller, stored, terms, principal, reason, now)
                return str(found.number), found

            return once(
                tx,
                caller,
                "AcceptTerms" if reason is None else "RequestAccess",
                request_id,
                content_of(str(model), terms_digest, on_behalf_of, reason),
                now_us=now,
                create=create,
                reload=lambda number: _shown(_existing(tx, int(number)), now),
            )

        return self._database.write(fn, namespace=model.namespace)

    def decide(
        self, caller: Caller, name: AcceptanceName, *, outcome: Outcome, comment: str
    ) -> Acceptance:
        """Let somebody in under the terms, or not."""
        require_person(caller, Action.ACCESS_DECIDE, str(name))
        caller = self._fresh_groups.refreshed(caller)
        asked = self._database.read(lambda tx: _visible(tx, caller, Action.ACCESS_DECIDE, name))
        check_text("comment", comment, COMMENT_LENGTH_MAX)
        model = ModelName(path=asked.model)

        def fn(tx: Transaction) -> Acceptance:
            now = self._clock.now_us()
            model_of(tx, model, lock=True)
            found = _existing(tx, asked.number, lock=True)
            # Who made a token of theirs could have asked in that name, and fetch in it.
            involved = (found.requester, found.principal)
            for each in involved:
                require_uninvolved(
                    tx,
                    caller,
                    Action.ACCESS_DECIDE,
                    found.name,
                    requester=each,
                    version=None,
                    outcome=outcome,
                    beside=involved,
                )
            done = found.decision
            if done is not None and (done.decider, done.outcome, done.comment) == (
                caller.id,
                outcome,
                comment,
            ):
                return _shown(found, now)
            _require_state(found, {AcceptanceState.PENDING}, now, action="be decided on")
            validity_days = 0
            if outcome is Outcome.APPROVE:
                terms = terms_of(tx, model)
                _require_current(found, terms)
                validity_days = terms.validity_days
            word = word_of(
                caller,
                found.namespace,
                outcome,
                digest=found.terms_digest,
                policy_digest="",
                comment=comment,
                now_us=now,
            )
            granted = outcome is Outcome.APPROVE
            decided = dataclasses.replace(
                found,
                state=AcceptanceState.GRANTED if granted else AcceptanceState.REJECTED,
                decision=word,
                expire_time_us=now + validity_days * DAY_US if granted else found.expire_time_us,
                end_time_us=None if granted else now,
            )
            detail = {**detail_of(word), "model": found.model, "principal": found.principal}
            return _store(tx, caller, "access.decide", decided, detail)

        return self._database.write(fn, namespace=asked.namespace)

    def get(self, caller: Caller, name: AcceptanceName) -> Acceptance:
        found = self._database.read(
            lambda tx: _own_or(tx, caller, Action.ACCESS_READ, name, own=Action.MODEL_READ)
        )
        return _shown(found, self._clock.now_us())

    def list(
        self,
        caller: Caller,
        *,
        model: ModelName | None,
        namespace: str | None,
        principal: str,
        state: AcceptanceState | None,
        page: PageRequest,
    ) -> Page[Acceptance]:
        """Newest first: of a model, of a namespace, or with neither of all that may be read."""
        action = Action.MODEL_READ if principal == caller.id else Action.ACCESS_READ
        reach = reach_of(caller, action, model, namespace)
        of = fingerprint("acceptances", str(model), namespace, principal, state)
        after = decode_token(page.token, of, int)
        limit = page.limit()
        now = self._clock.now_us()
        found = self._database.read(
            lambda tx: tx.acceptances.list(
                reach=reach,
                model=model.path if model else "",
                principal=principal,
                state=state,
                now_us=now,
                after=after,
                limit=limit + 1,
            )
        )
        shown = [_shown(acceptance, now) for acceptance in found]
        return page_of(shown, limit, lambda acceptance: (acceptance.number,), of)

    def revoke(self, caller: Caller, name: AcceptanceName, *, comment: str) -> Acceptance:
        """End an acceptance, or a request for one."""
        asked = self._database.read(
            lambda tx: _own_or(tx, caller, Action.ACCESS_DECIDE, name, own=Action.VERSION_FETCH)
        )
        check_text("comment", comment, COMMENT_LENGTH_MAX)

        def fn(tx: Transaction) -> Acceptance:
            now = self._clock.now_us()
            found = _existing(tx, asked.number, lock=True)
            if found.state is AcceptanceState.REVOKED:
                return found
            _require_state(found, OPEN, now, action="be revoked")
            gone = dataclasses.replace(found, state=AcceptanceState.REVOKED, end_time_us=now)
            return _store(tx, caller, "access.revoke", gone, {"comment": comment})

        return self._database.write(fn, namespace=asked.namespace)

    def expire_overdue(self) -> int:
        """Write down which acceptances have run out of time; how many."""
        return write_down(
            self._database,
            self._clock,
            find=lambda tx, now, limit: tx.acceptances.overdue(now, limit),
            lock=lambda tx, each: tx.acceptances.lock(each.number),
            is_open=lambda each: each.state in OPEN,
            end=_expire,
        )


def _expire(tx: Transaction, acceptance: Acceptance, now_us: int) -> EventDraft:
    tx.acceptances.set_state(
        acceptance.number,
        AcceptanceState.EXPIRED,
        decision=acceptance.decision,
        expire_time_us=acceptance.expire_time_us,
        end_time_us=acceptance.expire_time_us,
    )
    return EventDraft(
        action="access.expire",
        resource=acceptance.name,
        namespace=acceptance.namespace,
        actor=SYSTEM,
        detail={"was": acceptance.state.value, "principal": acceptance.principal},
    )


def _require_may_accept(caller: Caller, model: ModelName, on_behalf_of: str) -> None:
    """For oneself by who may fetch; for a robot by who made it what it is."""
    if on_behalf_of in ("", caller.id):
        caller.require(Action.VERSION_FETCH, model.namespace, str(model))
        require_person(caller, Action.VERSION_FETCH, str(model))
        return
    principal = f"principals/{on_behalf_of}"
    caller.require(Action.PRINCIPAL_WRITE, REGISTRY_WIDE, principal)
    # Whoever administers may be denied a namespace, and then is told nothing of its models.
    caller.require(Action.MODEL_READ, model.namespace, str(model))
    require_person(caller, Action.PRINCIPAL_WRITE, principal)


def _made(
    tx: Transaction,
    caller: Caller,
    model: Model,
    terms: Terms,
    principal: str,
    reason: str | None,
    now_us: int,
) -> Acceptance:
    """A new acceptance; `reason` is None where no approval was asked for."""
    if terms.approval_required and reason is None:
        raise InvalidStateError(
            name=f"the terms of models/{model.path}",
            action="be accepted without an approval",
            found="ASKING FOR ONE",
            allowed="terms that need none",
            fix=f"Ask for it: {terms.mend}",
        )
    made = tx.acceptances.insert(_accepted(model, terms, principal, caller, reason or "", now_us))
    detail: dict[str, object] = {
        "model": made.model,
        "principal": made.principal,
        "terms_digest": made.terms_digest,
        "terms_label": made.terms_label,
        "reason": made.reason,
        "expire_time_us": made.expire_time_us,
    }
    waits = made.state is AcceptanceState.PENDING
    action = "access.request" if waits else "access.accept"
    tx.events.append(event(caller, action, made.name, made.namespace, detail))
    return made


def _accepted(
    model: Model, terms: Terms, principal: str, caller: Caller, reason: str, now_us: int
) -> Acceptance:
    waits = terms.approval_required
    return Acceptance(
        number=0,
        model_key=model.key,
        model=model.path,
        namespace=model.namespace,
        principal=principal,
        requester=caller.id,
        terms_digest=terms.digest,
        terms_label=terms.label,
        reason=reason,
        state=AcceptanceState.PENDING if waits else AcceptanceState.GRANTED,
        decision=None,
        create_time_us=now_us,
        expire_time_us=now_us + (WAITS_US if waits else terms.validity_days * DAY_US),
        end_time_us=None,
    )


def _check_digest(terms: Terms, digest: str) -> None:
    if digest != terms.digest:
        raise InvalidFieldError(
            field="terms_digest",
            found=show(digest) if digest else "nothing",
            expected=f"that of the terms of now, {terms.digest}",
            fix=f"Read them: hallmark access terms {terms.model}",
        )


def _check_robot(tx: Transaction, id: str) -> None:
    found = tx.principals.get(id)
    if found is None:
        raise NotFoundError(
            kind="principal",
            name=f"principals/{id}",
            fix="See who there is: hallmark principal list",
        )
    if found.kind is not PrincipalKind.ROBOT:
        raise InvalidFieldError(
            field="on_behalf_of",
            found=f"{found.name}, a person",
            expected="a robot: people accept for themselves",
            fix="Ask that person to accept the terms.",
        )


def _require_current(acceptance: Acceptance, terms: Terms) -> None:
    if acceptance.terms_digest != terms.digest:
        raise InvalidStateError(
            name=acceptance.name,
            action="be approved",
            found=f"FOR THE TERMS {acceptance.terms_label}",
            allowed=f"for those of now, {terms.label} ({terms.digest})",
            fix="Have it rejected and asked for anew under the terms of now.",
        )


def _require_state(
    acceptance: Acceptance,
    allowed: frozenset[AcceptanceState] | set[AcceptanceState],
    now_us: int,
    *,
    action: str,
) -> None:
    state = acceptance.state_at(now_us)
    if state not in allowed:
        raise InvalidStateError(
            name=acceptance.name,
            action=action,
            found=state.value.upper(),
            allowed=" or ".join(sorted(each.value.upper() for each in allowed)),
            fix=f"See what the model asks for: hallmark access terms {acceptance.model}",
        )


def _no_acceptance(name: AcceptanceName) -> NotFoundError:
    return NotFoundError(
        kind="acceptance", name=str(name), fix="See which there are: hallmark access list"
    )


def _existing(tx: Transaction, number: int, *, lock: bool = False) -> Acceptance:
    found = tx.acceptances.lock(number) if lock else tx.acceptances.get(number)
    if found is None:
        raise _no_acceptance(AcceptanceName(number=number))
    return found


def _visible(tx: Transaction, caller: Caller, action: Action, name: AcceptanceName) -> Acceptance:
    found = tx.acceptances.get(name.number)
    require_numbered(caller, action, name, found)
    if found is None:
        raise _no_acceptance(name)
    return found


def _own_or(
    tx: Transaction, caller: Caller, action: Action, name: AcceptanceName, *, own: Action
) -> Acceptance:
    """One's own, asked for or being let in by it, with a token that is good for the own action;
    else what the action lets through."""
    found = tx.acceptances.get(name.number)
    if (
        found is not None
        and caller.id in (found.requester, found.principal)
        and covered(caller.token.scopes, own, found.model, "")
    ):
        return found
    return _visible(tx, caller, action, name)


def _shown(acceptance: Acceptance, now_us: int) -> Acceptance:
    state = acceptance.state_at(now_us)
    if state is acceptance.state:
        return acceptance
    return dataclasses.replace(acceptance, state=state, end_time_us=acceptance.expire_time_us)


def _store(
    tx: Transaction, caller: Caller, action: str, acceptance: Acceptance, detail: dict[str, object]
) -> Acceptance:
    tx.acceptances.set_state(
        acceptance.number,
        acceptance.state,
        decision=acceptance.decision,
        expire_time_us=acceptance.expire_time_us,
        end_time_us=acceptance.end_time_us,
    )
    tx.events.append(event(caller, action, acceptance.name, acceptance.namespace, detail))
    return acceptance
