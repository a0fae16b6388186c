"""A company's directory in memory, which tests change and take down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from registry.auth.ldap import is_password, is_user_name
from registry.domain.directory import Account, LookedUp, Step
from registry.errors import DirectoryUnavailableError
from registry.ports.clock import Clock
from registry.ports.directory import Directory
from registry.testing.clock import FixedClock


@dataclasses.dataclass(kw_only=True)
class _Person:
    stable_id: str
    user: str
    password: str
    disabled: bool = False


def anybody(stable_id: str) -> None:
    """Lets every password be tried."""


def login(directory: Directory, user: str = "alice", password: str = "") -> Account | None:
    """The password that it has in tests, unless another is given."""
    return directory.authenticate(user, password or f"pw-{user}", admit=anybody)


class MemoryDirectory:
    """Implements `ports.directory.Directory`. `tried` counts passwords that it was asked about."""

    def __init__(self, *, name: str = "ldap") -> None:
        self.clock: Clock = FixedClock()
        self._name = name
        self._people: dict[str, _Person] = {}
        #: By name; members are ids of people, or names of groups.
        self._groups: dict[str, set[str]] = {}
        self.is_down = False
        #: Of whom a look tells nothing, and why.
        self.unclear: dict[str, str] = {}
        self.tried = 0

    @property
    def name(self) -> str:
        return self._name

    def add(self, user: str, *, id: str = "", groups: Sequence[str] = ()) -> str:
        """A person with the password `pw-USER`; the stable id."""
        stable_id = id or f"id-{len(self._people)}-{user}"
        self._people[stable_id] = _Person(stable_id=stable_id, user=user, password=f"pw-{user}")
        self.regroup(stable_id, *groups)
        return stable_id

    def regroup(self, stable_id: str, *groups: str) -> None:
        """Make somebody a direct member of these groups and of no others."""
        for members in self._groups.values():
            members.discard(stable_id)
        for group in groups:
            self._groups.setdefault(group, set()).add(stable_id)

    def nest(self, inner: str, outer: str) -> None:
        self._groups.setdefault(inner, set())
        self._groups.setdefault(outer, set()).add(inner)

    def disable(self, stable_id: str, *, disabled: bool = True) -> None:
        self._people[stable_id].disabled = disabled

    def rename(self, stable_id: str, user: str) -> None:
        """The password stays."""
        self._people[stable_id].user = user

    def remove(self, stable_id: str) -> None:
        self.regroup(stable_id)
        del self._people[stable_id]

    def authenticate(
        self, user: str, password: str, *, admit: Callable[[str], None]
    ) -> Account | None:
        if not is_user_name(user) or not is_password(password):
            return None
        self._answer()
        for person in self._people.values():
            if person.user.casefold() == user.casefold():
                admit(person.stable_id)
                self.tried += 1
                return self._account(person) if person.password == password else None
        return None

    def look_up(self, stable_ids: Sequence[str]) -> LookedUp:
        self._answer()
        there = [self._people[id] for id in stable_ids if id in self._people]
        return LookedUp(
            accounts={
                p.stable_id: self._account(p) for p in there if p.stable_id not in self.unclear
            },
            unclear={id: why for id, why in self.unclear.items() if id in stable_ids},
        )

    def probe(self, user: str = "") -> Sequence[Step]:
        well = not self.is_down
        steps = [Step(name="connect", query="memory", ok=well, found="reached" if well else "down")]
        if well and user:
            found = [p for p in self._people.values() if p.user == user]
            steps.append(Step(name="user", query=user, ok=bool(found), found=str(len(found))))
        return steps

    def _answer(self) -> None:
        if self.is_down:
            raise DirectoryUnavailableError(found="memory is down")

    def _account(self, person: _Person) -> Account:
        held = {name for name, members in self._groups.items() if person.stable_id in members}
        while above := {n for n, members in self._groups.items() if members & held} - held:
            held |= above
        return Account(
            stable_id=person.stable_id,
            user=person.user,
            display_name=person.user.title(),
            mail=f"{person.user}@example.test",
            groups=tuple(sorted(held)),
            disabled=person.disabled,
            read_time_us=self.clock.now_us(),
        )
