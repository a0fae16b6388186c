"""A private Active Directory for tests: Samba's domain controller, in a folder of its own, on
loopback only.

Its ports are fixed and privileged, so it takes an address of 127/8 to itself, and wants root. Of
its services LDAP alone runs. Passwords of people are `pw-` and their name.
"""

from __future__ import annotations

import os
import secrets
import shutil
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

from registry.testing.certificates import Authority

# See slapd.py.
ldap3.strategy.base.unix_socket_available = False

SUFFIX = "DC=corp,DC=test"
SEARCHER = f"CN=svc,CN=Users,{SUFFIX}"
SEARCHER_PASSWORD = "svc-canary-pw"
START_TIMEOUT_S = 120.0
#: Wrong passwords after which an account is locked.
LOCKOUT = 10
_ADMINISTRATOR = f"CN=Administrator,CN=Users,{SUFFIX}"
_ADMINISTRATOR_PASSWORD = "Adm1n-canary-pw"
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_INSTALL = "apt-get install samba samba-ad-provision samba-dsdb-modules samba-vfs-modules"
NORMAL = 512
DISABLED = 514
_NO_PASSWORD = 544
_HALF_AN_HOUR = str(-30 * 60 * 10_000_000)

_CONFIG = """
interfaces = {address}/8
bind interfaces only = yes
server services = ldap
tls certfile = {home}/server.pem
tls keyfile = {home}/server.key
tls cafile = {home}/authority.pem
pid directory = {home}/run
ncalrpc dir = {home}/ncalrpc
winbindd socket directory = {home}/winbindd
ntp signd socket directory = {home}/ntp
"""


class SambaServer:
    """A context manager: a fresh domain on entry, nothing left of it on exit.

    Raises RuntimeError, with what to install or with the end of its log, where it cannot start.
    """

    def __init__(self, *, authority: Authority) -> None:
        self._authority = authority
        self._process: subprocess.Popen[bytes] | None = None
        # The lower half of 127/8 is used by others.
        first, second, third = (secrets.randbelow(128) for _ in range(3))
        self.address = f"127.{128 + first % 127}.{second}.{third + 1}"

    def __enter__(self) -> Self:
        require_installed()
        self.home = Path(tempfile.mkdtemp(prefix="hallmark-samba-"))
        try:
            self._provision()
            self._start()
            self._set_policy()
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
        return f"ldap://{self.address}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{self.address}"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self._start()

    def add_unit(self, name: str) -> str:
        """A part of the directory; its DN."""
        dn = f"OU={name},{SUFFIX}"
        with self.as_administrator() as admin:
            admin.add(dn, "organizationalUnit")
        return dn

    def add_person(self, name: str, *, unit: str, **more: object) -> str:
        """`more` are further attributes; the DN."""
        dn = f"CN={name},{unit}"
        with self.as_administrator() as admin:
            admin.add(dn, "user", {**_person(name), "unicodePwd": secret(f"pw-{name}"), **more})
        return dn

    def add_crowd(self, names: Iterable[str], *, unit: str) -> None:
        """People without passwords, as fast as it goes."""
        with self.as_administrator() as admin:
            for name in names:
                attributes = {**_person(name), "userAccountControl": _NO_PASSWORD}
                admin.add(f"CN={name},{unit}", "user", attributes)

    def add_group(self, name: str, members: Iterable[str], *, unit: str) -> str:
        self.add_groups([name], members, unit=unit)
        return f"CN={name},{unit}"

    def add_groups(self, names: Iterable[str], members: Iterable[str], *, unit: str) -> None:
        """Groups of the same members."""
        held = list(members)
        with self.as_administrator() as admin:
            for name in names:
                attributes = {"sAMAccountName": name, **({"member": held} if held else {})}
                admin.add(f"CN={name},{unit}", "group", attributes)

    def set(self, dn: str, attribute: str, *values: object) -> None:
        """Replace an attribute's values; none removes it."""
        with self.as_administrator() as admin:
            admin.modify(dn, {attribute: [(ldap3.MODIFY_REPLACE, list(values))]})

    def rename(self, dn: str, rdn: str) -> None:
        with self.as_administrator() as admin:
            admin.modify_dn(dn, rdn)

    def delete(self, dn: str) -> None:
        """It and all below it."""
        with self.as_administrator() as admin:
            admin.delete(dn, controls=[("1.2.840.113556.1.4.805", True, None)])

    @contextmanager
    def as_administrator(self) -> Iterator[Any]:
        admin = ldap3.Connection(
            ldap3.Server(self.address, port=636, use_ssl=True, get_info=ldap3.NONE),
            user=_ADMINISTRATOR,
            password=_ADMINISTRATOR_PASSWORD,
            auto_bind=ldap3.AUTO_BIND_NO_TLS,
            raise_exceptions=True,
            check_names=False,
        )
        try:
            yield admin
        finally:
            admin.unbind()

    def _provision(self) -> None:
        made = self._authority.issue(self.address)
        done = subprocess.run(
            [
                *("samba-tool", "domain", "provision", f"--targetdir={self.home}"),
                *("--realm=CORP.TEST", "--domain=CORP", "--server-role=dc", "--dns-backend=NONE"),
                *("--host-name=dc1", f"--host-ip={self.address}"),
                f"--adminpass={_ADMINISTRATOR_PASSWORD}",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=_ENVIRONMENT,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Samba made no domain:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        for source, name in (
            (made.certificate, "server.pem"),
            (made.key, "server.key"),
            (self._authority.certificate, "authority.pem"),
        ):
            shutil.copyfile(source, self.home / name)
            (self.home / name).chmod(0o600)
        (self.home / "run").mkdir()
        config = self.home / "etc" / "smb.conf"
        lines = config.read_text().splitlines()
        kept = [line for line in lines if "server services" not in line]
        # Not at the end: behind it are shares, on some machines those of /etc/samba too.
        kept.insert(
            kept.index("[global]") + 1, _CONFIG.format(address=self.address, home=self.home)
        )
        config.write_text("\n".join(kept))

    def _start(self) -> None:
        config = self.home / "etc" / "smb.conf"
        with open(self.home / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["samba", "--interactive", "--model=single", "--debug-stdout", "-s", str(config)],
                # It ends with this pipe, hence with us.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection((self.address, 636), timeout=5).close()
                return
            except OSError as error:
                if self._process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                end = (self.home / "log").read_text(errors="replace")[-4000:]
                self.stop()
                raise RuntimeError(f"Samba did not start on {self.address}:\n{end}") from error

    def _set_policy(self) -> None:
        """Passwords of any kind, a lockout, and the account that searches."""
        with self.as_administrator() as admin:
            rules: dict[str, object] = {
                "pwdProperties": 0,
                "minPwdLength": 0,
                "pwdHistoryLength": 0,
                "minPwdAge": 0,
                "lockoutThreshold": LOCKOUT,
                "lockoutDuration": _HALF_AN_HOUR,
                "lockOutObservationWindow": _HALF_AN_HOUR,
            }
            replace = ldap3.MODIFY_REPLACE
            admin.modify(SUFFIX, {key: [(replace, [value])] for key, value in rules.items()})
            attributes = {**_person("svc"), "unicodePwd": secret(SEARCHER_PASSWORD)}
            admin.add(SEARCHER, "user", attributes)

    def _remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home)


def require_installed() -> None:
    """Raises RuntimeError, with what to do, where it cannot run."""
    path = _ENVIRONMENT["PATH"]
    provision = Path("/usr/share/samba/setup/provision.ldif")
    found = shutil.which("samba", path=path) and shutil.which("samba-tool", path=path)
    if not found or not provision.exists() or not list(Path("/usr/lib").glob("*/samba/ldb")):
        raise RuntimeError(
            f"No Samba domain controller found. Install it (on Debian: {_INSTALL}), then run the "
            "tests again."
        )
    if os.geteuid() != 0:
        raise RuntimeError("Samba's domain controller listens on port 389: run the tests as root.")


def secret(password: str) -> bytes:
    """A password as Active Directory wants it written."""
    return f'"{password}"'.encode("utf-16-le")


def _person(name: str) -> dict[str, object]:
    return {
        "sAMAccountName": name,
        "userPrincipalName": f"{name}@corp.test",
        "displayName": f"{name.title()} Example",
        "mail": f"{name.encode('ascii', 'ignore').decode()}@example.test",
        "userAccountControl": NORMAL,
    }
