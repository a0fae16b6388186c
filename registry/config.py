"""Settings: built once at the start, from the environment and an optional file, all or nothing.

Each setting is one row of `FIELDS`; the README's table, the environment's names and the file's keys
come from there. Only this module reads the server's environment. Problems are reported together.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from registry.board import PLACES
from registry.domain.directory import LdapSettings
from registry.errors import StartError
from registry.names.addresses import Network

#: What a database's whole numbers hold.
_COUNT_MAX = 2**63 - 1
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, kw_only=True)
class Settings:
    home: Path
    grpc_address: Address
    http_address: Address
    #: Where clients reach the HTTP side and the gRPC side; empty: the addresses above.
    http_url: str
    grpc_target: str
    #: SQLAlchemy URL; may hold a password, so it is not shown.
    database_url: str = field(repr=False)
    blob_dir: Path
    ticket_key_file: Path
    audit_key_file: Path
    audit_checkpoint_minutes: int
    audit_export_dir: Path | None
    tls_certificate_file: Path | None
    tls_key_file: Path | None
    accel_prefix: str
    #: None: those that come with Hallmark.
    policy_dir: Path | None
    processes: int
    calls_per_minute: int
    upload_bytes: int
    log_level: str
    workloads_file: Path | None
    #: How long a token lives that a workload gets, at most.
    workload_token_minutes: int
    webhook_networks: tuple[Network, ...]
    webhook_ca_file: Path | None
    ldap: LdapSettings
    roles_file: Path | None
    login_token_h: int
    login_failures_max: int
    login_failures_per_user_max: int
    login_failures_per_address_max: int

    @property
    def is_development(self) -> bool:
        """Embedded database and loopback only: fit to try things out, not for a company."""
        return (
            self.database_url.startswith("sqlite")
            and self.grpc_address.is_loopback
            and self.http_address.is_loopback
        )


@dataclass(frozen=True, kw_only=True)
class Field:
    """One setting: its key in the file; HALLMARK_ and the key in capitals in the environment."""

    key: str
    parse: Callable[[str], Any]
    expected: str
    #: What it is when nothing is said; `{home}` stands for the home folder.
    default: str
    meaning: str

    @property
    def variable(self) -> str:
        return f"HALLMARK_{self.key.upper()}"


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(text)
    return Address(host=host, port=int(port))


def _url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        raise ValueError(text)
    return text.rstrip("/")


def _target(text: str) -> str:
    if text:
        _address(text)
    return text


def _database(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError(text)
    return text


def _processes(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= PLACES:
        raise ValueError(text)
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > _COUNT_MAX:
        raise ValueError(text)
    return int(text)


def _minutes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 60:
        raise ValueError(text)
    return int(text)


def _minutes_or_none(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 1440:
        raise ValueError(text)
    return int(text)


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _log_level(text: str) -> str:
    if text not in LOG_LEVELS:
        raise ValueError(text)
    return text


def _prefix(text: str) -> str:
    if text and not (text.startswith("/") and text.endswith("/")):
        raise ValueError(text)
    return text


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    return Path(text).expanduser().absolute()


def _optional_path(text: str) -> Path | None:
    return _path(text) if text else None


def _ldap_urls(text: str) -> tuple[str, ...]:
    urls = tuple(text.split())
    for url in urls:
        parts = urlsplit(url)
        beyond = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        # Asking for a port that is no number raises ValueError.
        if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or beyond or parts.port == 0:
            raise ValueError(text)
    return urls


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(text)
    return text == "yes"


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return parse


def _attribute(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z][A-Za-z0-9;.-]{0,127}", text):
        raise ValueError(text)
    return text


FIELDS = (
    Field(
        key="home",
        parse=_path,
        expected="a folder's path",
        default="./var",
        meaning="Folder of the embedded registry: database, bytes, keys.",
    ),
    Field(
        key="grpc_address",
        parse=_address,
        expected="host:port, port 0 for any free one",
        default="127.0.0.1:8081",
        meaning="Where gRPC listens.",
    ),
    Field(
        key="http_address",
        parse=_address,
        expected="host:port, port 0 for any free one",
        default="127.0.0.1:8080",
        meaning="Where HTTP listens: bytes, health.",
    ),
    Field(
        key="http_url",
        parse=_url,
        expected="an http or https URL without query",
        default="",
        meaning="The HTTP side as clients reach it, behind a proxy for one; empty: its address.",
    ),
    Field(
        key="grpc_target",
        parse=_target,
        expected="host:port",
        default="",
        meaning="The gRPC side as clients reach it; empty: its address.",
    ),
    Field(
        key="database_url",
        parse=_database,
        expected="sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
        default="sqlite:///{home}/hallmark.db",
        meaning="The metadata's database. One server a SQLite file.",
    ),
    Field(
        key="blob_dir",
        parse=_path,
        expected="a folder's path",
        default="{home}/blobs",
        meaning="Folder of the bytes. Shared by all replicas.",
    ),
    Field(
        key="ticket_key_file",
        parse=_path,
        expected="a file's path",
        default="{home}/ticket.key",
        meaning="File of the key that signs addresses, at least 32 bytes; made when absent. The "
        "same for all replicas.",
    ),
    Field(
        key="audit_key_file",
        parse=_path,
        expected="a file's path",
        default="{home}/audit.key",
        meaning="File of the Ed25519 key (PEM) that signs checkpoints of the audit log; made when "
        "absent. The same for all replicas. To change it, put the new key's block behind the old.",
    ),
    Field(
        key="audit_checkpoint_minutes",
        parse=_minutes_or_none,
        expected="a whole number of minutes from 0 to 1440",
        default="10",
        meaning="A checkpoint is made when the last is so old and something happened since; 0: "
        "only when one is asked for.",
    ),
    Field(
        key="audit_export_dir",
        parse=_optional_path,
        expected="a folder's path",
        default="",
        meaning="Folder to which each checkpoint is copied, best on another machine's disk, so "
        "that evidence lies outside the database; empty: none.",
    ),
    Field(
        key="tls_certificate_file",
        parse=_optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Certificate chain for gRPC and HTTP; empty: no TLS.",
    ),
    Field(
        key="tls_key_file",
        parse=_optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Private key of the certificate.",
    ),
    Field(
        key="accel_prefix",
        parse=_prefix,
        expected="a path such as /internal/",
        default="",
        meaning="Let an nginx in front send the bytes (X-Accel-Redirect) from this internal "
        "location; empty: send them ourselves.",
    ),
    Field(
        key="policy_dir",
        parse=_optional_path,
        expected="a folder's path",
        default="",
        meaning="Folder of the policy files that become active on the first start; empty: those "
        "that come with Hallmark. Also what `hallmark policy` reads.",
    ),
    Field(
        key="processes",
        parse=_processes,
        expected=f"a whole number from 1 to {PLACES}",
        default="",
        meaning="Processes that answer gRPC; each can use one core. Empty: 2 with SQLite, 1 with "
        "PostgreSQL, which has replicas for that.",
    ),
    Field(
        key="calls_per_minute",
        parse=_count,
        expected="a whole number",
        default="600000",
        meaning="Calls that each process takes from one principal, a second's worth of them at "
        "once; 0: any number.",
    ),
    Field(
        key="upload_bytes",
        parse=_count,
        expected="a whole number",
        default="10000000000000",
        meaning="Bytes that one principal may have announced and not yet sent; 0: any number.",
    ),
    Field(
        key="log_level",
        parse=_log_level,
        expected=" or ".join(LOG_LEVELS),
        default="info",
        meaning="info writes one line a call.",
    ),
    Field(
        key="workloads_file",
        parse=_optional_path,
        expected="a YAML file's path",
        default="",
        meaning="Which platforms' tokens (OIDC) are taken for which robots, as in "
        "policies/workloads.example.yaml; empty: none.",
    ),
    Field(
        key="workload_token_minutes",
        parse=_minutes,
        expected="whole minutes from 1 to 60",
        default="10",
        meaning="How long a token lives, at most, that a workload gets for its platform's.",
    ),
    Field(
        key="webhook_networks",
        parse=_networks,
        expected="networks such as 10.1.0.0/16, with commas between",
        default="",
        meaning="Private networks that webhooks may send to; the internet they always may.",
    ),
    Field(
        key="webhook_ca_file",
        parse=_optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Authorities for the certificates of webhooks' receivers; empty: the system's.",
    ),
    Field(
        key="ldap_urls",
        parse=_ldap_urls,
        expected="ldaps://HOST[:PORT] or ldap://HOST[:PORT], several apart by blanks",
        default="",
        meaning="Servers of the directory, asked in this order; empty: no directory.",
    ),
    Field(
        key="ldap_ca_file",
        parse=_optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Authority that signed their certificates; empty: the system's.",
    ),
    Field(
        key="ldap_start_tls",
        parse=_yes,
        expected="yes or no",
        default="yes",
        meaning="Encrypt ldap:// by StartTLS before anything else is said.",
    ),
    Field(
        key="ldap_allow_plain",
        parse=_yes,
        expected="yes or no",
        default="no",
        meaning="Let ldap:// without StartTLS be, on loopback only.",
    ),
    Field(
        key="ldap_bind_dn",
        parse=str,
        expected="a DN",
        default="",
        meaning="The account that searches. Query: bind as it.",
    ),
    Field(
        key="ldap_bind_password_file",
        parse=_optional_path,
        expected="a file's path",
        default="",
        meaning="File of its password; one line.",
    ),
    Field(
        key="ldap_user_base",
        parse=str,
        expected="a DN",
        default="",
        meaning="Where people are. Query: base of their search, scope sub.",
    ),
    Field(
        key="ldap_user_filter",
        parse=str,
        expected="a filter in parentheses",
        default="(objectClass=person)",
        meaning="Who of them may log in. Query: `(&FILTER(ATTRIBUTE=name))`.",
    ),
    Field(
        key="ldap_user_attribute",
        parse=_attribute,
        expected="an attribute's name",
        default="",
        meaning="The ATTRIBUTE of that query, which also becomes the principal's id; empty: uid, "
        "or sAMAccountName.",
    ),
    Field(
        key="ldap_id_attribute",
        parse=_attribute,
        expected="an attribute's name",
        default="",
        meaning="What never changes or is given anew. Query: `(&FILTER(ATTRIBUTE=id))`; empty: "
        "entryUUID, or objectGUID.",
    ),
    Field(
        key="ldap_disabled_filter",
        parse=str,
        expected="a filter in parentheses",
        default="",
        meaning="Who of them is disabled. Query: it on the account's own entry; empty: nobody, or "
        "bit 2 of userAccountControl.",
    ),
    Field(
        key="ldap_group_base",
        parse=str,
        expected="a DN",
        default="",
        meaning="Where groups are, under unique names (cn). Query: base of their search, scope "
        "sub; empty: no groups.",
    ),
    Field(
        key="ldap_group_filter",
        parse=str,
        expected="a filter in parentheses",
        default="",
        meaning="Which of them count. Query: `(&FILTER(MEMBER=dn))`; empty: (objectClass=*), or "
        "(objectClass=group).",
    ),
    Field(
        key="ldap_member_attribute",
        parse=_attribute,
        expected="an attribute's name",
        default="member",
        meaning="The MEMBER of that query; memberUid holds names instead of DNs, and does not "
        "nest.",
    ),
    Field(
        key="ldap_active_directory",
        parse=_yes,
        expected="yes or no",
        default="no",
        meaning="Use Active Directory's attributes above and its rule for nested groups, "
        "`(MEMBER:1.2.840.113556.1.4.1941:=dn)`.",
    ),
    Field(
        key="ldap_cache_s",
        parse=_whole(0, 300),
        expected="a whole number from 0 to 300",
        default="60",
        meaning="Seconds for which a password that was right is taken for right without asking "
        "again.",
    ),
    Field(
        key="roles_file",
        parse=_optional_path,
        expected="a YAML file's path",
        default="",
        meaning="What the directory's groups may do here: see registry/auth/README.md. Read at the "
        "start.",
    ),
    Field(
        key="login_token_h",
        parse=_whole(1, 168),
        expected="a whole number from 1 to 168",
        default="12",
        meaning="Hours for which a token from `hallmark login` is good.",
    ),
    Field(
        key="login_failures_max",
        parse=_whole(1, 100),
        expected="a whole number from 1 to 100",
        default="4",
        meaning="Wrong passwords in 15 minutes, for a user from an address, before none is tried; "
        "keep it below the directory's own lockout.",
    ),
    Field(
        key="login_failures_per_user_max",
        parse=_whole(1, 1000),
        expected="a whole number from 1 to 1000",
        default="8",
        meaning="The same for a user from all addresses but the one of the last right password.",
    ),
    Field(
        key="login_failures_per_address_max",
        parse=_whole(0, 100_000),
        expected="a whole number from 0 to 100000",
        default="100",
        meaning="The same from an address for all users together, against one password that is "
        "tried with every name; 0: any number. Raise it where many share one, as behind a proxy.",
    ),
)

#: The file named here holds the same keys in TOML; the environment wins over it.
FILE_VARIABLE = "HALLMARK_SERVER_CONFIG"
#: Variables of the command line, which share the prefix; see `registry/client`.
CLIENT_VARIABLES = frozenset(
    {"HALLMARK_URL", "HALLMARK_TOKEN", "HALLMARK_TOKEN_FILE", "HALLMARK_CA_FILE", "HALLMARK_CONFIG"}
)


def load(environment: Mapping[str, str]) -> Settings:
    """The settings, or a StartError that names every problem: key, value and expectation."""
    problems: list[str] = []
    given = _from_file(environment.get(FILE_VARIABLE, ""), problems)
    known = {f.variable: f.key for f in FIELDS}
    for variable, text in environment.items():
        if variable in known:
            given[known[variable]] = text
        elif (
            variable.startswith("HALLMARK_")
            and variable != FILE_VARIABLE
            and variable not in CLIENT_VARIABLES
        ):
            problems.append(f"{variable}: no such setting, expected one of {', '.join(known)}")
    values: dict[str, Any] = {}
    for setting in FIELDS:
        home = values.get("home", Path("var"))
        text = given.get(setting.key, setting.default.replace("{home}", str(home)))
        try:
            values[setting.key] = setting.parse(text)
        except ValueError:
            shown = "a value" if setting.key == "database_url" else repr(text)
            problems.append(f"{setting.variable}: found {shown}, expected {setting.expected}")
    tls = (values.get("tls_certificate_file"), values.get("tls_key_file"))
    if (tls[0] is None) != (tls[1] is None):
        problems.append(
            "HALLMARK_TLS_CERTIFICATE_FILE and HALLMARK_TLS_KEY_FILE: found one, expected both"
        )
    ldap = {key: values.pop(key) for key in list(values) if key.startswith("ldap_")}
    if not problems:
        settings = LdapSettings(**{key.removeprefix("ldap_"): ldap[key] for key in ldap})
        values["ldap"] = settings
        problems += settings.problems()
    if problems:
        raise StartError(
            what=f"{len(problems)} setting(s) are wrong",
            found="; ".join(problems),
            fix="Correct them and start again.",
        )
    if values["processes"] is None:
        values["processes"] = 2 if values["database_url"].startswith("sqlite") else 1
    return Settings(**values)


def _from_file(path: str, problems: list[str]) -> dict[str, str]:
    if not path:
        return {}
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"{FILE_VARIABLE}: {path} cannot be read: {error}")
        return {}
    known = {f.key for f in FIELDS}
    for key in content.keys() - known:
        problems.append(f"{path}: no such setting {key!r}, expected one of {', '.join(known)}")
    wrong = [key for key, value in content.items() if key in known and not isinstance(value, str)]
    problems.extend(f"{path}: {key}: expected a string in quotes" for key in wrong)
    return {key: value for key, value in content.items() if isinstance(value, str)}
