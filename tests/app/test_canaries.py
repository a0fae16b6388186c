"""No secret is told: each is a canary, and whatever the registry says or keeps is searched."""

from __future__ import annotations

import base64
import io
import logging
import re
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import MetaData, create_engine, make_url

from registry import config
from registry.app.files import audit_keys, ticket_key, tls_files
from registry.app.registry import Registry
from registry.auth.signing import new_private_pem
from registry.clock import SystemClock
from registry.errors import HallmarkError
from registry.logs import LineFormatter
from registry.services.authentication import new_secret
from registry.services.tickets import TicketSigner
from registry.testing.canaries import Canaries
from registry.testing.canary_story import CanaryStory
from registry.testing.certificates import Authority
from registry.testing.command import CommandLine
from registry.testing.issuer import AUDIENCE, KUBERNETES, key_set, serving_keys
from registry.testing.postgres import PostgresServer
from registry.testing.receiver import Receiver, receiver
from registry.testing.server import RunningServer, ServerProcess, failed_start, running_server
from registry.testing.slapd import (
    GROUPS,
    PEOPLE,
    SEARCHER,
    SlapdServer,
    dn_of,
    group,
    person,
)
from registry.testing.soak.ports import settled_addresses
from tests.app.test_workers import workers_of

pytestmark = pytest.mark.slow

RULES = """\
issuers:
  - issuer: {issuer}
    jwks_url: {url}
    ca_file: {ca_file}
    audience: {audience}
    algorithms: [RS256]
    rules:
      - subject: system:serviceaccount:serving:deployer
        principal: deploy
"""
USER = "trainer1"
README = Path(__file__).parents[2] / "README.md"


@dataclass(frozen=True, kw_only=True)
class Company:
    """What a registry meets in a company, with its secrets, which are canaries."""

    canaries: Canaries
    folder: Path
    settings: dict[str, str]
    password: str
    authority: Authority
    receiver: Receiver


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    canaries = Canaries()
    folder = tmp_path / "company"
    folder.mkdir()
    issuers = tmp_path / "issuer"
    issuers.mkdir()
    authority = Authority(folder)
    ldif = "\n".join([person(USER), group("ml-fraud", [dn_of(USER)])])
    password, bind = canaries.make("LDAP password"), canaries.make("LDAP bind password")
    (folder / "password").write_text(bind)
    (folder / "roles.yaml").write_text(
        "grants:\n- {group: ml-fraud, role: registrant, namespaces: [fraud]}\n"
    )
    (folder / "ticket.key").write_text(canaries.make("ticket key"))
    (folder / "audit.key").write_bytes(new_private_pem())
    canaries.add_bytes("audit key", private_bytes(folder / "audit.key"))
    with (
        SlapdServer(certificate=authority.issue("localhost"), ldif=ldif) as slapd,
        serving_keys(issuers, key_set("rsa")) as (site, trusted),
        receiver() as opened,
    ):
        (folder / "workloads.yaml").write_text(
            RULES.format(
                issuer=KUBERNETES,
                url=site.url,
                ca_file=trusted.certificate,
                audience=AUDIENCE,
            )
        )
        slapd.set(dn_of(USER), "userPassword", password)
        slapd.set(SEARCHER, "userPassword", bind)
        settings = {
            "HALLMARK_LDAP_URLS": slapd.tls_url,
            "HALLMARK_LDAP_CA_FILE": str(authority.certificate),
            "HALLMARK_LDAP_BIND_DN": SEARCHER,
            "HALLMARK_LDAP_BIND_PASSWORD_FILE": str(folder / "password"),
            "HALLMARK_LDAP_USER_BASE": PEOPLE,
            "HALLMARK_LDAP_GROUP_BASE": GROUPS,
            "HALLMARK_ROLES_FILE": str(folder / "roles.yaml"),
            "HALLMARK_WORKLOADS_FILE": str(folder / "workloads.yaml"),
            "HALLMARK_TICKET_KEY_FILE": str(folder / "ticket.key"),
            "HALLMARK_AUDIT_KEY_FILE": str(folder / "audit.key"),
        }
        yield Company(
            canaries=canaries,
            folder=folder,
            settings=settings,
            password=password,
            authority=authority,
            receiver=opened,
        )


def private_bytes(path: Path) -> bytes:
    """What is secret in a file of a private key, without what all of them begin with."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(32, "big")
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def play(
    company: Company,
    server: RunningServer | ServerProcess,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    database_url: str = "",
    ca_file: Path | None = None,
) -> CanaryStory:
    """Everything through every entry; what the server keeps is looked at afterwards."""

    def type_in(*lines: str) -> None:
        typed = iter(lines)
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(typed))
        monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: next(typed))

    monkeypatch.setenv("HALLMARK_CONFIG", str(company.folder / "config"))
    hallmark = CommandLine(capsys)
    story = CanaryStory(
        company.canaries, server, hallmark, monkeypatch, company.folder, ca_file=ca_file
    )
    story.people()
    story.bad_tokens()
    story.logins(USER, company.password, type_in)
    story.workloads()
    # On PostgreSQL it is no development's server, which sends to no loopback at all.
    scheme = "https://localhost" if database_url else "http://127.0.0.1"
    story.webhooks(company.receiver, f"{scheme}:{company.receiver.port}")
    story.transfers()
    database = {"HALLMARK_DATABASE_URL": database_url} if database_url else {}
    story.evidence(server.home, {**company.settings, **database})
    check_stored(company.folder / "config", story.tokens)
    return story


def check_stored(folder: Path, tokens: list[str]) -> None:
    """What the command line stored is its owner's alone; scanners find each kind of token."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    told = re.search(r"Secret scanners find them by\s+`([^`]+)`", README.read_text())
    assert told is not None
    assert all(re.fullmatch(told[1], token) for token in tokens)


def assert_silent(canaries: Canaries) -> None:
    leaks = canaries.leaks()
    assert not leaks, "\n".join(map(str, leaks))


def hear_sqlite(canaries: Canaries, path: Path) -> None:
    """A dump of all rows; and the file's bytes, which still have what was deleted."""
    with sqlite3.connect(path) as opened:
        canaries.hear("a dump of SQLite", "\n".join(opened.iterdump()))
    opened.close()


def hear_postgres(canaries: Canaries, url: str) -> None:
    """Every column of every table."""
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            rows = connection.execute(table.select()).all()
            canaries.hear(f"table {table.name}", repr(rows))
    engine.dispose()


def hear_home(canaries: Canaries, home: Path) -> None:
    """All files but blobs and the token that tests keep there."""
    for path in home.rglob("*"):
        if path.is_file() and path.name != "admin.token" and "blobs" not in path.parts:
            canaries.hear(f"file {path.name}", path.read_bytes())


def hear_processes(canaries: Canaries, server: ServerProcess, but: tuple[str, ...]) -> None:
    """Command lines, and environments, in which only the operator's own may be."""
    for pid in (server.pid, *workers_of(server)):
        canaries.hear("a command line", Path(f"/proc/{pid}/cmdline").read_bytes())
        canaries.hear("an environment", Path(f"/proc/{pid}/environ").read_bytes(), but=but)


class Everything(logging.Handler):
    """All that is logged, at every level, as the server would write it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(LineFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logged() -> Iterator[Everything]:
    handler = Everything()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_leak_is_found_in_each_form() -> None:
    """A planted secret is found whole, cut, in base64 at any place, in hex, percent-encoded, and
    where an object shows it."""
    canaries = Canaries()
    secret = canaries.add("planted", new_secret())
    told: dict[str, str | bytes] = {
        "whole": f"user {secret}!",
        "cut": secret[9:29],
        "base64 0": base64.b64encode(f"{secret}".encode()),
        "base64 1": base64.b64encode(f"a{secret}".encode()),
        "base64 2": base64.urlsafe_b64encode(f"ab{secret} and more".encode()),
        "hex": secret.encode().hex(),
        "percent": "".join(f"%{ord(c):02x}" for c in secret),
    }
    for place, said in told.items():
        canaries.hear(place, said)
    canaries.hear("where it belongs", secret, but=["planted"])
    planted = config.Address(host=secret, port=1)
    canaries.hear_objects()
    canaries.hear("elsewhere", new_secret())
    assert [leak.place for leak in canaries.leaks()] == [
        *("whole", "cut", "base64 0", "base64 1", "base64 2", "hex", "percent"),
        f"repr of {type(planted).__module__}.{type(planted).__name__}",
    ]


def test_a_server_of_one_process(
    company: Company,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    logged: Everything,
) -> None:
    """With TLS, on SQLite: nothing in log, answers, events, files, or the repr of any object."""
    canaries = company.canaries
    issued = company.authority.issue("127.0.0.1")
    canaries.add_bytes("TLS key", private_bytes(issued.key))
    tls = {
        "HALLMARK_TLS_CERTIFICATE_FILE": str(issued.certificate),
        "HALLMARK_TLS_KEY_FILE": str(issued.key),
    }
    home = tmp_path / "home"
    with running_server(home, {**company.settings, **tls}) as server:
        ca_file = company.authority.certificate
        story = play(company, server, capsys, monkeypatch, ca_file=ca_file)
        hear_starting_values(canaries, server.registry.settings)
        canaries.hear_objects()
        with broken(home / "hallmark.db"):
            story.while_broken()
        hear_sqlite(canaries, home / "hallmark.db")
        hear_home(canaries, home)
    canaries.hear("the log", "\n".join(logged.lines))
    assert any("Traceback" in line for line in logged.lines)
    assert_silent(canaries)


def hear_starting_values(canaries: Canaries, settings: config.Settings) -> None:
    """What lives only while a server starts."""
    values = (
        settings,
        settings.ldap,
        tls_files(settings),
        audit_keys(settings.audit_key_file),
        TicketSigner(key=ticket_key(settings.ticket_key_file), clock=SystemClock()),
    )
    for value in values:
        canaries.hear(f"repr of {type(value).__name__}", repr(value) + str(value))


@contextmanager
def broken(path: Path) -> Iterator[None]:
    """Have writes of webhooks, tokens and attempts to log in fail as nobody foresaw."""
    tables = ("webhooks", "tokens", "login_attempts")

    def rename(old: str, new: str) -> None:
        with sqlite3.connect(path) as opened:
            for table in tables:
                opened.execute(f"ALTER TABLE {table}{old} RENAME TO {table}{new}")
        opened.close()

    rename("", "_gone")
    try:
        yield
    finally:
        rename("_gone", "")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with PostgresServer(fsync=False) as server:
        yield server.new_database()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_server_of_several_processes(
    kind: str,
    company: Company,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Started, used, stopped, killed, started again: nothing in its output, processes, files and
    database."""
    canaries = company.canaries
    settings = {**company.settings, **settled_addresses(), "HALLMARK_PROCESSES": "2"}
    but: tuple[str, ...] = ()
    if kind == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        settings["HALLMARK_DATABASE_URL"] = url
        canaries.add("database password", make_url(url).password or "")
        but = ("database password",)
    with ServerProcess(tmp_path / "home", settings) as server:
        url = settings.get("HALLMARK_DATABASE_URL", "")
        play(company, server, capsys, monkeypatch, database_url=url)
        hear_processes(canaries, server, but)
        server.kill()
        server.start()
        assert server.stop() == 0
        canaries.hear("the log", server.log.read_bytes())
        hear_home(canaries, server.home)
    if kind == "postgresql":
        hear_postgres(canaries, settings["HALLMARK_DATABASE_URL"])
    else:
        hear_sqlite(canaries, tmp_path / "home" / "hallmark.db")
    assert_silent(canaries)


def bad_settings(company: Company) -> Iterator[dict[str, str]]:
    """What an operator may get wrong, each time with a secret in it or in a file that it names."""
    secret = company.canaries.make_word("secret in a setting")
    key = company.folder / "key.pem"
    key.write_text(f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n")
    lines = company.folder / "lines"
    lines.write_text(f"{secret}\n{secret}\n")
    yaml = company.folder / "secret.yaml"
    yaml.write_text(f"{secret}: [\n  {secret}: }}")
    toml = company.folder / "server.toml"
    toml.write_text(f"database_url = {secret}\n")
    keys = company.folder / "keys.yaml"
    keys.write_text(
        f"issuers:\n- issuer: https://a.example\n  jwks_file: {lines}\n  audience: a\n"
        "  rules: [{subject: 'a:b', principal: deploy}]\n"
    )
    for url in (
        f"postgresql+psycopg://hallmark:{secret}@127.0.0.1:1/hallmark",
        f"postgresql+psycopg://hallmark:pa/{secret}@127.0.0.1/hallmark",
        f"postgresql+psycopg://hallmark:pa@{secret}@127.0.0.1/hallmark",
        f"postgresql+psycopg://hallmark:p:{secret}@127.0.0.1:port/hallmark",
        f"postgresql+psycopg://hallmark:p@127.0.0.1:1/hallmark?passwort={secret}",
        f"postgresql+psycopg://hallmark:{secret}#@127.0.0.1:1/hallmark",
        f"postgresql://hallmark:{secret}@127.0.0.1/hallmark",
        f"postgresql+psycopg:/hallmark:{secret}@127.0.0.1/hallmark",
    ):
        yield {"HALLMARK_DATABASE_URL": url}
    ldap = company.settings
    for changes in (
        {"HALLMARK_LDAP_URLS": f"ldaps://cn=svc:{secret}@localhost"},
        {"HALLMARK_LDAP_URLS": f"ldap://svc:{secret}@localhost", "HALLMARK_LDAP_START_TLS": "no"},
        {"HALLMARK_LDAP_BIND_PASSWORD_FILE": str(lines)},
        {"HALLMARK_LDAP_CA_FILE": str(key)},
        {"HALLMARK_LDAP_BIND_PASSWORD": secret},
        {"HALLMARK_ROLES_FILE": str(lines)},
        {"HALLMARK_ROLES_FILE": str(yaml)},
        {"HALLMARK_WORKLOADS_FILE": str(lines)},
        {"HALLMARK_WORKLOADS_FILE": str(yaml)},
        {"HALLMARK_WORKLOADS_FILE": str(keys)},
        {"HALLMARK_TICKET_KEY_FILE": str(short_key(company))},
        {"HALLMARK_AUDIT_KEY_FILE": str(key)},
        {"HALLMARK_WEBHOOK_CA_FILE": str(key)},
        {"HALLMARK_HTTP_URL": f"ftp://user:{secret}@example.com"},
        {"HALLMARK_HTTP_URL": f"https://example.com/?key={secret}"},
        {"HALLMARK_SERVER_CONFIG": str(toml)},
        {"HALLMARK_TLS_CERTIFICATE_FILE": str(key), "HALLMARK_TLS_KEY_FILE": str(key)},
    ):
        yield {**ldap, **changes}


def short_key(company: Company) -> Path:
    path = company.folder / "short.key"
    path.write_text(company.canaries.make_word("short key")[:31])
    return path


def test_a_server_that_cannot_start(company: Company, tmp_path: Path) -> None:
    """Whichever setting is wrong, what is said of it has no secret in it, and it is our error."""
    for number, settings in enumerate(bad_settings(company)):
        home = tmp_path / f"home-{number}"
        addresses = {"HALLMARK_GRPC_ADDRESS": "127.0.0.1:0", "HALLMARK_HTTP_ADDRESS": "127.0.0.1:0"}
        with pytest.raises(HallmarkError) as refused:
            Registry(config.load({"HALLMARK_HOME": str(home), **addresses, **settings}))
        error = refused.value
        told = f"{error} {error!r} {error.metadata}"
        company.canaries.hear(f"refusal of {settings}", told)
    url = f"postgresql+psycopg://hallmark:{company.password}@127.0.0.1:1/hallmark"
    company.canaries.hear("serve", failed_start(tmp_path, {"HALLMARK_DATABASE_URL": url}))
    assert_silent(company.canaries)
