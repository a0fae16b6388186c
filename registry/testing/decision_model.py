"""What may be in a stage, said a second time: from the words of `policies/` and `proto/ROLES.md`.

Nothing of the services, nor of the policy engine, is used here, so that a mistake there is not
made twice. Times are microseconds. Who somebody is, goes by the human behind an account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: Role to what it lets somebody do: decide on promotions (and reviews), waivers, policies and
#: requests for access; break a glass; set terms; fetch.
MAY = {
    "reader": {"fetch"},
    "registrant": {"fetch"},
    "deployer": {"fetch"},
    "reviewer": {"promotion", "access", "fetch"},
    "security": {"promotion", "waiver", "policy", "glass", "access", "terms", "fetch"},
    "admin": {"policy", "terms"},
}
DAY_US = 24 * 3600 * 1_000_000
DUE_US = 3 * DAY_US
#: How long a proposed policy, and a request for access, wait.
PROPOSED_US = 14 * DAY_US
ASKED_US = 14 * DAY_US


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role here ("fraud"), everywhere ("*") or elsewhere; or its denial."""

    role: str
    where: str
    deny: bool = False


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a policy set asks of a promotion, in so far as these histories touch it."""

    approval_validity_us: int
    request_ttl_us: int
    #: So many people, and one of them of this group where it is named.
    approvals: int = 1
    group: str = ""
    #: Stage to formats that it refuses.
    denied_formats: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Stage to the least value of the metric.
    floors: Mapping[str, float] = field(default_factory=dict)
    #: Stage, from, to.
    freezes: tuple[tuple[str, int, int], ...] = ()


@dataclass(kw_only=True)
class Account:
    """A principal. `human` is the stable id of who is behind it; a robot has none."""

    id: str
    human: str
    is_robot: bool = False
    #: In the company's directory.
    is_known_there: bool = False
    sponsor: str = ""
    #: Whoever answered for it at any time.
    sponsors: set[str] = field(default_factory=set)
    grants: set[Grant] = field(default_factory=set)
    is_disabled: bool = False


@dataclass(frozen=True, kw_only=True)
class TokenFact:
    id: str
    owner: str
    #: Accounts but the owner that may have seen this secret, or one that made it.
    makers: frozenset[str]
    #: Stages that it may decide on; empty: all.
    stages: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class VersionFact:
    number: int
    digest: str
    #: Accounts that had a hand in it: who registered, who committed, who answers for robots.
    hands: set[str]
    state: str = "quarantined"
    rules: str = ""
    formats: frozenset[str] = frozenset()
    #: The newest measured value of the metric that floors are about.
    metric: float | None = None


@dataclass(frozen=True, kw_only=True)
class Word:
    """An approval."""

    by: str
    makers: frozenset[str]
    groups: frozenset[str]
    digest: str
    policy: str
    rules: str
    at_us: int
    until_us: int | None = None


@dataclass(kw_only=True)
class Request:
    number: int
    version: int
    stage: str
    requester: str
    end_us: int
    state: str = "pending"
    #: By the human behind it: the last word alone counts.
    words: dict[str, Word] = field(default_factory=dict)
    broke_glass: bool = False


@dataclass(kw_only=True)
class WaiverFact:
    rule: str
    #: None: every version.
    version: int | None
    stage: str
    requester: str
    asked_makers: frozenset[str]
    end_us: int
    state: str = "pending"
    granted_by: str = ""
    makers: frozenset[str] = frozenset()
    #: In force when it was granted, the verdict's rules for one version.
    policy: str = ""
    rules: str = ""


@dataclass(kw_only=True)
class ReviewFact:
    promotion: int
    breaker: str
    makers: frozenset[str]
    due_us: int
    state: str = "pending"
    yes: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass(kw_only=True)
class ProposalFact:
    digest: str
    base: str
    proposer: str
    makers: frozenset[str]
    made_us: int
    state: str = "pending"


@dataclass(frozen=True, kw_only=True)
class TermsFact:
    digest: str
    days: int
    needs_approval: bool


@dataclass(kw_only=True)
class AcceptanceFact:
    principal: str
    requester: str
    #: Of the token that it was asked for with.
    makers: frozenset[str]
    terms: str
    end_us: int
    state: str


@dataclass(kw_only=True)
class Company:
    """The truth of one history: people, the directory, tokens, one model of one namespace."""

    namespace: str
    now_us: int
    policy: str
    rules: dict[str, Rules]
    accounts: dict[str, Account] = field(default_factory=dict)
    #: Human to groups, of the directory's people.
    groups: dict[str, set[str]] = field(default_factory=dict)
    #: Humans whose account there is disabled.
    locked_out: set[str] = field(default_factory=set)
    is_directory_down: bool = False
    group_grants: dict[str, tuple[Grant, ...]] = field(default_factory=dict)
    tokens: dict[str, TokenFact] = field(default_factory=dict)
    versions: dict[int, VersionFact] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    waivers: dict[int, WaiverFact] = field(default_factory=dict)
    reviews: dict[int, ReviewFact] = field(default_factory=dict)
    proposals: dict[int, ProposalFact] = field(default_factory=dict)
    #: What has to be accepted now; None: nothing.
    terms: TermsFact | None = None
    acceptances: dict[int, AcceptanceFact] = field(default_factory=dict)
    #: Stage to the versions that were in it, oldest first, each with its promotion; None: emptied.
    stages: dict[str, list[tuple[int, int] | None]] = field(default_factory=dict)

    @property
    def active(self) -> Rules:
        return self.rules[self.policy]

    # Who somebody is, and what they may.

    def human(self, id: str) -> str:
        return self.accounts[id].human or id

    def groups_of(self, id: str) -> frozenset[str]:
        return frozenset(self.groups.get(self.accounts[id].human, ()))

    def may(self, id: str, what: str) -> bool:
        """A grant whose role holds it covers the place, and no denying one does."""
        account = self.accounts[id]
        held = set(account.grants)
        for group in self.groups_of(id):
            held.update(self.group_grants.get(group, ()))
        places = {"*"} if what == "policy" else {"*", self.namespace}
        fits = [g for g in held if what in MAY.get(g.role, ()) and g.where in places]
        return any(not g.deny for g in fits) and not any(g.deny for g in fits)

    def why_not(self, token: TokenFact, what: str, stage: str = "") -> str:
        """Why this token's owner cannot be the person who says something now, or "" """
        account = self.accounts[token.owner]
        if account.is_robot:
            return f"{account.id} is a robot"
        if account.is_disabled:
            return f"{account.id} is disabled"
        if account.is_known_there and self.is_directory_down:
            return f"the directory, which knows {account.id}, is down"
        if account.human in self.locked_out:
            return f"{account.id} is disabled in the directory"
        if not self.may(account.id, what):
            return f"{account.id} holds no role that lets decide on a {what}"
        if token.stages and stage not in token.stages:
            return f"the token is good for {sorted(token.stages)}, not {stage}"
        return ""

    def hands_of(self, version: VersionFact) -> set[str]:
        """The humans who had a hand in a version, and its robots."""
        return {self.human(id) for id in version.hands}

    def entangled(
        self,
        token: TokenFact,
        asked_by: Iterable[str],
        version: VersionFact | None,
        *,
        approves: bool = True,
        beside: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> str:
        """Why the word of this token's owner may be that of somebody it is about, or "". Who made
        a contributor's token may reject: nobody gains by that. `beside` are humans whose word is
        needed too, each with the makers of the token that it was said with."""
        hands = set() if version is None else self.hands_of(version)
        made_by = {self.human(id) for id in token.makers}
        if made_by & (hands | {self.human(id) for id in asked_by}):
            return f"the token of {token.owner} was made by {sorted(made_by)}"
        me = self.human(token.owner)
        for other, makers in beside.items() if approves else ():
            if other in made_by or me in map(self.human, makers):
                return f"{me} and {other} may be one"
        if version is None:
            return ""
        if self.human(token.owner) in hands:
            return f"{token.owner} had a hand in version {version.number}"
        for fact in self.tokens.values() if approves else ():
            if self.human(fact.owner) in hands and me in map(self.human, fact.makers):
                return f"{token.owner} made a token of {fact.owner}, who had a hand in it"
        return ""

    # Which rules hold, and who may fetch.

    def is_proposed(self, proposal: ProposalFact) -> bool:
        return proposal.state == "pending" and self.now_us < proposal.made_us + PROPOSED_US

    def counts(self, acceptance: AcceptanceFact) -> bool:
        """It lets its principal in, or waits to."""
        return acceptance.state in ("pending", "granted") and self.now_us < acceptance.end_us

    def shut_out(self, principal: str) -> str:
        """Why the terms of now let this account fetch nothing, or "" """
        if self.terms is None:
            return ""
        accepted = any(
            each.principal == principal
            and each.terms == self.terms.digest
            and each.state == "granted"
            and self.counts(each)
            for each in self.acceptances.values()
        )
        return "" if accepted else f"{principal} has not accepted the terms"

    def lets_oneself_in(self, token: TokenFact, acceptance: AcceptanceFact) -> str:
        """Why an approval by this token's owner lets in the owner, or "" """
        me = self.human(token.owner)
        for id in (acceptance.requester, acceptance.principal):
            if self.human(id) == me:
                return f"{id} is {token.owner}"
        for fact in self.tokens.values():
            is_let_in = self.human(fact.owner) == self.human(acceptance.principal)
            if is_let_in and me in map(self.human, fact.makers):
                return f"{token.owner} made a token of {fact.owner}"
        return ""

    # What a stage may hold.

    def live(self, request: Request) -> list[Word]:
        """Approvals of these very bytes, under the rules and the verdict of now, not run out."""
        version = self.versions[request.version]
        return [
            word
            for word in request.words.values()
            if not self.accounts[word.by].is_robot
            and (word.digest, word.policy, word.rules)
            == (version.digest, self.policy, version.rules)
            and self.now_us < word.at_us + self.active.approval_validity_us
            and (word.until_us is None or self.now_us < word.until_us)
        ]

    def lacking(self, request: Request) -> str:
        """Which decisions a request lacks to pass, or "" """
        live = self.live(request)
        hands = self.hands_of(self.versions[request.version]) | {self.human(request.requester)}
        own = [word.by for word in live if self.human(word.by) in hands]
        if own:
            return f"{own} had a hand in it, or asked, and approved"
        for one in live:
            for other in live:
                if one is not other and self.human(other.by) in map(self.human, one.makers):
                    return f"{other.by} made the token with which {one.by} approved"
        if len(live) < max(self.active.approvals, 1):
            return f"{len(live)} of {self.active.approvals} approvals"
        if self.active.group and not any(self.active.group in word.groups for word in live):
            return f"no approval of group {self.active.group}"
        return ""

    def forbidden(self, version: VersionFact, stage: str) -> str:
        """Which rule forbids the stage whatever anybody decides, or "" """
        if version.state != "released":
            return f"version {version.number} is {version.state}"
        if version.formats & self.active.denied_formats.get(stage, frozenset()):
            return f"formats {sorted(version.formats)}"
        least = self.active.floors.get(stage)
        is_low = least is not None and (version.metric is None or version.metric < least)
        if is_low and not self.waived("METRIC-1", version, stage):
            return f"the metric is {version.metric}, expected {least}"
        is_frozen = any(
            frozen == stage and start_us <= self.now_us < end_us
            for frozen, start_us, end_us in self.active.freezes
        )
        if is_frozen and not self.waived("FREEZE", version, stage):
            return f"{stage} is frozen"
        return ""

    def waived(self, rule: str, version: VersionFact, stage: str) -> bool:
        hands = self.hands_of(version)
        return any(
            waiver.state == "granted"
            and waiver.rule == rule
            and waiver.version in (None, version.number)
            and waiver.stage in ("", stage)
            and self.now_us < waiver.end_us
            and waiver.policy == self.policy
            and (waiver.version is None or waiver.rules == version.rules)
            and self.human(waiver.granted_by) not in hands
            and not hands & set(map(self.human, waiver.makers))
            for waiver in self.waivers.values()
        )

    def is_open(self, request: Request) -> bool:
        return request.state == "pending" and self.now_us < request.end_us

    def due(self, request: Request) -> bool:
        """Whether an approval of this moment moves the stage."""
        return not self.lacking(request) and not self.forbidden(
            self.versions[request.version], request.stage
        )

    def overdue(self, breaker: str) -> bool:
        return any(
            review.state == "pending"
            and review.due_us <= self.now_us
            and self.human(review.breaker) == self.human(breaker)
            for review in self.reviews.values()
        )

    def rejected(self, promotion: int) -> bool:
        return any(
            r.promotion == promotion and r.state == "rejected" for r in self.reviews.values()
        )

    def never_there(self, stage: str, version: int, promotion: int) -> str:
        """Why a rollback must not bring this version back, or "" """
        if (version, promotion) not in self.stages.get(stage, ()):
            return f"version {version} was never in {stage} by promotion {promotion}"
        if self.versions[version].state != "released":
            return f"version {version} is {self.versions[version].state}"
        if self.rejected(promotion):
            return f"the break-glass of promotion {promotion} was rejected"
        return ""
