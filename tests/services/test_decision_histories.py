"""Random histories find what they are there to find: services and policies that are broken."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from registry.domain.access import Caller
from registry.domain.directory import Account, LookedUp
from registry.domain.policy_sets import ChangeState, PolicyChange
from registry.services import acceptances, downloads, inbox, promotions
from registry.services.directory_accounts import AccountKeeper
from registry.testing import decision_history
from registry.testing.decision_history import ViolationError
from registry.testing.decision_steps import attempt
from registry.testing.directory import MemoryDirectory
from registry.testing.policies import shipped_files

pytestmark = pytest.mark.slow

#: So many histories at most are tried until one shows the mistake.
TRIED = 200
STEPS = range(150)


def found(folder: Path, expected: str, files: dict[str, bytes] | None = None) -> bool:
    """Whether a history is reproached with this (a pattern)."""
    for seed in range(TRIED):
        try:
            attempt(folder, seed, STEPS, files)
        except ViolationError as error:
            if re.search(expected, str(error)):
                return True
    return False


def without(*parts: str) -> dict[str, bytes]:
    """The shipped files, whose gate promote lacks these parts of expressions."""
    files = dict(shipped_files())
    text = files["promote.yaml"].decode()
    for part in parts:
        assert part in text
        text = text.replace(part, "", 1)
    files["promote.yaml"] = text.encode()
    return files


def test_a_policy_without_separation_of_duties(tmp_path: Path) -> None:
    """Where contributors may approve beside others, histories show one who does."""
    files = without()
    rule = b'require: "own.size() == 0"'
    assert rule in files["promote.yaml"]
    files["promote.yaml"] = files["promote.yaml"].replace(rule, b'require: "true"')
    assert found(tmp_path, "approves promotion .* had a hand in", files)


def test_a_policy_that_counts_approvals_for_ever(tmp_path: Path) -> None:
    """Where approvals never run out, histories show a stage that moved with one that did."""
    files = without(
        "\n    && timestamp(now) < timestamp(d.at) + duration(settings.approval_validity)",
        "\n    && (d.until == '' || timestamp(now) < timestamp(d.until))",
    )
    assert found(tmp_path, "the stage moved, with 1 of 2 approvals", files)


def nothing_asked(*given: object, **named: object) -> None:
    """In place of a check."""


class ByName(MemoryDirectory):
    """Takes the name that somebody has now for who it is."""

    def authenticate(
        self, user: str, password: str, *, admit: Callable[[str], None]
    ) -> Account | None:
        account = super().authenticate(user, password, admit=lambda _: admit(user))
        return None if account is None else dataclasses.replace(account, stable_id=account.user)

    def look_up(self, stable_ids: Sequence[str]) -> LookedUp:
        self._answer()
        found = {
            person.user: dataclasses.replace(self._account(person), stable_id=person.user)
            for person in self._people.values()
            if person.user in stable_ids
        }
        return LookedUp(accounts=found, unclear={})


def test_people_who_are_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a new name makes a new person, histories show one who approves under both."""
    monkeypatch.setattr(decision_history, "MemoryDirectory", ByName)
    assert found(tmp_path, "approves promotion .* had a hand in")


def test_tokens_that_anybody_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not asked who made a token, histories show a contributor who approves with
    somebody else's."""

    monkeypatch.setattr(promotions, "require_independent", nothing_asked)
    assert found(tmp_path, "approves promotion .* made")


def test_groups_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the directory is not asked at a decision, histories show a word that it denies."""

    def remembered(self: AccountKeeper, caller: Caller) -> Caller:
        return caller

    monkeypatch.setattr(AccountKeeper, "refreshed", remembered)
    assert found(tmp_path, "which knows|in the directory|holds no role|are not those of now")


def test_files_that_everybody_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not asked who accepted a model's terms, histories show somebody who fetches
    without."""
    monkeypatch.setattr(downloads, "require_terms", nothing_asked)
    assert found(tmp_path, "has not accepted the terms")


def test_people_who_let_themselves_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where whoever asks for access may approve it, histories show one who does."""
    monkeypatch.setattr(acceptances, "require_uninvolved", nothing_asked)
    assert found(tmp_path, "approves access")


def test_proposals_that_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time does not end what was proposed, histories show an old set that is adopted."""

    def as_stored(self: PolicyChange, now_us: int) -> ChangeState:
        return self.state

    monkeypatch.setattr(PolicyChange, "state_at", as_stored)
    assert found(tmp_path, "the set that .* proposed: it waits no more|withdraws .* waits no more")


def test_an_inbox_that_asks_the_proposer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a proposed policy waits for whoever made the proposer's token, histories show it."""

    def is_second(*given: object) -> bool:
        return True

    monkeypatch.setattr(inbox, "is_second", is_second)
    assert found(tmp_path, "policyChanges.* beyond what waits")
