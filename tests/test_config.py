"""Settings: one table, all problems at once, secrets not shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.config import FIELDS, Address, load
from registry.errors import StartError


def test_defaults_lie_under_the_home_folder(tmp_path: Path) -> None:
    """With nothing but a home, everything is kept in it and nothing listens beyond loopback."""
    settings = load({"HALLMARK_HOME": str(tmp_path)})
    assert settings.database_url == f"sqlite:///{tmp_path}/hallmark.db"
    assert settings.blob_dir == tmp_path / "blobs"
    assert settings.grpc_address.is_loopback
    assert settings.is_development


def test_all_problems_are_told_together() -> None:
    """One start is enough to learn everything that is wrong, with key, value and expectation."""
    with pytest.raises(StartError) as caught:
        load(
            {
                "HALLMARK_GRPC_ADDRESS": "nowhere",
                "HALLMARK_LOG_LEVEL": "loud",
                "HALLMARK_HOEM": "/x",
                "HALLMARK_TLS_KEY_FILE": "/x/key.pem",
            }
        )
    message = str(caught.value)
    for part in ("'nowhere'", "host:port", "'loud'", "debug or info", "HALLMARK_HOEM", "found one"):
        assert part in message


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A file holds the same keys; the environment has the last word."""
    file = tmp_path / "server.toml"
    file.write_text('grpc_address = "127.0.0.1:1000"\nlog_level = "debug"\n')
    settings = load(
        {"HALLMARK_SERVER_CONFIG": str(file), "HALLMARK_GRPC_ADDRESS": "127.0.0.1:2000"}
    )
    assert settings.grpc_address == Address(host="127.0.0.1", port=2000)
    assert settings.log_level == "debug"


@pytest.mark.parametrize("content", ["colour = 'red'", "log_level = 3", "= broken"])
def test_a_wrong_file_stops_the_start(tmp_path: Path, content: str) -> None:
    """Unknown keys, wrong types and broken TOML are told, not passed over."""
    file = tmp_path / "server.toml"
    file.write_text(content)
    with pytest.raises(StartError, match=r"server\.toml"):
        load({"HALLMARK_SERVER_CONFIG": str(file)})


def test_passwords_are_not_shown() -> None:
    """Neither repr nor an error holds what the database's address may hold."""
    secret = "postgresql+psycopg://u:canary-secret@db/h"
    assert "canary-secret" not in repr(load({"HALLMARK_DATABASE_URL": secret}))
    with pytest.raises(StartError) as caught:
        load({"HALLMARK_DATABASE_URL": "mysql://u:canary-secret@db/h"})
    assert "canary-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HALLMARK_LDAP_URLS", "ldaps://canary-secret@localhost"),
        ("HALLMARK_LDAP_URLS", "ldaps://cn=svc:canary-secret@localhost"),
        ("HALLMARK_HTTP_URL", "ftp://u:canary-secret@host"),
        ("HALLMARK_HTTP_URL", "https://host/?key=canary-secret"),
    ],
)
def test_what_addresses_may_hold_is_not_shown(variable: str, text: str) -> None:
    """Of a wrong one neither what stands before its host nor its query."""
    with pytest.raises(StartError, match=variable) as caught:
        load({variable: text})
    assert "canary-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "loopback"), [("[::1]:1", True), ("localhost:1", True), ("0.0.0.0:1", False)]
)
def test_only_loopback_counts_as_development(text: str, loopback: bool) -> None:
    """An address that others can reach is never taken for a development set-up."""
    assert load({"HALLMARK_HTTP_ADDRESS": text}).is_development is loopback


def test_every_setting_is_in_the_readme() -> None:
    """The configuration table names each variable, its default and its meaning."""
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    for field in FIELDS:
        row = f"| `{field.variable}` | {f'`{field.default}`' if field.default else ''} |"
        assert row in readme, row
        assert field.meaning in readme, field.meaning


@pytest.mark.parametrize(
    ("database_url", "processes"),
    [("", 2), ("sqlite:////srv/h.db", 2), ("postgresql+psycopg://h@db/h", 1)],
)
def test_how_many_processes_there_are(database_url: str, processes: int) -> None:
    """A SQLite file has one server, which therefore uses two cores; the setting overrules it."""
    given = {"HALLMARK_DATABASE_URL": database_url} if database_url else {}
    assert load(given).processes == processes
    assert load({**given, "HALLMARK_PROCESSES": "3"}).processes == 3


def test_networks_of_webhooks() -> None:
    """Several with commas between; an address within one is no network, and is told as such."""
    given = {"HALLMARK_WEBHOOK_NETWORKS": "10.1.0.0/16, fd00::/8"}
    assert [str(each) for each in load(given).webhook_networks] == ["10.1.0.0/16", "fd00::/8"]
    with pytest.raises(StartError, match=r"10\.1\.0\.1/16.*expected networks"):
        load({"HALLMARK_WEBHOOK_NETWORKS": "10.1.0.1/16"})


LDAP = {
    "HALLMARK_LDAP_URLS": "ldaps://dc1.corp ldap://dc2.corp:3389",
    "HALLMARK_LDAP_BIND_DN": "cn=svc,dc=corp",
    "HALLMARK_LDAP_BIND_PASSWORD_FILE": "/srv/password",
    "HALLMARK_LDAP_USER_BASE": "dc=corp",
}


def test_a_directory_is_asked_as_set() -> None:
    """Servers come in order; attributes that are not set are those of the kind of directory."""
    ldap = load(LDAP).ldap
    assert ldap.urls == ("ldaps://dc1.corp", "ldap://dc2.corp:3389")
    assert (ldap.login_attribute, ldap.stable_attribute) == ("uid", "entryUUID")
    ldap = load({**LDAP, "HALLMARK_LDAP_ACTIVE_DIRECTORY": "yes"}).ldap
    assert (ldap.login_attribute, ldap.stable_attribute) == ("sAMAccountName", "objectGUID")
    assert load({}).ldap.urls == ()


def test_all_problems_of_the_directory_are_told_together() -> None:
    """What is missing, malformed or unsafe is told at the start, all of it."""
    with pytest.raises(StartError) as caught:
        load(
            {
                "HALLMARK_LDAP_URLS": "ldap://dc.corp",
                "HALLMARK_LDAP_START_TLS": "no",
                "HALLMARK_LDAP_USER_FILTER": "(a=b)(c=d)",
                "HALLMARK_LDAP_DISABLED_FILTER": "disabled",
            }
        )
    for part in ("BIND_DN", "BIND_PASSWORD_FILE", "USER_BASE", "USER_FILTER", "DISABLED_FILTER"):
        assert f"HALLMARK_LDAP_{part}" in str(caught.value)
    assert "passwords travel in the clear" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "allowed", "starts"),
    [
        ("ldap://127.0.0.1", "yes", True),
        ("ldap://127.0.0.1", "no", False),
        ("ldap://dc.corp", "yes", False),
        ("ldaps://dc.corp", "no", True),
    ],
)
def test_only_loopback_may_go_unencrypted(url: str, allowed: str, starts: bool) -> None:
    """Without TLS passwords go to this machine alone, and only where that is allowed by name."""
    given = {
        **LDAP,
        "HALLMARK_LDAP_URLS": url,
        "HALLMARK_LDAP_START_TLS": "no",
        "HALLMARK_LDAP_ALLOW_PLAIN": allowed,
    }
    if starts:
        assert bool(load(given).ldap.plain_urls) is url.startswith("ldap:")
        return
    with pytest.raises(StartError, match="in the clear"):
        load(given)


@pytest.mark.parametrize(
    "urls", ["http://dc", "ldap://", "ldaps://dc/base", "ldaps://u@dc", "ldaps://dc:0", "dc"]
)
def test_addresses_that_are_no_directory(urls: str) -> None:
    """An address with anything but scheme, host and port is refused."""
    with pytest.raises(StartError, match="HALLMARK_LDAP_URLS"):
        load({**LDAP, "HALLMARK_LDAP_URLS": urls})
