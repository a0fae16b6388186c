"""The inbox: what waits for whom. It decides nothing and holds nothing of its own."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from registry.domain.access import (
    REGISTRY_WIDE,
    STAGED_ACTIONS,
    Action,
    Caller,
    PrincipalKind,
)
from registry.domain.inbox import InboxItem, InboxKind, InboxScope
from registry.domain.pages import Page, PageRequest, decode_token, encode_token, fingerprint
from registry.domain.promotions import Promotion
from registry.domain.reviews import Review
from registry.domain.scopes import ANY, model_in
from registry.domain.versions import Version
from registry.domain.waivers import Waiver
from registry.names.rules import NUMBER_MAX
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy, PolicySets
from registry.ports.waiver_tables import WaitingQuery
from registry.services.independence import is_second
from registry.services.judging import contributors
from registry.services.readiness import subject_of
from registry.services.standing import approvers, rules_of, with_dead

PAGE_SIZE_MAX = 100
#: A page looks at so many items at most, since of those that wait few may be for the caller.
LOOKED_AT_MAX = 1000
_READ_AT_ONCE = 100

#: Where an item stands in the list: due time, kind, number.
_Place = tuple[int, int, int]
_KINDS = tuple(InboxKind)


@dataclass(frozen=True, kw_only=True)
class _Moment:
    """When the list is made, and under which policy."""

    now_us: int
    policy: Policy


@dataclass(frozen=True, kw_only=True)
class _Noun:
    """What waits of one kind: who may read it, who may decide on it, and how it is found."""

    read: Action
    decide: Action
    find: Callable[[Transaction, WaitingQuery, _Moment], Sequence[InboxItem]]
    #: Whether it goes on waiting when it is overdue.
    lasts: bool = False


class InboxService:
    def __init__(self, *, database: Database, clock: Clock, policies: PolicySets) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies

    def list(self, caller: Caller, *, scope: InboxScope, page: PageRequest) -> Page[InboxItem]:
        """The earliest due first; see InboxScope."""
        of = fingerprint("inbox", caller.id, scope)
        after = decode_token(page.token, of, int, int, int)
        limit = page.limit(PAGE_SIZE_MAX)
        if scope is InboxScope.WAITING_FOR_ME and caller.principal.kind is PrincipalKind.ROBOT:
            return Page(items=())
        now = self._clock.now_us()
        # What is overdue and lasts comes first.
        place = (int(after[0]), int(after[1]), int(after[2])) if after else (0, 0, 0)

        def fn(tx: Transaction) -> Page[InboxItem]:
            found: list[InboxItem] = []
            moment = _Moment(now_us=now, policy=self._policies.active(tx))
            streams = [_waiting(tx, caller, scope, kind, place, moment) for kind in _KINDS]
            last = place
            ahead = heapq.merge(*streams, key=itemgetter(0))
            for looked_at, (here, item) in enumerate(ahead):
                if len(found) == limit or looked_at == LOOKED_AT_MAX:
                    return Page(
                        items=_with_readiness(tx, found), next_page_token=encode_token(last, of)
                    )
                last = here
                if _is_for(tx, caller, scope, item):
                    found.append(item)
            return Page(items=_with_readiness(tx, found))

        return self._database.snapshot(fn)


def _with_readiness(tx: Transaction, items: Sequence[InboxItem]) -> tuple[InboxItem, ...]:
    """Each with the releases of Triton that its version is ready for."""
    subjects = {item.name: subject_of(item.version) for item in items if item.version}
    ready = tx.assessments.ready(set(subjects.values()))
    return tuple(
        dataclasses.replace(item, triton_ready=ready.get(subjects[item.name], ()))
        if item.name in subjects
        else item
        for item in items
    )


def _waiting(
    tx: Transaction,
    caller: Caller,
    scope: InboxScope,
    kind: InboxKind,
    place: _Place,
    moment: _Moment,
) -> Iterator[tuple[_Place, InboxItem]]:
    """What waits of one kind behind a place, read as far as it is asked for."""
    noun, rank = _NOUNS[kind], _KINDS.index(kind)
    action = noun.decide if scope is InboxScope.WAITING_FOR_ME else noun.read
    # Whether the token is good for an item is seen by the item, which has a stage.
    reach = dataclasses.replace(caller.reach(action), models=(ANY,))
    if not reach.allowed:
        return
    from_us, last_rank, last_number = place
    # Of those that are due at the very time of the last one, an earlier kind is done with.
    number = NUMBER_MAX if rank < last_rank else last_number if rank == last_rank else 0
    if from_us <= moment.now_us and not noun.lasts:
        # Time has ended what was due until now.
        from_us, number = moment.now_us + 1, 0
    while True:
        query = WaitingQuery(
            reach=reach,
            requester=caller.id if scope is InboxScope.MINE else "",
            from_us=from_us,
            after_number=number,
            limit=_READ_AT_ONCE,
        )
        found = noun.find(tx, query, moment)
        for item in found:
            yield (item.due_us, rank, item.number), item
        if len(found) < _READ_AT_ONCE:
            return
        from_us, number = found[-1].due_us, found[-1].number


def _is_for(tx: Transaction, caller: Caller, scope: InboxScope, item: InboxItem) -> bool:
    noun = _NOUNS[item.kind]
    action = noun.decide if scope is InboxScope.WAITING_FOR_ME else noun.read
    stage = item.stage if action in STAGED_ACTIONS else ""
    if not caller.may(action, item.namespace, model=model_in(item.subject), stage=stage):
        return False
    if scope is not InboxScope.WAITING_FOR_ME:
        return True
    return (
        caller.id not in (item.requester, item.principal)
        and caller.id not in item.deciders
        and (item.version is None or caller.id not in contributors(item.version))
        and (item.change is None or is_second(tx, caller, item.change))
    )


def _promotions(tx: Transaction, query: WaitingQuery, moment: _Moment) -> Sequence[InboxItem]:
    found = tx.inbox.promotions(query)
    versions = tx.versions.by_keys({promotion.version_key for promotion in found})
    return [_of_promotion(each, versions.get(each.version_key), moment) for each in found]


def _of_promotion(promotion: Promotion, version: Version | None, moment: _Moment) -> InboxItem:
    promotion = with_dead(promotion, moment.policy, version, moment.now_us)
    rules = "" if version is None else rules_of(version)
    # Whose approval no longer counts is asked again.
    standing = tuple(approvers(promotion, moment.policy, rules, moment.now_us))
    return InboxItem(
        kind=InboxKind.PROMOTION,
        number=promotion.number,
        name=promotion.name,
        subject=promotion.version,
        namespace=promotion.namespace,
        requester=promotion.requester,
        reason=promotion.note,
        since_us=promotion.create_time_us,
        due_us=promotion.expire_time_us,
        stage=promotion.stage,
        version=version,
        waiting=promotion.waiting,
        approvers=standing,
        deciders=standing,
    )


def _waivers(tx: Transaction, query: WaitingQuery, moment: _Moment) -> Sequence[InboxItem]:
    found = tx.inbox.waivers(query)
    versions = tx.versions.by_keys(_keys(waiver.version_key for waiver in found))
    return [_of_waiver(each, versions.get(each.version_key or 0)) for each in found]


def _of_waiver(waiver: Waiver, version: Version | None) -> InboxItem:
    return InboxItem(
        kind=InboxKind.WAIVER,
        number=waiver.number,
        name=waiver.name,
        subject=waiver.target,
        namespace=waiver.namespace,
        requester=waiver.requester,
        reason=waiver.reason,
        since_us=waiver.create_time_us,
        due_us=waiver.expire_time_us,
        stage=waiver.stage,
        rule=waiver.rule,
        version=version,
    )


def _acceptances(tx: Transaction, query: WaitingQuery, moment: _Moment) -> Sequence[InboxItem]:
    return [
        InboxItem(
            kind=InboxKind.ACCESS,
            number=each.number,
            name=each.name,
            subject=f"models/{each.model}",
            namespace=each.namespace,
            requester=each.requester,
            reason=each.reason,
            since_us=each.create_time_us,
            due_us=each.expire_time_us,
            principal=each.principal,
        )
        for each in tx.inbox.acceptances(query)
    ]


def _reviews(tx: Transaction, query: WaitingQuery, moment: _Moment) -> Sequence[InboxItem]:
    found = tx.inbox.reviews(query)
    versions = tx.versions.by_keys({review.version_key for review in found})
    return [_of_review(each, versions.get(each.version_key)) for each in found]


def _of_review(review: Review, version: Version | None) -> InboxItem:
    deciders = tuple(word.decider for word in review.decisions)
    return InboxItem(
        kind=InboxKind.REVIEW,
        number=review.number,
        name=review.name,
        subject=review.version,
        namespace=review.namespace,
        requester=review.requester,
        reason=review.reason,
        since_us=review.create_time_us,
        due_us=review.expire_time_us,
        stage=review.stage,
        version=version,
        # While it waits nobody has said no.
        approvers=deciders,
        deciders=deciders,
    )


def _policy_changes(tx: Transaction, query: WaitingQuery, moment: _Moment) -> Sequence[InboxItem]:
    return [
        InboxItem(
            kind=InboxKind.POLICY,
            number=each.number,
            name=each.name,
            subject=f"policySets/{each.digest}",
            namespace=REGISTRY_WIDE,
            requester=each.proposer,
            reason=each.note,
            since_us=each.create_time_us,
            due_us=each.expire_time_us,
            change=each,
        )
        for each in tx.inbox.policy_changes(query)
    ]


def _keys(found: Iterator[int | None]) -> set[int]:
    return set(chain.from_iterable(() if key is None else (key,) for key in found))


_NOUNS = {
    InboxKind.PROMOTION: _Noun(
        read=Action.PROMOTION_READ, decide=Action.PROMOTION_DECIDE, find=_promotions
    ),
    InboxKind.WAIVER: _Noun(read=Action.WAIVER_READ, decide=Action.WAIVER_DECIDE, find=_waivers),
    InboxKind.ACCESS: _Noun(
        read=Action.ACCESS_READ, decide=Action.ACCESS_DECIDE, find=_acceptances
    ),
    InboxKind.REVIEW: _Noun(
        read=Action.PROMOTION_READ, decide=Action.PROMOTION_DECIDE, find=_reviews, lasts=True
    ),
    InboxKind.POLICY: _Noun(
        read=Action.POLICY_READ, decide=Action.POLICY_DECIDE, find=_policy_changes
    ),
}
