"""The contract of the directory port: in memory, on a real slapd, and that one remembered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.auth.ldap import LdapDirectory
from registry.auth.remembered import RememberingDirectory
from registry.ports.directory import Directory
from registry.testing.clock import FixedClock
from registry.testing.contracts.directory import Company, DirectoryContract
from registry.testing.directory import MemoryDirectory
from registry.testing.slapd import SlapdServer, dn_of, group, group_dn, person


class MemoryCompany:
    def __init__(self) -> None:
        self.directory = MemoryDirectory()
        self._ids: dict[str, str] = {}
        for user in ("alice", "bob"):
            self.hire(user)

    def hire(self, user: str) -> None:
        self._ids[user] = self.directory.add(user, id=f"id-{user}-{len(self._ids)}")

    def dismiss(self, user: str) -> None:
        # The slot stays taken, as ids are never given out twice.
        self._ids[f"former {user}"] = self._ids.pop(user)
        self.directory.remove(self._ids[f"former {user}"])

    def disable(self, user: str) -> None:
        self.directory.disable(self._ids[user])

    def rename(self, user: str, to: str) -> None:
        self._ids[to] = self._ids.pop(user)
        self.directory.rename(self._ids[to], to)

    def form(self, group: str, *, people: list[str], groups: list[str]) -> None:
        for user in people:
            self.directory.regroup(self._ids[user], group)
        for inner in groups:
            self.directory.nest(inner, group)

    def take_down(self) -> None:
        self.directory.is_down = True


class SlapdCompany:
    def __init__(self, server: SlapdServer, directory: Directory) -> None:
        self._server = server
        self.directory = directory
        self._formed: set[str] = set()

    def hire(self, user: str) -> None:
        self._server.add_ldif(person(user))

    def dismiss(self, user: str) -> None:
        self._server.delete(dn_of(user))

    def disable(self, user: str) -> None:
        self._server.set(dn_of(user), "employeeType", "disabled")

    def rename(self, user: str, to: str) -> None:
        self._server.rename(dn_of(user), f"uid={to}")

    def form(self, name: str, *, people: list[str], groups: list[str]) -> None:
        members = [*map(dn_of, people), *map(group_dn, groups)]
        if name in self._formed:
            self._server.set(group_dn(name), "member", *members)
        else:
            self._server.add_ldif(group(name, members))
        self._formed.add(name)

    def take_down(self) -> None:
        self._server.stop()


@pytest.fixture
def slapd(start: Callable[..., SlapdServer]) -> SlapdServer:
    return start(ldif="\n".join(map(person, ("alice", "bob"))))


class TestMemory(DirectoryContract):
    @pytest.fixture
    def company(self) -> Company:
        return MemoryCompany()


@pytest.mark.slow
class TestStartTls(DirectoryContract):
    @pytest.fixture
    def company(self, slapd: SlapdServer, connected: Callable[..., LdapDirectory]) -> Company:
        return SlapdCompany(slapd, connected(slapd.url))


@pytest.mark.slow
class TestLdaps(DirectoryContract):
    @pytest.fixture
    def company(self, slapd: SlapdServer, connected: Callable[..., LdapDirectory]) -> Company:
        return SlapdCompany(slapd, connected(slapd.tls_url))


@pytest.mark.slow
class TestRemembered(DirectoryContract):
    """With nothing left to remember by, it is as the one behind it."""

    @pytest.fixture
    def company(
        self, slapd: SlapdServer, connected: Callable[..., LdapDirectory], clock: FixedClock
    ) -> Company:
        remembering = RememberingDirectory(connected(slapd.tls_url), clock=clock, ttl_s=0)
        return SlapdCompany(slapd, remembering)
