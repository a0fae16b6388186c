"""Break-glass: move a stage without the decisions asked for, and have others judge that after."""

from __future__ import annotations

import dataclasses

from registry.domain.access import Action, Caller
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.policies import Requirement
from registry.domain.promotions import Outcome, Promotion, with_decision
from registry.domain.reviews import DUE_US, Review, ReviewState, state_after
from registry.domain.times import show_time
from registry.domain.versions import Version
from registry.errors import InvalidStateError, NotFoundError
from registry.names import ModelName, ReviewName, VersionName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.directory import AsRemembered, FreshGroups
from registry.ports.policy import PolicySets
from registry.services.fields import check_text
from registry.services.judging import (
    COMMENT_LENGTH_MAX,
    detail_of,
    reach_of,
    require_numbered,
    require_person,
    require_uninvolved,
    word_of,
)
from registry.services.lookups import event, model_of
from registry.services.overdue import write_down


class ReviewService:
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

    def get(self, caller: Caller, name: ReviewName) -> Review:
        return self._database.read(lambda tx: _visible(tx, caller, Action.PROMOTION_READ, name))

    def list(
        self,
        caller: Caller,
        *,
        model: ModelName | None,
        namespace: str | None,
        state: ReviewState | None,
        page: PageRequest,
    ) -> Page[Review]:
        """Newest first: of a model, of a namespace, or with neither of all that may be read."""
        reach = reach_of(caller, Action.PROMOTION_READ, model, namespace)
        of = fingerprint("reviews", str(model), namespace, state)
        after = decode_token(page.token, of, int)
        limit = page.limit()
        found = self._database.read(
            lambda tx: tx.reviews.list(
                reach=reach,
                model=model.path if model else "",
                state=state,
                after=after,
                limit=limit + 1,
            )
        )
        return page_of(found, limit, lambda review: (review.number,), of)

    def decide(self, caller: Caller, name: ReviewName, *, outcome: Outcome, comment: str) -> Review:
        """Say whether the move was right. The stage stays where it is."""
        require_person(caller, Action.PROMOTION_DECIDE, str(name))
        caller = self._fresh_groups.refreshed(caller)
        asked = self._database.read(lambda tx: _visible(tx, caller, Action.PROMOTION_DECIDE, name))
        check_text("comment", comment, COMMENT_LENGTH_MAX)

        def fn(tx: Transaction) -> Review:
            now = self._clock.now_us()
            model_of(tx, ModelName(path=asked.model), lock=True)
            review = tx.reviews.lock(asked.number)
            if review is None:
                raise _no_review(name)
            require_uninvolved(
                tx,
                caller,
                Action.PROMOTION_DECIDE,
                review.name,
                requester=review.requester,
                version=tx.versions.by_key(review.version_key),
                outcome=outcome,
                beside=[review.requester, *(word.decider for word in review.decisions)],
            )
            earlier = next((w for w in review.decisions if w.decider == caller.id), None)
            if earlier is not None and (earlier.outcome, earlier.comment) == (outcome, comment):
                return review
            _require_pending(review)
            word = word_of(
                caller,
                review.namespace,
                outcome,
                digest=review.digest,
                policy_digest=self._policies.active(tx).digest,
                comment=comment,
                now_us=now,
            )
            decisions = with_decision(review.decisions, word)
            state = state_after(decisions)
            end_us = None if state is ReviewState.PENDING else now
            tx.reviews.set_state(review.number, state, decisions=decisions, end_time_us=end_us)
            detail = {**detail_of(word), "promotion": review.promotion, "state": state.value}
            tx.events.append(event(caller, "review.decide", review.name, review.namespace, detail))
            if end_us is not None:
                action = "review.uphold" if state is ReviewState.UPHELD else "review.reject"
                tx.events.append(event(caller, action, review.name, review.namespace, {}))
            return dataclasses.replace(review, state=state, decisions=decisions, end_time_us=end_us)

        return self._database.write(fn, namespace=asked.namespace)

    def tell_overdue(self) -> int:
        """Write down, once each, which reviews are overdue; how many."""
        return write_down(
            self._database,
            self._clock,
            find=lambda tx, now, limit: tx.reviews.overdue(now, limit),
            lock=lambda tx, each: tx.reviews.lock(each.number),
            is_open=lambda each: each.state is ReviewState.PENDING and each.overdue_time_us is None,
            end=_overdue,
        )


def _overdue(tx: Transaction, review: Review, now_us: int) -> EventDraft:
    tx.reviews.mark_overdue(review.number, now_us)
    return EventDraft(
        action="review.overdue",
        resource=review.name,
        namespace=review.namespace,
        actor=SYSTEM,
        detail={
            "promotion": review.promotion,
            "requester": f"principals/{review.requester}",
        },
    )


def require_may_break(
    caller: Caller, name: VersionName, stage: str, reason: str, length_max: int
) -> None:
    """A person with the right to it, who says why."""
    caller.require(Action.PROMOTION_BREAK_GLASS, name.model.namespace, str(name), stage=stage)
    require_person(caller, Action.PROMOTION_BREAK_GLASS, str(name))
    check_text("note", reason, length_max, required=True)


def require_clean(tx: Transaction, caller: Caller, version: Version, now_us: int) -> None:
    """Nobody lets his own version in, nor breaks the glass again while a review is overdue."""
    require_uninvolved(
        tx,
        caller,
        Action.PROMOTION_BREAK_GLASS,
        version.name,
        requester="",
        version=version,
        outcome=Outcome.APPROVE,
    )
    late = tx.reviews.overdue_of(caller.id, now_us)
    if late is not None:
        raise InvalidStateError(
            name=late.name,
            action="be followed by another break-glass of yours",
            found=f"OVERDUE since {show_time(late.expire_time_us)}",
            allowed="decided on by two others",
            fix=f"Ask them for it: hallmark review decide {late.number} --approve",
        )


def open_review(
    tx: Transaction,
    caller: Caller,
    promotion: Promotion,
    passed_by: tuple[Requirement, ...],
    policy_digest: str,
    now_us: int,
) -> Review:
    """The review of a promotion that was just completed without its decisions."""
    review = tx.reviews.insert(
        Review(
            number=0,
            promotion=promotion.number,
            model_key=promotion.model_key,
            version_key=promotion.version_key,
            model=promotion.model,
            namespace=promotion.namespace,
            version_number=promotion.version_number,
            digest=promotion.digest,
            stage=promotion.stage,
            requester=caller.id,
            reason=promotion.note,
            rules=tuple(sorted({each.rule for each in passed_by})),
            state=ReviewState.PENDING,
            decisions=(),
            create_time_us=now_us,
            expire_time_us=now_us + DUE_US,
            overdue_time_us=None,
            end_time_us=None,
        )
    )
    detail: dict[str, object] = {
        "review": review.number,
        "rules": list(review.rules),
        "reason": review.reason,
        "policy_digest": policy_digest,
        "due_time_us": review.expire_time_us,
    }
    tx.events.append(
        event(caller, "promotion.break_glass", promotion.name, promotion.namespace, detail)
    )
    return review


def _require_pending(review: Review) -> None:
    if review.state is not ReviewState.PENDING:
        raise InvalidStateError(
            name=review.name,
            action="be decided on",
            found=review.state.value.upper(),
            allowed="PENDING",
            fix=f"Take the version out, if need be: hallmark rollback {review.model} "
            f"{review.stage}",
        )


def _no_review(name: ReviewName) -> NotFoundError:
    return NotFoundError(
        kind="review", name=str(name), fix="See which there are: hallmark review list"
    )


def _visible(tx: Transaction, caller: Caller, action: Action, name: ReviewName) -> Review:
    found = tx.reviews.get(name.number)
    require_numbered(caller, action, name, found, stage=found.stage if found else "")
    if found is None:
        raise _no_review(name)
    return found
