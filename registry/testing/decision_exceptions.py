"""Steps of random histories that go past decisions, or change what they have to satisfy."""

from __future__ import annotations

from registry.domain.promotions import Outcome
from registry.domain.reviews import ReviewState
from registry.domain.waivers import WaiverState
from registry.names import PolicyChangeName, ReviewName, WaiverName
from registry.testing import decision_acts as acts
from registry.testing.decision_history import MODEL, STAGES, History, ViolationError
from registry.testing.decision_model import DUE_US, ProposalFact, ReviewFact, WaiverFact
from registry.testing.decision_people import person_of
from registry.testing.decision_sets import DAY_US, NOTE

APPROVE, REJECT = Outcome.APPROVE, Outcome.REJECT


def break_glass(h: History) -> None:
    fact = acts.some_version(h)
    if fact is None:
        return
    by, stage = person_of(h, "security"), h.rng.choice(STAGES)
    made = h.attempt("break glass", lambda: acts.create(h, by, fact, stage, None, break_glass=True))
    if made is None:
        return
    what = f"{by.owner} breaks the glass for version {fact.number} in {stage}"
    h.require(h.company.why_not(by, "glass", stage), what)
    h.require(h.company.entangled(by, fact.hands, fact), what)
    h.require(h.company.forbidden(fact, stage), what)
    h.require("a review of theirs is overdue" if h.company.overdue(by.owner) else "", what)
    acts.withdraw_all(h, fact.number, stage)
    request = acts.note_request(h, made, by)
    request.broke_glass, request.state = True, "completed"
    h.expected_moves.append((stage, fact.number, made.number))
    review = h.world.database.read(lambda tx: tx.reviews.of_promotion(made.number))
    if review is None or review.state is not ReviewState.PENDING:
        raise ViolationError(f"{what}: {review} is no open review")
    h.company.reviews[review.number] = ReviewFact(
        promotion=made.number, breaker=by.owner, makers=by.makers, due_us=h.company.now_us + DUE_US
    )


def review(h: History) -> None:
    open_ones = [n for n, r in h.company.reviews.items() if r.state == "pending"]
    if not open_ones:
        return
    number = h.rng.choice(open_ones)
    fact = h.company.reviews[number]
    request = h.company.requests[fact.promotion]
    version = h.company.versions[request.version]
    by = person_of(h, "reviewer", "security")
    outcome = APPROVE if h.rng.random() < 0.8 else REJECT
    done = h.attempt(
        "review",
        lambda: h.world.reviews.decide(
            h.caller(by), ReviewName(number=number), outcome=outcome, comment=""
        ),
    )
    if done is None:
        return
    what = f"{by.owner} {outcome.value}s review {number}"
    h.says(what)
    h.require(h.company.why_not(by, "promotion", request.stage), what)
    me = h.company.human(by.owner)
    beside = {h.company.human(fact.breaker): fact.makers, **fact.yes}
    beside.pop(me, None)
    is_yes = outcome is APPROVE
    asked_by = [fact.breaker, *version.hands]
    h.require(h.company.entangled(by, asked_by, version, approves=is_yes, beside=beside), what)
    h.require("broke the glass" if me == h.company.human(fact.breaker) else "", what)
    if outcome is REJECT:
        fact.state = "rejected"
    else:
        fact.yes[me] = by.makers
        fact.state = "upheld" if len(fact.yes) >= 2 else "pending"
    if done.state.value != fact.state:
        raise ViolationError(f"{what}: it is {done.state}, expected {fact.state}")


def ask_waiver(h: History) -> None:
    fact = acts.some_version(h)
    if fact is None:
        return
    is_wide = h.rng.random() < 0.4
    by, stage = person_of(h, "registrant", "deployer"), h.rng.choice(["", *STAGES])
    rule = h.rng.choice(["METRIC-1", "FREEZE"])
    end_us = h.company.now_us + h.rng.choice([3, 30, 80]) * DAY_US
    made = h.attempt(
        "ask for a waiver",
        lambda: h.world.waivers.request(
            h.caller(by),
            MODEL if is_wide else acts.name_of(fact.number),
            rule=rule,
            reason="why not",
            stage=stage,
            expire_time_us=end_us,
            request_id="",
        ),
    )
    if made is not None:
        h.company.waivers[made.number] = WaiverFact(
            rule=rule,
            version=None if is_wide else fact.number,
            stage=stage,
            requester=by.owner,
            asked_makers=by.makers,
            end_us=end_us,
        )


def decide_waiver(h: History) -> None:
    pending = [n for n, w in h.company.waivers.items() if w.state == "pending"]
    if not pending:
        return
    number = h.rng.choice(pending)
    fact, by = h.company.waivers[number], person_of(h, "security")
    outcome = APPROVE if h.rng.random() < 0.9 else REJECT
    done = h.attempt(
        "waiver",
        lambda: h.world.waivers.decide(
            h.caller(by), WaiverName(number=number), outcome=outcome, comment="", policy_digest=""
        ),
    )
    if done is None:
        return
    what = f"{by.owner} {outcome.value}s waiver {number}"
    h.says(what)
    h.require("" if h.company.now_us < fact.end_us else "its time is over", what)
    if outcome is REJECT:
        h.require(h.company.why_not(by, "waiver"), what)
        fact.state = "rejected"
        return
    version = None if fact.version is None else h.company.versions[fact.version]
    h.require(h.company.why_not(by, "waiver"), what)
    beside = {h.company.human(fact.requester): fact.asked_makers}
    h.require(h.company.entangled(by, [fact.requester], version, beside=beside), what)
    is_own = h.company.human(by.owner) == h.company.human(fact.requester)
    h.require("asked for it" if is_own else "", what)
    h.require("" if done.state is WaiverState.GRANTED else f"it is {done.state}", what)
    fact.state, fact.granted_by, fact.makers = "granted", by.owner, by.makers
    fact.policy, fact.rules = h.company.policy, "" if version is None else version.rules


def revoke_waiver(h: History) -> None:
    granted = [n for n, w in h.company.waivers.items() if w.state == "granted"]
    if not granted:
        return
    number, by = h.rng.choice(granted), person_of(h, "security")
    name = WaiverName(number=number)
    if h.attempt("revoke waiver", lambda: h.world.waivers.revoke(h.caller(by), name, comment="")):
        h.company.waivers[number].state = "revoked"


def propose(h: History) -> None:
    by, offer = person_of(h, "security", "admin"), h.rng.choice([*h.offers, h.offers[2]])
    made = h.attempt(
        "propose",
        lambda: h.world.policies.propose(
            h.caller(by), list(offer.files.items()), note=NOTE, validate_only=False, request_id=""
        ),
    )
    if made is not None:
        h.company.proposals[made.number] = ProposalFact(
            digest=offer.digest,
            base=h.company.policy,
            proposer=by.owner,
            makers=by.makers,
            made_us=h.company.now_us,
        )


def adopt(h: History) -> None:
    """A second person's word on a proposed set, mostly yes."""
    company = h.company
    if not company.proposals:
        return
    number = h.rng.choice(list(company.proposals)[-3:])
    proposal, by = company.proposals[number], person_of(h, "security", "admin")
    outcome = APPROVE if h.rng.random() < 0.85 else REJECT
    done = h.attempt(
        "adopt" if outcome is APPROVE else "turn down",
        lambda: h.world.policies.decide(
            h.caller(by),
            PolicyChangeName(number=number),
            outcome=outcome,
            digest=proposal.digest,
            comment="",
        ),
    )
    if done is None or done.end_time_us != company.now_us:
        return
    what = f"{by.owner} {outcome.value}s the set that {proposal.proposer} proposed"
    h.says(what)
    h.require(company.why_not(by, "policy"), what)
    beside = {company.human(proposal.proposer): proposal.makers}
    h.require(company.entangled(by, [proposal.proposer], None, beside=beside), what)
    h.require("they proposed it" if company.human(by.owner) in beside else "", what)
    h.require("" if company.is_proposed(proposal) else "it waits no more", what)
    if outcome is REJECT:
        proposal.state = "rejected"
        return
    h.require("" if proposal.base == company.policy else "another set is active since", what)
    proposal.state, company.policy = "activated", proposal.digest


def take_back(h: History) -> None:
    """A proposal is withdrawn."""
    pending = [n for n, p in h.company.proposals.items() if p.state == "pending"]
    if not pending:
        return
    number, by = h.rng.choice(pending), person_of(h, "security", "admin")
    name = PolicyChangeName(number=number)
    if h.attempt("take back", lambda: h.world.policies.withdraw(h.caller(by), name)):
        is_open = h.company.is_proposed(h.company.proposals[number])
        h.require("" if is_open else "it waits no more", f"{by.owner} withdraws proposal {number}")
        h.company.proposals[number].state = "withdrawn"


def sweep(h: History) -> None:
    """What time has ended is written down."""
    h.world.promotions.expire_overdue()
    h.world.waivers.expire_overdue()
    h.world.acceptances.expire_overdue()
    h.world.policies.expire_overdue()
    h.world.reviews.tell_overdue()
    h.world.reminders.remind()
    h.world.audit.make_if_due(1)
