"""One random history of a company and its model: real services, and the model of what may be.

Every step draws from a generator of its own, so that a history can be cut down: whichever steps
are left out, the others draw what they drew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from registry.domain.access import Caller, PrincipalKind, Role, Token
from registry.domain.access import Grant as StoredGrant
from registry.domain.events import Event, shard_of
from registry.domain.group_roles import GroupRoles, GroupRule
from registry.domain.promotions import StagePeriod
from registry.domain.scopes import Scope
from registry.errors import HallmarkError
from registry.names import ModelName, PrincipalName
from registry.ports.database import Transaction
from registry.services.identity import Origin
from registry.testing.decision_model import Account, Company, Grant, TokenFact
from registry.testing.decision_sets import DAY_US, Offer, Reader, offers
from registry.testing.directory import MemoryDirectory
from registry.testing.policies import shipped_files
from registry.testing.world import World

NAMESPACE = "fraud"
MODEL = ModelName(path="fraud/scorer")
STAGES = ("staging", "production")
#: What the directory's groups are given here.
GROUPS = {
    "reviewers": (Grant(role="reviewer", where="fraud"),),
    "makers": (Grant(role="registrant", where="fraud"),),
    "security": (Grant(role="security", where="*"),),
    "banned": (
        Grant(role="reviewer", where="*", deny=True),
        Grant(role="security", where="*", deny=True),
    ),
}
#: Made at the start by root: role and place of each grant.
LOCALS: Mapping[str, tuple[str, ...]] = {
    "alice": ("registrant:fraud", "reviewer:fraud"),
    "ann": ("registrant:fraud",),
    "bob": ("reviewer:fraud", "registrant:fraud"),
    "ben": ("reviewer:fraud", "security:*"),
    "dora": ("deployer:fraud",),
    "sam": ("security:*",),
    "adele": ("admin:*", "reviewer:fraud", "registrant:fraud", "security:*"),
}
ROBOTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ci": ("bob", ("registrant:fraud",)),
    "rob": ("alice", ("registrant:fraud", "reviewer:fraud", "security:*", "deployer:fraud")),
    "maker": ("alice", ("admin:*",)),
}
DIRECTORY: Mapping[str, tuple[str, ...]] = {
    "dan": ("reviewers", "security"),
    "dea": ("reviewers", "makers"),
    "dot": ("security", "makers"),
}
_DESK = Origin(address="10.0.0.1", is_confidential=True)
_R = TypeVar("_R")


class ViolationError(AssertionError):
    """Something happened that the model does not allow; `log` says what led to it."""

    log: Sequence[str] = ()


class History:
    """Services on a fresh database, people, and the model that knows who they are.

    `files` is the policy that all sets of this history are variants of.
    """

    def __init__(self, folder: Path, seed: int, files: Mapping[str, bytes] | None = None) -> None:
        self.seed = seed
        self.offers = offers(files or shipped_files())
        first = self.offers[seed % len(self.offers)]
        self.people = MemoryDirectory()
        rules = [
            GroupRule(group=group, role=Role(g.role), namespace_pattern=g.where, deny=g.deny)
            for group, given in GROUPS.items()
            for g in given
        ]
        self.world = World(
            folder,
            directory=self.people,
            group_roles=GroupRoles(rules=tuple(rules)),
            reader=Reader(),
        )
        self.people.clock = self.world.clock
        self.company = Company(
            namespace=NAMESPACE,
            now_us=self.world.clock.now_us(),
            policy=first.digest,
            rules={offer.digest: offer.rules for offer in self.offers},
            group_grants=dict(GROUPS),
            stages={stage: [] for stage in STAGES},
        )
        self.secrets: dict[str, str] = {}
        #: Token to when it ends, as far as the model was told.
        self.ends: dict[str, int] = {}
        #: What the directory calls its people now.
        self.names: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        #: Addresses that were given out: ticket, token, version.
        self.tickets: list[tuple[str, TokenFact, int]] = []
        #: Branch main: formats of its files, whether all of them are of the newest commit, who
        #: wrote since the nearest earlier commit that was cut, the versions cut from that, and
        #: those cut from the newest commit.
        self.tree: frozenset[str] = frozenset()
        self.is_all_new = True
        self.since: set[str] = set()
        self.before: list[int] = []
        self.here: list[int] = []
        #: Whose token the next act uses, where that is not left to chance.
        self.speaker: TokenFact | None = None
        self.log: list[str] = []
        self.refused: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.expected_moves: list[tuple[str, int, int | None]] = []
        self._seen = dict.fromkeys((shard_of(NAMESPACE), shard_of("")), 0)
        self._periods: dict[str, StagePeriod | None] = dict.fromkeys(STAGES)
        self.rng = Random(f"{seed}/start")
        self._settle_in(first)
        self._new_events()

    def close(self) -> None:
        self.world.close()

    # The start.

    def _settle_in(self, offer: Offer) -> None:
        world = self.world

        def activate(tx: Transaction) -> None:
            tx.policies.put(offer.digest, offer.content, world.clock.now_us())
            tx.policies.activate(offer.digest, tx.policies.active(), world.clock.now_us())

        world.database.write(activate)
        world.model(MODEL.path)
        admin = Grant(role="admin", where="*")
        root = world.login("root", stored(admin), ttl_us=20_000 * DAY_US)
        self.company.accounts["root"] = Account(id="root", human="root", grants={admin})
        self.root = self.keep(root.caller.token, root.secret, frozenset())
        for id, grants in LOCALS.items():
            self.create(self.root, id, grants)
            self.mint(self.root, id)
        for id, (sponsor, grants) in ROBOTS.items():
            self.create(self.root, id, grants, sponsor=sponsor)
            self.mint(self.root, id)
        for user, groups in DIRECTORY.items():
            self.hire(user, groups)
            self.login(user)

    def hire(self, user: str, groups: tuple[str, ...]) -> None:
        human = self.people.add(user, groups=groups)
        self.names[human], self.passwords[human] = user, f"pw-{user}"
        self.company.groups[human] = set(groups)

    def create(
        self, by: TokenFact, id: str, grants: tuple[str, ...], *, sponsor: str = ""
    ) -> Account:
        """A new principal, by the service."""
        held = {Grant(role=role, where=at) for role, _, at in (g.partition(":") for g in grants)}
        kind = PrincipalKind.ROBOT if sponsor else PrincipalKind.PERSON
        self.world.principals.create(
            self.caller(by),
            id,
            kind=kind,
            display_name="",
            grants=[stored(each) for each in sorted(held, key=str)],
            request_id="",
            sponsor=sponsor,
        )
        account = Account(id=id, human=id, is_robot=bool(sponsor), sponsor=sponsor, grants=held)
        account.sponsors = {sponsor} - {""}
        self.company.accounts[id] = account
        return account

    def mint(
        self, by: TokenFact, owner: str, *, stages: frozenset[str] = frozenset(), days: int = 60
    ) -> TokenFact:
        token, secret = self.world.tokens.create(
            self.caller(by),
            PrincipalName(principal=owner),
            label="",
            expire_time_us=self.company.now_us + days * DAY_US,
            request_id="",
            scopes=[
                Scope(action="promotion.decide", model="fraud/*", stage=s) for s in sorted(stages)
            ],
        )
        return self.keep(token, secret, self.makers(by, owner), stages)

    def makers(self, by: TokenFact, owner: str) -> frozenset[str]:
        """Who may know a new token's secret: the maker, who answers for it, who made its token."""
        maker = self.company.accounts[by.owner]
        return frozenset({by.owner, *by.makers, *([maker.sponsor] if maker.sponsor else [])}) - {
            owner
        }

    def login(self, user: str) -> TokenFact:
        """A person of the directory, by its password."""
        human = next(id for id, name in self.names.items() if name == user)
        caller, secret = self.world.identity.login(
            user, self.passwords[human], label="", origin=_DESK
        )
        if caller.id not in self.company.accounts:
            self.company.accounts[caller.id] = Account(
                id=caller.id, human=human, is_known_there=True
            )
        return self.keep(caller.token, secret, frozenset())

    def keep(
        self,
        token: Token,
        secret: str,
        makers: frozenset[str],
        stages: frozenset[str] = frozenset(),
    ) -> TokenFact:
        fact = TokenFact(id=token.id, owner=token.principal, makers=makers, stages=stages)
        self.company.tokens[token.id] = fact
        self.secrets[token.id] = secret
        self.ends[token.id] = token.expire_time_us
        return fact

    # One step.

    def replay(
        self,
        numbers: Iterable[int],
        names: Mapping[str, tuple[int, Callable[[History], None]]],
    ) -> None:
        """Take these steps. Raises ViolationError."""
        weights = [weight for weight, _ in names.values()]
        for number in numbers:
            self.rng = Random(f"{self.seed}/{number}")
            (name,) = self.rng.choices(list(names), weights)
            self.tick(self.rng.randrange(1, 2_000_000))
            self.speaker = None
            self.log.append(f"{number} {name}")
            names[name][1](self)
            self.check()

    def tick(self, us: int = 1) -> None:
        """Let time pass. No two acts fall on one moment, so that what is new can be told."""
        self.world.clock.advance(us)
        self.company.now_us = self.world.clock.now_us()

    def attempt(self, what: str, fn: Callable[[], _R]) -> _R | None:
        """What a service answers; None where it refuses."""
        try:
            answer = fn()
        except HallmarkError as error:
            self.refused[f"{what} {error.reason}"] += 1
            self.log.append(f"   {what}: {error.reason}")
            return None
        self.done[what] += 1
        self.log.append(f"   {what}: done")
        return answer

    def caller(self, token: TokenFact) -> Caller:
        caller = self.world.authenticator.authenticate(self.secrets[token.id])
        if self.company.now_us >= self.ends[token.id]:
            raise ViolationError(f"the token {token.id} of {token.owner} has ended")
        if self.company.accounts[token.owner].is_disabled:
            raise ViolationError(f"{token.owner} is disabled")
        return caller

    def require(self, problem: str, what: str) -> None:
        """The model's objection to what a service has done, if any."""
        if problem:
            raise ViolationError(f"{what}: {problem}")

    def says(self, text: str) -> None:
        self.log.append(f"   {text}")

    # What is looked at after each step.

    def check(self) -> None:
        """The stages moved as the model says, with an event each, and nobody decided who may not
        ever."""
        moves = [e for e in self._new_events() if e.action in ("stage.move", "stage.rollback")]
        found: list[tuple[str, int, int | None]] = []
        for stage in STAGES:
            now = self._current(stage)
            before = self._periods[stage]
            if (now.key if now else 0) == (before.key if before else 0):
                continue
            self._periods[stage] = now
            found.append((stage, now.version_number, now.promotion) if now else (stage, 0, None))
            self.company.stages[stage].append(
                (now.version_number, now.promotion or 0) if now else None
            )
        if sorted(found, key=str) != sorted(self.expected_moves, key=str):
            raise ViolationError(f"stages moved: {found}, expected {self.expected_moves}")
        if len(moves) != len(found):
            raise ViolationError(f"{len(moves)} events of moves, expected {len(found)}")
        self.expected_moves = []

    def _new_events(self) -> list[Event]:
        events: list[Event] = []
        for shard, after in self._seen.items():
            new = self._after(shard, after)
            self._seen[shard] = max([after, *(e.number for e in new)])
            events.extend(new)
        for each in events:
            self._check_event(each)
        return events

    def _current(self, stage: str) -> StagePeriod | None:
        return self.world.database.read(lambda tx: tx.stages.current(MODEL.path, stage))

    def _after(self, shard: int, number: int) -> Sequence[Event]:
        return self.world.database.read(lambda tx: tx.events.shard(shard, number, 1000))

    def _check_event(self, event: Event) -> None:
        if not event.action.endswith(".decide"):
            return
        account = self.company.accounts.get(event.actor.removeprefix("principals/"))
        if account is None or account.is_robot:
            raise ViolationError(f"{event.actor} did {event.action} on {event.resource}")


def stored(grant: Grant) -> StoredGrant:
    return StoredGrant(role=Role(grant.role), namespace_pattern=grant.where, deny=grant.deny)
