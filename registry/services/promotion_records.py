"""What is read of a promotion, and written of it, within a transaction."""

from __future__ import annotations

import dataclasses
import re

from registry.domain.access import Action, Caller
from registry.domain.gates import UNNUMBERED
from registry.domain.models import Model
from registry.domain.policies import RuleResult
from registry.domain.promotions import Promotion, PromotionState
from registry.domain.scopes import covered
from registry.domain.versions import Version
from registry.errors import NotFoundError
from registry.names import PromotionName
from registry.ports.database import Transaction
from registry.services.judging import detail_of, require_numbered
from registry.services.lookups import event
from registry.services.stages import enter

_NUMBERLESS = re.compile(rf"\b{UNNUMBERED}\b")


def shown(promotion: Promotion, now_us: int) -> Promotion:
    """The promotion as it stands at a moment: time may have ended it, and what has ended waits
    for nothing."""
    state = promotion.state_at(now_us)
    if state is PromotionState.PENDING:
        return promotion
    end_us = promotion.end_time_us
    return dataclasses.replace(
        promotion,
        state=state,
        waiting=(),
        end_time_us=promotion.expire_time_us if end_us is None else end_us,
    )


def numbered(tx: Transaction, promotion: Promotion) -> Promotion:
    """The promotion, just stored, with mends that name the number which it has got by that."""
    waiting = tuple(
        dataclasses.replace(each, fix=_numbered(each.fix, promotion.number))
        for each in promotion.waiting
    )
    if waiting != promotion.waiting:
        tx.promotions.set_waiting(promotion.number, waiting)
    return dataclasses.replace(promotion, waiting=waiting)


def numbered_results(results: tuple[RuleResult, ...], number: int) -> tuple[RuleResult, ...]:
    """Results of a request, whose mends were written before it had its number."""
    return tuple(
        dataclasses.replace(
            each,
            fix=_numbered(each.fix, number),
            bound={
                name: str(number) if value == UNNUMBERED else value
                for name, value in each.bound.items()
            },
        )
        for each in results
    )


def _numbered(fix: str, number: int) -> str:
    return _NUMBERLESS.sub(str(number), fix)


def existing(tx: Transaction, number: int, *, lock: bool = False) -> Promotion:
    found = tx.promotions.lock(number) if lock else tx.promotions.get(number)
    if found is None:
        raise _no_promotion(PromotionName(number=number))
    return found


def _no_promotion(name: PromotionName) -> NotFoundError:
    return NotFoundError(
        kind="promotion", name=str(name), fix="See which there are: hallmark promotion list"
    )


def visible(tx: Transaction, caller: Caller, action: Action, name: PromotionName) -> Promotion:
    """The promotion, if the caller may act on it; one that is not there is told apart from a
    foreign one only to those who may act on all."""
    found = tx.promotions.get(name.number)
    require_numbered(caller, action, name, found, stage=found.stage if found else "")
    if found is None:
        raise _no_promotion(name)
    return found


def withdrawable(tx: Transaction, caller: Caller, name: PromotionName) -> Promotion:
    found = tx.promotions.get(name.number)
    is_requester = found is not None and found.requester == caller.id
    if (
        found is not None
        and is_requester
        and caller.may(Action.PROMOTION_READ, found.namespace, model=found.model)
        and covered(caller.token.scopes, Action.PROMOTION_WITHDRAW, found.model, found.stage)
    ):
        return found
    return visible(tx, caller, Action.PROMOTION_WITHDRAW, name)


def record(
    tx: Transaction,
    caller: Caller,
    model: Model,
    decided: Promotion,
    state: PromotionState,
    *,
    now_us: int,
) -> Promotion:
    """Store the newest decision and where it has brought the promotion."""
    decision = decided.decisions[-1]
    tx.promotions.put_decision(decided.number, decision)
    tx.events.append(
        event(caller, "promotion.decide", decided.name, decided.namespace, detail_of(decision))
    )
    if state is PromotionState.PENDING:
        tx.promotions.set_waiting(decided.number, decided.waiting)
        return decided
    tx.promotions.set_state(decided.number, state, now_us)
    if state is PromotionState.COMPLETED:
        enter(tx, caller, model, decided, now_us=now_us)
    return shown(dataclasses.replace(decided, state=state, end_time_us=now_us), now_us)


def withdraw(tx: Transaction, caller: Caller, promotion: Promotion, *, now_us: int) -> Promotion:
    tx.promotions.set_state(promotion.number, PromotionState.WITHDRAWN, now_us)
    tx.events.append(event(caller, "promotion.withdraw", promotion.name, promotion.namespace, {}))
    withdrawn = dataclasses.replace(promotion, state=PromotionState.WITHDRAWN, end_time_us=now_us)
    return shown(withdrawn, now_us)


def withdraw_open(
    tx: Transaction, caller: Caller, version: Version, *, now_us: int, stage: str = ""
) -> None:
    """Withdraw what still asks for a version whose model is locked; for all stages or one."""
    for promotion in tx.promotions.open_of(version.key, stage, now_us):
        withdraw(tx, caller, promotion, now_us=now_us)
