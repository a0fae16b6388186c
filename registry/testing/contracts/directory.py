"""What every directory has to do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import pytest

from registry.domain.directory import PASSWORD_BYTES_MAX, Account
from registry.errors import DirectoryUnavailableError, HallmarkError
from registry.ports.directory import Directory


class Company(Protocol):
    """A directory and what its administrators do. Somebody's password is `pw-` and the first name
    that they had."""

    @property
    def directory(self) -> Directory: ...

    def hire(self, user: str) -> None: ...
    def dismiss(self, user: str) -> None: ...
    def disable(self, user: str) -> None: ...
    def rename(self, user: str, to: str) -> None: ...
    def form(self, group: str, *, people: list[str], groups: list[str]) -> None: ...
    def take_down(self) -> None: ...


class Admitted:
    """Remembers whose passwords were about to be tried."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def __call__(self, stable_id: str) -> None:
        self.ids.append(stable_id)


def login(company: Company, user: str, password: str) -> Account | None:
    return company.directory.authenticate(user, password, admit=Admitted())


def known(company: Company, user: str) -> Account:
    account = login(company, user, f"pw-{user}")
    assert account is not None
    return account


def found_by_id(company: Company, *stable_ids: str) -> Mapping[str, Account]:
    found = company.directory.look_up(stable_ids)
    assert found.unclear == {}
    return found.accounts


HOSTILE_NAMES = [
    "",
    " ",
    "*",
    "a*",
    "alice*",
    "*)(uid=*",
    "alice)(|(uid=*",
    "alice)(objectClass=*",
    "alice)",
    "(alice",
    "alice\\2a",
    "\\61lice",
    "alice\0",
    "\0",
    "alice\n",
    " alice",
    "alice ",
    "alice,ou=people",
    "uid=alice,ou=people,dc=example,dc=test",
    "x" * 129,
    "\ud800",
    "\u202ealice",
]
HOSTILE_PASSWORDS = [
    "",
    " ",
    "\t\n ",
    "\u00a0",
    "\u2003",
    "\0",
    "\0pw-alice",
    "pw-alice\0",
    "pw-alice\0x",
    "\u00ad",
    "\u200b",
    "\ud800",
    "*",
    "pw-alice ",
    "PW-ALICE",
    "x" * (PASSWORD_BYTES_MAX + 1),
    "\u20ac" * PASSWORD_BYTES_MAX,
]


class DirectoryContract:
    """A suite: the fixture `company` has alice, who is in no group."""

    def test_a_password_proves_its_account(self, company: Company) -> None:
        """The account whose password it is comes back, with a stable id and its name."""
        alice = known(company, "alice")
        assert alice.user == "alice"
        assert alice.mail == "alice@example.test"
        assert alice.stable_id
        assert (alice.groups, alice.disabled) == ((), False)

    def test_a_wrong_password_proves_nothing(self, company: Company) -> None:
        """Neither a wrong password nor a name that nobody bears gives an account."""
        assert login(company, "alice", "pw-bob") is None
        assert login(company, "nobody", "pw-alice") is None

    def test_names_have_no_case(self, company: Company) -> None:
        """However a name is written, it is the same account, by the directory's spelling."""
        assert known(company, "alice") == login(company, "ALICE", "pw-alice")

    @pytest.mark.parametrize("user", HOSTILE_NAMES, ids=ascii)
    @pytest.mark.parametrize("password", ["pw-alice", ""])
    def test_hostile_names_let_nobody_in(self, company: Company, user: str, password: str) -> None:
        """No text that plays with filters, names or bytes is taken for anybody's name."""
        admitted = Admitted()
        assert company.directory.authenticate(user, password, admit=admitted) is None
        assert admitted.ids == []

    @pytest.mark.parametrize("password", HOSTILE_PASSWORDS, ids=lambda p: ascii(p)[:20])
    def test_hostile_passwords_let_nobody_in(self, company: Company, password: str) -> None:
        """Nothing that is, or may become, an empty password lets anybody in."""
        assert login(company, "alice", password) is None

    @pytest.mark.parametrize("password", ["", " ", "\0", "x" * (PASSWORD_BYTES_MAX + 1)], ids=ascii)
    def test_what_is_no_password_is_not_sent(self, company: Company, password: str) -> None:
        """For what is no password the directory is not even asked."""
        company.take_down()
        assert login(company, "alice", password) is None

    def test_who_is_tried_is_told_before(self, company: Company) -> None:
        """Before a password is tried its account is named, and a refusal keeps it from that."""
        stable_id = known(company, "alice").stable_id
        admitted = Admitted()
        company.directory.authenticate("alice", "wrong", admit=admitted)
        assert admitted.ids == [stable_id]

        def refuse(stable_id: str) -> None:
            raise HallmarkError

        with pytest.raises(HallmarkError):
            company.directory.authenticate("alice", "pw-alice", admit=refuse)

    def test_names_beyond_ascii(self, company: Company) -> None:
        """People may be called as they are called."""
        company.hire("bj\u00f6rn")
        assert known(company, "bj\u00f6rn").user == "bj\u00f6rn"

    def test_groups_in_groups(self, company: Company) -> None:
        """All groups above somebody are held, however deep, and those that hold each other once."""
        company.form("ml-fraud", people=["alice"], groups=[])
        company.form("ml", people=[], groups=["ml-fraud"])
        company.form("ring", people=[], groups=["ml"])
        company.form("everyone", people=[], groups=["ml", "ring"])
        company.form("others", people=["bob"], groups=[])
        company.form("ring", people=[], groups=["ml", "everyone"])
        assert known(company, "alice").groups == ("everyone", "ml", "ml-fraud", "ring")

    def test_a_disabled_account_says_so(self, company: Company) -> None:
        """Whoever is disabled is found as disabled, by password or by id."""
        alice = known(company, "alice")
        company.disable("alice")
        assert found_by_id(company, alice.stable_id)[alice.stable_id].disabled
        by_password = login(company, "alice", "pw-alice")
        assert by_password is None or by_password.disabled

    def test_an_account_is_found_by_its_id(self, company: Company) -> None:
        """By its id an account is found with all that a password would show."""
        alice = known(company, "alice")
        assert found_by_id(company, alice.stable_id, "no-such-id*") == {alice.stable_id: alice}

    def test_many_are_found_at_once(self, company: Company) -> None:
        """Among others each is found as it is found alone, with groups and standing of its own."""
        users = ["alice", "bob", *(f"u{number}" for number in range(6))]
        for user in users[2:]:
            company.hire(user)
        company.form("ml", people=["alice", "u1"], groups=[])
        company.form("all", people=["bob"], groups=["ml"])
        ids = {user: known(company, user).stable_id for user in users}
        company.disable("u2")
        company.dismiss("u3")
        found = found_by_id(company, *ids.values())
        assert set(found) == set(ids.values()) - {ids["u3"]}
        for user, expected in (("alice", ("all", "ml")), ("bob", ("all",)), ("u4", ())):
            assert found[ids[user]].groups == expected
        assert [user for user in users if user != "u3" and found[ids[user]].disabled] == ["u2"]
        for id, account in found.items():
            assert found_by_id(company, id) == {id: account}

    def test_a_renamed_account_keeps_its_id(self, company: Company) -> None:
        """Another name makes no other account, and the old name means nobody."""
        alice = known(company, "alice")
        company.rename("alice", "alison")
        renamed = login(company, "alison", "pw-alice")
        assert renamed is not None
        assert (renamed.stable_id, renamed.user) == (alice.stable_id, "alison")
        assert login(company, "alice", "pw-alice") is None

    def test_a_name_that_is_used_again_is_another_account(self, company: Company) -> None:
        """Who takes over the name of somebody who has gone is somebody else."""
        alice = known(company, "alice")
        company.dismiss("alice")
        assert found_by_id(company, alice.stable_id) == {}
        company.hire("alice")
        assert known(company, "alice").stable_id != alice.stable_id

    def test_a_directory_that_is_down_lets_nobody_in(self, company: Company) -> None:
        """Where nobody answers, nobody is taken for gone either."""
        alice = known(company, "alice")
        assert all(step.ok for step in company.directory.probe("alice"))
        company.take_down()
        with unavailable():
            login(company, "alice", "pw-alice")
        with unavailable():
            company.directory.look_up([alice.stable_id])
        assert not all(step.ok for step in company.directory.probe("alice"))

    def test_a_probe_finds_who_is_not_there(self, company: Company) -> None:
        """A step that finds nobody has failed."""
        assert not all(step.ok for step in company.directory.probe("nobody"))


@contextmanager
def unavailable() -> Iterator[None]:
    with pytest.raises(DirectoryUnavailableError):
        yield
