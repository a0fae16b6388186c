"""A private OpenLDAP server for tests: the real one, in a folder of its own, on loopback only.

It is Debian's `slapd`, run as a copy: its AppArmor profile keeps the one in /usr/sbin to its own
folders. Passwords of people are `pw-` and their name.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ldap3
import ldap3.strategy.base

from registry.testing.certificates import Issued
from registry.testing.postgres import free_port

# ldap3 binds each socket to all addresses before it connects, which has no effect; tests that may
# reach loopback alone cannot tell that from listening.
ldap3.strategy.base.unix_socket_available = False

SUFFIX = "dc=example,dc=test"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
SEARCHER = f"cn=svc,{SUFFIX}"
SEARCHER_PASSWORD = "svc-canary-pw"
START_TIMEOUT_S = 30.0
START_ATTEMPTS = 5
#: As most directories have one; pages are smaller.
SIZE_LIMIT = 500
_ROOT = f"cn=admin,{SUFFIX}"
_ROOT_PASSWORD = "adminpw"
_SCHEMAS = Path("/etc/ldap/schema")
_MODULES = Path("/usr/lib/ldap")

# The attributes of Active Directory that logins need, of the types that it gives them.
_CONFIG = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
include {schemas}/dyngroup.schema
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
    SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY integerMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.1.1.1.12 NAME 'memberUid' EQUALITY caseExactIA5Match
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP inetOrgPerson STRUCTURAL
    MAY ( sAMAccountName $ objectGUID $ userAccountControl $ accountExpires ) )
objectclass ( 1.3.6.1.1.1.2.2 NAME 'posixGroup' SUP top STRUCTURAL MUST cn MAY memberUid )
modulepath {modules}
moduleload back_mdb.la
moduleload dynlist.la
moduleload ppolicy.la
pidfile {home}/slapd.pid
{tls}
{extra}
sizelimit size.soft={limit} size.hard={limit} size.pr=100 size.prtotal=unlimited
database mdb
suffix "{suffix}"
rootdn "{root}"
rootpw {root_password}
directory {home}/db
maxsize 67108864
index objectClass,uid,member,memberUid,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
overlay dynlist
dynlist-attrset groupOfURLs memberURL member+memberOf@groupOfNames*
{overlays}
"""


class SlapdServer:
    """A context manager: a fresh directory on entry, nothing left of it on exit.

    With a certificate it does StartTLS and listens for LDAPS as well; with none it refuses both.
    `extra` are lines of slapd.conf before the database, `overlays` behind it; `ldif` more entries.
    Raises RuntimeError, with what to install or with the end of its log, where it cannot start.
    """

    def __init__(
        self,
        *,
        certificate: Issued | None = None,
        extra: str = "",
        overlays: str = "",
        ldif: str = "",
    ) -> None:
        self._certificate = certificate
        self._extra = extra
        self._overlays = overlays
        self._ldif = ldif
        self._process: subprocess.Popen[bytes] | None = None
        self._port = self._tls_port = 0

    def __enter__(self) -> Self:
        binary = find_binary()
        self.home = Path(tempfile.mkdtemp(prefix="hallmark-slapd-"))
        try:
            self._binary = Path(shutil.copy2(binary, self.home / "slapd"))
            self._fill()
            self._start_on_free_ports()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    @property
    def url(self) -> str:
        """Without encryption, or with StartTLS."""
        return f"ldap://localhost:{self._port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self._tls_port}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_TIMEOUT_S)
        self._process = None

    def restart(self) -> None:
        """Start again on the same ports with the same entries."""
        self.stop()
        self._start()

    def pause(self) -> None:
        """Take connections, as the kernel does, and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def add_ldif(self, text: str) -> None:
        """One more entry, as `person` and `group` write it."""
        dn, values = "", dict[str, list[str]]()
        for line in text.strip().splitlines():
            key, _, value = line.partition(": ")
            if key == "dn":
                dn = value
            else:
                values.setdefault(key, []).append(value)
        with self._as_root() as root:
            root.add(dn, attributes=values)

    def set(self, dn: str, attribute: str, *values: str) -> None:
        """Replace an attribute's values; none removes it."""
        with self._as_root() as root:
            root.modify(dn, {attribute: [(ldap3.MODIFY_REPLACE, list(values))]})

    def rename(self, dn: str, rdn: str) -> None:
        with self._as_root() as root:
            root.modify_dn(dn, rdn)

    def delete(self, dn: str) -> None:
        with self._as_root() as root:
            root.delete(dn)

    @contextmanager
    def _as_root(self) -> Iterator[Any]:
        root = ldap3.Connection(
            ldap3.Server("127.0.0.1", port=self._port, get_info=ldap3.NONE),
            user=_ROOT,
            password=_ROOT_PASSWORD,
            auto_bind=ldap3.AUTO_BIND_NO_TLS,
            raise_exceptions=True,
        )
        try:
            yield root
        finally:
            root.unbind()

    def _fill(self) -> None:
        (self.home / "db").mkdir()
        (self.home / "slapd.conf").write_text(self._config())
        (self.home / "entries.ldif").write_text("\n".join([_BASE_LDIF, self._ldif, ""]))
        done = subprocess.run(
            [*self._command("-T", "add"), "-q", "-l", str(self.home / "entries.ldif")],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"slapd could not take its entries:\n{done.stderr[-4000:]}")

    def _config(self) -> str:
        tls = ""
        if self._certificate is not None:
            tls = (
                f"TLSCertificateFile {self._certificate.certificate}\n"
                f"TLSCertificateKeyFile {self._certificate.key}"
            )
        return _CONFIG.format(
            schemas=_SCHEMAS,
            modules=_MODULES,
            home=self.home,
            tls=tls,
            extra=self._extra,
            overlays=self._overlays,
            limit=SIZE_LIMIT,
            suffix=SUFFIX,
            root=_ROOT,
            root_password=_ROOT_PASSWORD,
        )

    def _command(self, *options: str) -> list[str]:
        return [str(self._binary), *options, "-f", str(self.home / "slapd.conf")]

    def _start_on_free_ports(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            self._port, self._tls_port = free_port(), free_port()
            try:
                self._start()
                return
            except RuntimeError:
                # Somebody took a port between our look and the server's.
                if attempt == START_ATTEMPTS:
                    raise

    def _start(self) -> None:
        urls = f"ldap://127.0.0.1:{self._port}/"
        if self._certificate is not None:
            urls += f" ldaps://127.0.0.1:{self._tls_port}/"
        with open(self.home / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._command("-d", "0"), "-h", urls],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                # LDAPS is opened last.
                port = self._tls_port if self._certificate is not None else self._port
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return
            except OSError as error:
                if self._process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.01)
                    continue
                self._end()
                end = (self.home / "log").read_text(errors="replace")[-4000:]
                raise RuntimeError(f"slapd did not start on port {self._port}:\n{end}") from error

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            # One that is paused hears nothing else.
            self._process.kill()
            self._process.wait()
        self._process = None

    def _remove(self) -> None:
        self._end()
        shutil.rmtree(self.home)


def find_binary() -> Path:
    """Debian's slapd, with what it is made of."""
    found = shutil.which("slapd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None or not (_MODULES / "back_mdb.la").exists() or not _SCHEMAS.is_dir():
        raise RuntimeError(
            f"No OpenLDAP server found: slapd, its modules in {_MODULES}, schemas in "
            f"{_SCHEMAS}. "
            "Install it (on Debian: apt-get install slapd), then run the tests again."
        )
    return Path(found).resolve()


def person(name: str, **more: str) -> str:
    """An entry in LDIF. `more` are further attributes."""
    lines = [
        f"dn: uid={name},{PEOPLE}",
        "objectClass: user",
        f"uid: {name}",
        f"sAMAccountName: {name}",
        f"cn: {name.title()} Example",
        f"sn: {name}",
        # Which is ASCII, whatever people are called.
        f"mail: {name.encode('ascii', 'ignore').decode()}@example.test",
        f"userPassword: pw-{name}",
        *(f"{key}: {value}" for key, value in more.items()),
    ]
    return "\n".join([*lines, ""])


def group(name: str, members: Iterable[str]) -> str:
    """An entry in LDIF; members are DNs, of people or of other groups."""
    lines = [f"dn: cn={name},{GROUPS}", "objectClass: groupOfNames", f"cn: {name}"]
    return "\n".join([*lines, *(f"member: {dn}" for dn in members), ""])


def dn_of(name: str) -> str:
    return f"uid={name},{PEOPLE}"


def group_dn(name: str) -> str:
    return f"cn={name},{GROUPS}"


def company() -> str:
    """1,200 people and some with names; groups in groups, and two that hold each other."""
    everyone = [dn_of(f"u{number:04}") for number in range(1200)]
    entries = [person(f"u{number:04}") for number in range(1200)]
    entries += [person(name) for name in ("alice", "bob", "carol")]
    entries += [person("dave", employeeType="disabled")]
    entries += [
        group("ml-fraud", [dn_of("alice"), group_dn("ring-b")]),
        group("ml-all", [group_dn("ml-fraud")]),
        group("everyone", [group_dn("ml-all"), dn_of("bob"), *everyone]),
        group("security", [dn_of("bob")]),
        group("ring-a", [dn_of("carol"), group_dn("ring-b")]),
        group("ring-b", [group_dn("ring-a")]),
        group("self", [dn_of("carol"), group_dn("self")]),
    ]
    return "\n".join(entries)


_BASE_LDIF = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {GROUPS}
objectClass: organizationalUnit
ou: groups

dn: {SEARCHER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: svc
userPassword: {SEARCHER_PASSWORD}
"""
