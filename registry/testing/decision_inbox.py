"""A step of random histories: what waits for somebody is what the model says they may decide on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from registry.domain.inbox import InboxScope
from registry.domain.pages import PageRequest
from registry.testing.decision_history import History, ViolationError
from registry.testing.decision_model import Company, TokenFact
from registry.testing.decision_people import person_of


def look(h: History) -> None:
    """Of people here: of those in the directory the inbox knows the groups of their last login."""
    by = person_of(h, "reviewer", "security", "admin")
    account = h.company.accounts[by.owner]
    if account.is_known_there or by.stages:
        return
    found = h.attempt("look", lambda: _names(h, by))
    if found is None:
        return
    least, most = set[str](), set[str]()
    if not account.is_robot:
        least = _waiting(h.company, by, lambda version: _sponsored(h.company, version))
        most = _waiting(h.company, by, lambda version: h.company.versions[version].hands)
    if not least <= found <= most:
        raise ViolationError(
            f"the inbox of {by.owner} lacks {sorted(least - found)}, and has "
            f"{sorted(found - most)} beyond what waits for them"
        )
    h.says(f"{len(found)} wait for {by.owner}")


def _names(h: History, by: TokenFact) -> set[str]:
    caller, token, names = h.caller(by), "", set[str]()
    while True:
        page = h.world.inbox.list(
            caller, scope=InboxScope.WAITING_FOR_ME, page=PageRequest(token=token)
        )
        names |= {item.name for item in page.items}
        token = page.next_page_token
        if not token:
            return names


#: Name, what it takes to decide on it, who may not whatever they may, and the version it is about.
_Open = tuple[str, str, set[str], int | None]


def _waiting(company: Company, by: TokenFact, hands: Callable[[int], set[str]]) -> set[str]:
    """Names of what this token's owner may decide on now, and has not yet."""
    return {
        name
        for name, what, barred, version in _open(company, by)
        if by.owner not in barred
        and (version is None or by.owner not in hands(version))
        and company.may(by.owner, what)
    }


def _open(company: Company, by: TokenFact) -> Iterator[_Open]:
    yield from _open_moves(company)
    yield from _open_exceptions(company)
    yield from _open_proposals(company, by)


def _open_moves(company: Company) -> Iterator[_Open]:
    for number, request in company.requests.items():
        if company.is_open(request):
            said = {word.by for word in company.live(request)}
            barred = {request.requester, *said}
            yield f"promotions/{number}", "promotion", barred, request.version
    for number, review in company.reviews.items():
        if review.state == "pending":
            version = company.requests[review.promotion].version
            yield f"reviews/{number}", "promotion", {review.breaker, *review.yes}, version


def _open_exceptions(company: Company) -> Iterator[_Open]:
    for number, waiver in company.waivers.items():
        if waiver.state == "pending" and company.now_us < waiver.end_us:
            yield f"waivers/{number}", "waiver", {waiver.requester}, waiver.version
    for number, access in company.acceptances.items():
        if access.state == "pending" and company.counts(access):
            yield f"acceptances/{number}", "access", {access.principal, access.requester}, None


def _open_proposals(company: Company, by: TokenFact) -> Iterator[_Open]:
    for number, proposal in company.proposals.items():
        if company.is_proposed(proposal):
            barred = {proposal.proposer}
            for fact in company.tokens.values():
                barred |= fact.makers if fact.owner == proposal.proposer else set()
            if proposal.proposer in by.makers:
                barred.add(by.owner)
            yield f"policyChanges/{number}", "policy", barred, None


def _sponsored(company: Company, version: int) -> set[str]:
    """Who had a hand in a version, and whoever answered for its robots at any time: some of those
    are taken for contributors too."""
    hands = company.versions[version].hands
    return hands | {each for id in hands for each in company.accounts[id].sponsors}
