"""A private authority for the directories of these tests, and a clock that they move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from registry.auth.ldap import LdapDirectory
from registry.domain.directory import LdapSettings
from registry.testing.certificates import Authority, Issued
from registry.testing.clock import FixedClock
from registry.testing.slapd import (
    GROUPS,
    PEOPLE,
    SEARCHER,
    SEARCHER_PASSWORD,
    SlapdServer,
    company,
)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Issued:
    return authority.issue("localhost")


@pytest.fixture(scope="session")
def crowd(certificate: Issued) -> Iterator[SlapdServer]:
    """1,200 people; tests only read here."""
    with SlapdServer(certificate=certificate, ldif=company()) as server:
        yield server


@pytest.fixture
def start(certificate: Issued) -> Iterator[Callable[..., SlapdServer]]:
    """Start a directory of the test's own."""
    with ExitStack() as stack:

        def start(**options: Any) -> SlapdServer:
            return stack.enter_context(SlapdServer(**{"certificate": certificate, **options}))

        yield start


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def connected(
    authority: Authority, clock: FixedClock, tmp_path: Path
) -> Callable[..., LdapDirectory]:
    """A directory of these servers, with some settings changed."""
    password = tmp_path / "password"
    password.write_text(f"{SEARCHER_PASSWORD}\n")

    def connect(*urls: str, **changes: Any) -> LdapDirectory:
        settings: dict[str, Any] = {
            "urls": urls,
            "ca_file": authority.certificate,
            "bind_dn": SEARCHER,
            "bind_password_file": password,
            "user_base": PEOPLE,
            "group_base": GROUPS,
            "disabled_filter": "(employeeType=disabled)",
            "timeout_s": 10,
        }
        return LdapDirectory(LdapSettings(**{**settings, **changes}), clock=clock)

    return connect
