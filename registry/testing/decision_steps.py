"""What may happen in a random history, and how often."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.testing import decision_access as access
from registry.testing import decision_acts as acts
from registry.testing import decision_exceptions as exceptions
from registry.testing import decision_inbox as inbox
from registry.testing import decision_people as people
from registry.testing.decision_audit import check_whole
from registry.testing.decision_history import History, ViolationError
from registry.testing.decision_sets import DAY_US

ACTS = (
    acts.decide,
    acts.decide,
    exceptions.review,
    exceptions.decide_waiver,
    exceptions.adopt,
    exceptions.break_glass,
    access.accept,
    access.decide,
)


def speak_as_another(h: History) -> None:
    """An administrator makes a token for somebody, perhaps with it another one, and acts first as
    themselves and then as that person, on whatever is there."""
    by = people.admin_of(h)
    owner = h.rng.choice([id for id in h.company.accounts if id != "root"])
    act = h.rng.choice(ACTS)
    if h.rng.random() < 0.6:
        h.speaker = by
        act(h)
        h.check()
        h.tick()
    made = h.attempt("mint", lambda: h.mint(by, owner))
    if made is not None and h.rng.random() < 0.4:
        first = made
        made = h.attempt("mint again", lambda: h.mint(first, owner)) or first
    if made is not None:
        h.speaker = made
        h.says(f"{by.owner} as {owner}")
        act(h)


def return_under_a_new_name(h: History) -> None:
    """Somebody of the directory pushes, asks, is renamed, logs in anew, and decides."""
    human = h.rng.choice(list(h.names))
    token = h.attempt("login", lambda: h.login(h.names[human]))
    if token is None:
        return
    for act in (acts.push, acts.request):
        h.speaker = token
        act(h)
        h.check()
        h.tick()
    people.give_name(h, human, f"new-{h.rng.randrange(10**6)}")
    h.speaker = h.attempt("login", lambda: h.login(h.names[human]))
    acts.decide(h)


def leave_a_robot(h: History) -> None:
    """A robot writes, somebody else answers for it from then on, and a version is cut; whoever
    answered before decides."""
    robot = h.company.accounts["ci"]
    former = robot.sponsor
    h.speaker = people.token_of(h, robot.id)
    acts.commit(h)
    people.hand_over(h, robot)
    for speaker, act in ((h.root, acts.vet), (None, acts.cut), (None, acts.request)):
        h.speaker = speaker
        act(h)
        h.check()
        h.tick()
    h.speaker = people.token_of(h, former)
    acts.decide(h)


def let_it_lie(h: History) -> None:
    """A request is decided on by one, and days later by others."""
    found = acts.some_request(h)
    for days in (11, 0, 0) if found else ():
        assert found is not None
        acts.decide_on(h, found)
        h.check()
        h.tick(1 + days * DAY_US)
        if days:
            people.renew(h)


STEPS: Mapping[str, tuple[int, Callable[[History], None]]] = {
    "push": (6, acts.push),
    "commit": (3, acts.commit),
    "cut": (3, acts.cut),
    "vet": (1, acts.vet),
    "vet anew": (2, acts.revet),
    "evaluate": (4, acts.evaluate),
    "yank": (2, acts.yank),
    "request": (14, acts.request),
    "decide": (40, acts.decide),
    "withdraw": (1, acts.withdraw),
    "roll back": (5, acts.rollback),
    "break glass": (3, exceptions.break_glass),
    "review": (6, exceptions.review),
    "ask for a waiver": (3, exceptions.ask_waiver),
    "decide on a waiver": (5, exceptions.decide_waiver),
    "revoke a waiver": (1, exceptions.revoke_waiver),
    "propose": (4, exceptions.propose),
    "adopt": (7, exceptions.adopt),
    "take back": (1, exceptions.take_back),
    "set terms": (2, access.set_terms),
    "accept": (4, access.accept),
    "decide on access": (6, access.decide),
    "shut out": (1, access.revoke),
    "fetch": (6, access.fetch),
    "use an address": (4, access.use_address),
    "look into an inbox": (5, inbox.look),
    "speak as another": (8, speak_as_another),
    "sweep": (2, exceptions.sweep),
    "time": (5, people.pass_time),
    "mint": (5, people.mint),
    "rotate": (2, people.rotate),
    "revoke": (2, people.revoke),
    "revoke all": (1, people.revoke_all),
    "login": (3, people.login),
    "second account": (1, people.second_account),
    "regroup": (3, people.regroup),
    "rename": (2, people.rename),
    "leave a robot": (2, leave_a_robot),
    "let it lie": (3, let_it_lie),
    "return under a new name": (2, return_under_a_new_name),
    "hire": (1, people.hire),
    "lock out": (1, people.lock_out),
    "outage": (1, people.outage),
    "refresh": (1, people.refresh),
    "disable": (1, people.disable),
    "regrant": (3, people.regrant),
    "sponsor": (1, people.responsible),
}


@dataclass
class Figures:
    """What histories have come to."""

    histories: int = 0
    steps: int = 0
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        moved = sum(count for what, count in self.done.items() if what.startswith("moved"))
        return (
            f"{self.histories} histories of {self.steps} steps, {self.done['decide']} words on "
            f"promotions, {moved} moves by them, {self.done['break glass']} broken glasses, "
            f"{self.done['rollback']} rollbacks, {self.done['adopt']} policies adopted, "
            f"{self.done['accept']} words on terms, {self.done['fetch']} fetches, "
            f"{self.done['look']} looks into an inbox, "
            f"{sum(self.refused.values())} refusals, 0 violations"
        )


def play(
    folder: Path, seeds: Iterable[int], steps: int, files: Mapping[str, bytes] | None = None
) -> Figures:
    """One history a seed. Raises ViolationError, with a history that was cut down to what it
    takes."""
    figures = Figures()
    for seed in seeds:
        try:
            history = attempt(folder, seed, range(steps), files)
        except ViolationError as error:
            raise ViolationError(shortened(folder, seed, steps, files)) from error
        figures.histories += 1
        figures.steps += steps
        figures.done += history.done
        figures.refused += history.refused
    return figures


def attempt(
    folder: Path, seed: int, numbers: Iterable[int], files: Mapping[str, bytes] | None = None
) -> History:
    """The history that these steps of a seed make, closed. Raises ViolationError."""
    place = folder / f"history-{seed}"
    place.mkdir()
    history = History(place, seed, files)
    try:
        history.replay(numbers, STEPS)
        check_whole(history)
    except ViolationError as error:
        error.log = history.log
        raise
    finally:
        history.close()
        shutil.rmtree(place)
    return history


def shortened(folder: Path, seed: int, steps: int, files: Mapping[str, bytes] | None = None) -> str:
    """The seed, and a short history of it that is still not allowed."""
    kept, told = list(range(steps)), [""]
    size = steps // 2
    while size:
        for start in range(0, steps, size):
            fewer = [number for number in kept if not start <= number < start + size]
            try:
                attempt(folder, seed, fewer, files)
            except ViolationError as error:
                kept, told = fewer, [f"seed {seed}: {error}", *error.log]
        size //= 2
    return "\n".join(told)
