"""Steps of random histories that are about terms: who accepted them, and who may fetch by that."""

from __future__ import annotations

from registry.domain.promotions import Outcome
from registry.domain.terms import Acceptance
from registry.errors import HallmarkError
from registry.names import AcceptanceName
from registry.testing.decision_acts import name_of, some_version
from registry.testing.decision_history import MODEL, History, ViolationError
from registry.testing.decision_model import (
    ASKED_US,
    DAY_US,
    AcceptanceFact,
    TermsFact,
    TokenFact,
)
from registry.testing.decision_people import person_of

APPROVE, REJECT = Outcome.APPROVE, Outcome.REJECT
READERS = ("reader", "registrant", "reviewer", "deployer", "security")


def _holds(h: History, by: TokenFact, what: str) -> str:
    """Why not, by the grants of now. Of somebody in the directory the services know the groups of
    the last login, where they do not ask it anew."""
    account = h.company.accounts[by.owner]
    if account.is_known_there or h.company.may(by.owner, what):
        return ""
    return f"{by.owner} holds no role that lets {what}"


def set_terms(h: History) -> None:
    """Other terms, some of those before, or none."""
    by = person_of(h, "security", "admin")
    if h.rng.random() < 0.25:
        if h.attempt("clear terms", lambda: _cleared(h, by)):
            h.require(_holds(h, by, "terms"), f"{by.owner} clears the terms")
            h.company.terms = None
        return
    label, days = h.rng.choice(["v1", "v2"]), h.rng.choice([5, 40])
    approval = h.rng.random() < 0.5
    made = h.attempt(
        "set terms",
        lambda: h.world.terms.set(
            h.caller(by),
            MODEL,
            label=label,
            text="No evil.",
            url="",
            validity_days=days,
            approval_required=approval,
            etag="",
        ),
    )
    if made is not None:
        h.require(_holds(h, by, "terms"), f"{by.owner} sets terms")
        h.company.terms = TermsFact(digest=made.digest, days=days, needs_approval=approval)
        h.says(f"terms {label}, {days} days, approval {approval}")


def _cleared(h: History, by: TokenFact) -> bool:
    h.world.terms.clear(h.caller(by), MODEL, etag="")
    return True


def accept(h: History) -> None:
    """For oneself or for a robot, with a reason where an approval is asked for."""
    terms = h.company.terms
    if terms is None:
        set_terms(h)
        return
    by = person_of(h, *READERS)
    robot = h.rng.choice(["", "", "ci", "rob"])
    is_asked = terms.needs_approval or h.rng.random() < 0.2
    digest = terms.digest if h.rng.random() < 0.95 else "sha256:" + "0" * 64

    def call() -> Acceptance:
        if is_asked:
            return h.world.acceptances.request(
                h.caller(by), MODEL, terms_digest=digest, reason="why not", on_behalf_of=robot
            )
        return h.world.acceptances.accept(
            h.caller(by), MODEL, terms_digest=digest, on_behalf_of=robot
        )

    made = h.attempt("accept", call)
    if made is None:
        return
    what = f"{by.owner} accepts for {robot or by.owner}: {made.number}"
    h.says(what)
    account = h.company.accounts[by.owner]
    h.require("a robot accepts nothing" if account.is_robot else "", what)
    h.require("" if digest == terms.digest else "of other terms", what)
    if not robot:
        h.require(_holds(h, by, "fetch"), what)
    known = h.company.acceptances.get(made.number)
    if known is not None:
        is_this = (known.principal, known.terms) == (robot or by.owner, terms.digest)
        h.require("" if is_this and h.company.counts(known) else "it is another, or over", what)
        return
    span_us = ASKED_US if terms.needs_approval else terms.days * DAY_US
    h.company.acceptances[made.number] = AcceptanceFact(
        principal=robot or by.owner,
        requester=by.owner,
        makers=by.makers,
        terms=terms.digest,
        end_us=h.company.now_us + span_us,
        state="pending" if terms.needs_approval else "granted",
    )


def decide(h: History) -> None:
    """Somebody lets in who asked for it, or does not."""
    pending = [n for n, a in h.company.acceptances.items() if a.state == "pending"]
    if not pending:
        accept(h)
        return
    number = h.rng.choice(pending[-4:])
    fact, by = h.company.acceptances[number], person_of(h, "reviewer", "security")
    outcome = APPROVE if h.rng.random() < 0.85 else REJECT
    done = h.attempt(
        "let in",
        lambda: h.world.acceptances.decide(
            h.caller(by), AcceptanceName(number=number), outcome=outcome, comment=""
        ),
    )
    if done is None:
        return
    company = h.company
    what = f"{by.owner} {outcome.value}s access {number} of {fact.principal}"
    h.says(what)
    h.require(company.why_not(by, "access"), what)
    h.require(company.entangled(by, [fact.requester, fact.principal], None), what)
    h.require("" if company.counts(fact) else "it is over", what)
    if outcome is REJECT:
        fact.state = "rejected"
        return
    beside = {company.human(fact.requester): fact.makers}
    h.require(company.entangled(by, [fact.requester], None, beside=beside), what)
    h.require(company.lets_oneself_in(by, fact), what)
    terms = company.terms
    if terms is None or terms.digest != fact.terms:
        raise ViolationError(f"{what}: under terms that are not those of now")
    fact.state, fact.end_us = "granted", company.now_us + terms.days * DAY_US


def revoke(h: History) -> None:
    """By whoever may decide, or who is let in."""
    running = [n for n, a in h.company.acceptances.items() if h.company.counts(a)]
    if not running:
        return
    number = h.rng.choice(running)
    by, name = person_of(h, "reviewer", "security"), AcceptanceName(number=number)
    if h.attempt("shut out", lambda: h.world.acceptances.revoke(h.caller(by), name, comment="")):
        h.company.acceptances[number].state = "revoked"


def fetch(h: History) -> None:
    """Somebody asks for addresses of a version's files: to be had by nobody whom the terms of now
    shut out, and by everybody else who may."""
    fact = some_version(h)
    if fact is None:
        return
    by = person_of(h, *READERS)
    given = h.attempt(
        "fetch",
        lambda: h.world.downloads.create(h.caller(by), name_of(fact.number), digest="", paths=()),
    )
    why_not = _why_not_fetch(h, by, fact.number)
    if given is not None:
        h.require(why_not, f"{by.owner} fetches version {fact.number}")
        h.tickets += [(ticket, by, fact.number) for _, ticket in given.files]
    elif not why_not and _is_surely_known(h, by):
        raise ViolationError(f"{by.owner} cannot fetch version {fact.number}, and nothing is amiss")


def use_address(h: History) -> None:
    """An address that was given out leads to bytes only while its holder may still fetch."""
    if not h.tickets:
        fetch(h)
        return
    ticket, by, number = h.rng.choice(h.tickets[-10:])
    try:
        h.world.downloads.open(ticket)
    except HallmarkError:
        return
    h.done["use an address"] += 1
    what = f"{by.owner} uses an address of version {number}"
    h.require("its token has ended" if h.company.now_us >= h.ends[by.id] else "", what)
    is_disabled = h.company.accounts[by.owner].is_disabled
    h.require("they are disabled" if is_disabled else "", what)
    h.require(_why_not_fetch(h, by, number), what)


def _why_not_fetch(h: History, by: TokenFact, number: int) -> str:
    state = h.company.versions[number].state
    if state != "released":
        return f"it is {state}"
    return h.company.shut_out(by.owner) or _holds(h, by, "fetch")


def _is_surely_known(h: History, by: TokenFact) -> bool:
    """Nothing but the grants here says what this token is good for."""
    account = h.company.accounts[by.owner]
    is_live = h.company.now_us < h.ends[by.id] and not account.is_disabled
    return is_live and not account.is_known_there and not by.stages
