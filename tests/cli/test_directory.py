"""`hallmark login` with a password, and `hallmark auth test`, with a real slapd behind a server."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.testing.certificates import Authority
from registry.testing.command import CommandLine
from registry.testing.server import RunningServer, running_server
from registry.testing.slapd import (
    GROUPS,
    PEOPLE,
    SEARCHER,
    SEARCHER_PASSWORD,
    SlapdServer,
    dn_of,
    group,
    person,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SlapdServer, Authority]]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    ldif = "\n".join([person("trainer1"), group("ml-fraud", [dn_of("trainer1")])])
    with SlapdServer(certificate=authority.issue("localhost"), ldif=ldif) as server:
        yield server, authority


@pytest.fixture(scope="module")
def settings(
    slapd: tuple[SlapdServer, Authority], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "password").write_text(SEARCHER_PASSWORD)
    (folder / "roles.yaml").write_text(
        "grants:\n- {group: ml-fraud, role: registrant, namespaces: [fraud]}\n"
    )
    return {
        "HALLMARK_LDAP_URLS": slapd[0].tls_url,
        "HALLMARK_LDAP_CA_FILE": str(slapd[1].certificate),
        "HALLMARK_LDAP_BIND_DN": SEARCHER,
        "HALLMARK_LDAP_BIND_PASSWORD_FILE": str(folder / "password"),
        "HALLMARK_LDAP_USER_BASE": PEOPLE,
        "HALLMARK_LDAP_GROUP_BASE": GROUPS,
        "HALLMARK_ROLES_FILE": str(folder / "roles.yaml"),
    }


@pytest.fixture(scope="module")
def office(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("office") / "home", settings) as running:
        yield running


class Terminal(io.StringIO):
    """Somebody who types, of whom passwords are not shown."""

    def isatty(self) -> bool:
        return True


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    typed = iter(lines)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(typed))
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: next(typed))


def test_login_with_a_password(
    command: CommandLine, office: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A person types user and password, and is then known, with groups and what these give."""
    type_in(monkeypatch, "trainer1", "pw-trainer1")
    done = command("login", office.http_url)
    assert (done.code, "as trainer1 (groups: ml-fraud). Token valid until" in done.out) == (0, True)
    assert "pw-trainer1" not in done.out + done.err
    me = command("whoami")
    assert "ml-fraud" in me.out
    assert "registrant on fraud, by group" in me.out
    stored = (tmp_path / "config" / "credentials.json").read_text()
    assert "pw-trainer1" not in stored
    assert command("logout", "--revoke").code == 0


def test_a_wrong_password(
    command: CommandLine, office: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal says so, and nothing is stored."""
    type_in(monkeypatch, "trainer1", "wrong")
    done = command("login", office.http_url)
    assert (done.code, "user name or password is wrong" in done.err) == (4, True)
    assert "No token is stored" in command("logout").out


def test_a_token_may_be_given_instead(
    command: CommandLine, office: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves the user empty is asked for a token."""
    type_in(monkeypatch, "", office.admin_token)
    done = command("login", office.http_url)
    assert (done.code, "as admin" in done.out) == (0, True)


def test_no_terminal_and_no_token(
    command: CommandLine, office: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program is told how to give a token."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    done = command("login", office.http_url)
    assert (done.code, "--token-file" in done.err) == (2, True)


def test_the_directory_is_tried_step_by_step(
    command: CommandLine, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each step is shown with its query; one that fails, with its mend and exit code 1."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    home = ("--home", str(tmp_path))
    done = command("auth", "test", "--user", "trainer1", *home)
    assert done.code == 0
    assert "scope sub (&(objectClass=person)(uid=trainer1))" in done.out
    assert "All steps are well." in done.out
    steps = command("auth", "test", *home, "--json").json["steps"]
    assert [step["name"] for step in steps] == ["connect", "bind", "base", "base"]
    monkeypatch.setenv("HALLMARK_LDAP_USER_BASE", "ou=nowhere,dc=example,dc=test")
    done = command("auth", "test", "--user", "trainer1", *home)
    assert (done.code, "HALLMARK_LDAP_USER_BASE" in done.out) == (1, True)
    monkeypatch.delenv("HALLMARK_LDAP_URLS")
    done = command("auth", "test", *home)
    assert (done.code, "HALLMARK_LDAP_URLS is not set" in done.err) == (1, True)
