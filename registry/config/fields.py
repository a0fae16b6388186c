"""The settings one by one: the README's table, the environment's names and the file's keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry.board import PLACES
from registry.config import parsing


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


FIELDS = (
    Field(
        key="home",
        parse=parsing.path,
        expected="a folder's path",
        default="./var",
        meaning="Folder of the embedded registry: database, bytes, keys.",
    ),
    Field(
        key="grpc_address",
        parse=parsing.address,
        expected="host:port, port 0 for any free one",
        default="127.0.0.1:8081",
        meaning="Where gRPC listens.",
    ),
    Field(
        key="http_address",
        parse=parsing.address,
        expected="host:port, port 0 for any free one",
        default="127.0.0.1:8080",
        meaning="Where HTTP listens: bytes, health.",
    ),
    Field(
        key="http_url",
        parse=parsing.url,
        expected="an http or https URL without query",
        default="",
        meaning="The HTTP side as clients reach it, behind a proxy for one; empty: its address.",
    ),
    Field(
        key="grpc_target",
        parse=parsing.target,
        expected="host:port",
        default="",
        meaning="The gRPC side as clients reach it; empty: its address.",
    ),
    Field(
        key="database_url",
        parse=parsing.database,
        expected="sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
        default="sqlite:///{home}/hallmark.db",
        meaning="The metadata's database. One server a SQLite file.",
    ),
    Field(
        key="blob_dir",
        parse=parsing.path,
        expected="a folder's path",
        default="{home}/blobs",
        meaning="Folder of the bytes. Shared by all replicas.",
    ),
    Field(
        key="ticket_key_file",
        parse=parsing.path,
        expected="a file's path",
        default="{home}/ticket.key",
        meaning="File of the key that signs addresses, at least 32 bytes; made when absent. The "
        "same for all replicas.",
    ),
    Field(
        key="audit_key_file",
        parse=parsing.path,
        expected="a file's path",
        default="{home}/audit.key",
        meaning="File of the Ed25519 key (PEM) that signs checkpoints of the audit log; made when "
        "absent. The same for all replicas. To change it: hallmark audit rotate-key.",
    ),
    Field(
        key="audit_checkpoint_minutes",
        parse=parsing.whole(0, 1440),
        expected="a whole number of minutes from 0 to 1440",
        default="10",
        meaning="A checkpoint is made when the last is so old and something happened since; 0: "
        "only when one is asked for.",
    ),
    Field(
        key="audit_export_dir",
        parse=parsing.optional_path,
        expected="a folder's path",
        default="",
        meaning="Folder to which each checkpoint is copied, best on another machine's disk, so "
        "that evidence lies outside the database; empty: none.",
    ),
    Field(
        key="tls_certificate_file",
        parse=parsing.optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Certificate chain for gRPC and HTTP; empty: no TLS.",
    ),
    Field(
        key="tls_key_file",
        parse=parsing.optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Private key of the certificate.",
    ),
    Field(
        key="accel_prefix",
        parse=parsing.prefix,
        expected="a path such as /internal/",
        default="",
        meaning="Let an nginx in front send the bytes (X-Accel-Redirect) from this internal "
        "location; empty: send them ourselves.",
    ),
    Field(
        key="policy_dir",
        parse=parsing.optional_path,
        expected="a folder's path",
        default="",
        meaning="Folder of the policy files that become active on the first start; empty: those "
        "that come with Hallmark. Also what `hallmark policy` reads, and where each start looks "
        "for a list of Triton's releases (triton-releases.yaml).",
    ),
    Field(
        key="processes",
        parse=parsing.processes,
        expected=f"a whole number from 1 to {PLACES}",
        default="",
        meaning="Processes that answer gRPC; each can use one core. Empty: 2 with SQLite, 1 with "
        "PostgreSQL, which has replicas for that.",
    ),
    Field(
        key="calls_per_minute",
        parse=parsing.whole(0, parsing.COUNT_MAX),
        expected="a whole number",
        default="600000",
        meaning="Calls that each process takes from one principal, a second's worth of them at "
        "once; 0: any number.",
    ),
    Field(
        key="upload_bytes",
        parse=parsing.whole(0, parsing.COUNT_MAX),
        expected="a whole number",
        default="10000000000000",
        meaning="Bytes that one principal may have announced and not yet sent; 0: any number.",
    ),
    Field(
        key="clamav_socket",
        parse=parsing.optional_path,
        expected="a unix socket's path",
        default="",
        meaning="Socket of a clamd that is asked about every file; empty: none is. Files are "
        "unknown while it cannot be reached, or where they are longer than its StreamMaxLength.",
    ),
    Field(
        key="yara_dir",
        parse=parsing.optional_path,
        expected="a folder's path",
        default="",
        meaning="Folder of YARA rules, in files *.yar, that every file is scanned with; empty: "
        "none. Read at the start.",
    ),
    Field(
        key="bare_vetting",
        parse=parsing.yes,
        expected="yes or no",
        default="no",
        meaning="Look at files also where this machine cannot close the jail "
        "(`hallmark vet jail-check`). Then a hostile file that takes over a parser has what the "
        "server has. no: such a machine vets nothing.",
    ),
    Field(
        key="log_level",
        parse=parsing.log_level,
        expected=" or ".join(parsing.LOG_LEVELS),
        default="info",
        meaning="info writes one line a call.",
    ),
    Field(
        key="workloads_file",
        parse=parsing.optional_path,
        expected="a YAML file's path",
        default="",
        meaning="Which platforms' tokens (OIDC) are taken for which robots, as in "
        "policies/workloads.example.yaml; empty: none.",
    ),
    Field(
        key="triton_probes_file",
        parse=parsing.optional_path,
        expected="a YAML file's path",
        default="",
        meaning="On which NVIDIA Triton candidates for a stage are probed, as in "
        "policies/triton-probes.example.yaml; empty: on none.",
    ),
    Field(
        key="workload_token_minutes",
        parse=parsing.whole(1, 60),
        expected="whole minutes from 1 to 60",
        default="10",
        meaning="How long a token lives, at most, that a workload gets for its platform's.",
    ),
    Field(
        key="webhook_networks",
        parse=parsing.networks,
        expected="networks such as 10.1.0.0/16, with commas between",
        default="",
        meaning="Private networks that webhooks may send to; the internet they always may.",
    ),
    Field(
        key="webhook_ca_file",
        parse=parsing.optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Authorities for the certificates of webhooks' receivers; empty: the system's.",
    ),
    Field(
        key="ldap_urls",
        parse=parsing.ldap_urls,
        expected="ldaps://HOST[:PORT] or ldap://HOST[:PORT], several apart by blanks",
        default="",
        meaning="Servers of the directory, asked in this order; empty: no directory.",
    ),
    Field(
        key="ldap_ca_file",
        parse=parsing.optional_path,
        expected="a PEM file's path",
        default="",
        meaning="Authority that signed their certificates; empty: the system's.",
    ),
    Field(
        key="ldap_start_tls",
        parse=parsing.yes,
        expected="yes or no",
        default="yes",
        meaning="Encrypt ldap:// by StartTLS before anything else is said.",
    ),
    Field(
        key="ldap_allow_plain",
        parse=parsing.yes,
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
        parse=parsing.optional_path,
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
        parse=parsing.attribute,
        expected="an attribute's name",
        default="",
        meaning="The ATTRIBUTE of that query, which also becomes the principal's id; empty: uid, "
        "or sAMAccountName.",
    ),
    Field(
        key="ldap_id_attribute",
        parse=parsing.attribute,
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
        meaning="Who of them is disabled, besides whom Active Directory's attributes call so. "
        "Query: `(&FILTER(ID_ATTRIBUTE=id))`; empty: nobody.",
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
        parse=parsing.attribute,
        expected="an attribute's name",
        default="member",
        meaning="The MEMBER of that query; memberUid holds names instead of DNs, and does not "
        "nest.",
    ),
    Field(
        key="ldap_active_directory",
        parse=parsing.yes,
        expected="yes or no",
        default="no",
        meaning="Use Active Directory's attributes above and its rule for nested groups, "
        "`(MEMBER:1.2.840.113556.1.4.1941:=dn)`.",
    ),
    Field(
        key="ldap_cache_s",
        parse=parsing.whole(0, 300),
        expected="a whole number from 0 to 300",
        default="60",
        meaning="Seconds for which a password that was right is taken for right without asking "
        "again.",
    ),
    Field(
        key="roles_file",
        parse=parsing.optional_path,
        expected="a YAML file's path",
        default="",
        meaning="What the directory's groups may do here: see registry/auth/README.md. Read at the "
        "start.",
    ),
    Field(
        key="login_token_h",
        parse=parsing.whole(1, 168),
        expected="a whole number from 1 to 168",
        default="12",
        meaning="Hours for which a token from `hallmark login` is good.",
    ),
    Field(
        key="login_failures_max",
        parse=parsing.whole(1, 100),
        expected="a whole number from 1 to 100",
        default="4",
        meaning="Wrong passwords in 15 minutes, for a user from an address, before none is tried; "
        "keep it below the directory's own lockout.",
    ),
    Field(
        key="login_failures_per_user_max",
        parse=parsing.whole(1, 1000),
        expected="a whole number from 1 to 1000",
        default="8",
        meaning="The same for a user from all addresses but the one of the last right password.",
    ),
    Field(
        key="login_failures_per_address_max",
        parse=parsing.whole(0, 100_000),
        expected="a whole number from 0 to 100000",
        default="100",
        meaning="The same from an address for all users together, against one password that is "
        "tried with every name; 0: any number. Raise it where many share one, as behind a proxy.",
    ),
)
