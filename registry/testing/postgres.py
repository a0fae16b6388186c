"""A private PostgreSQL server for tests: the real one, in a folder of its own, on loopback only.

PostgreSQL refuses to run as root; then it runs as `postgres`, or `nobody` where there is no such
user. Text sorts as people read it (ICU, en-US) unless a column says otherwise, as it does in most
production clusters, so that an order which only holds for bytes shows up in a test.
"""

from __future__ import annotations

import os
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

USER = "hallmark"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
START_ATTEMPTS = 5
DEBIAN_HOME = Path("/usr/lib/postgresql")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who the server runs as; ids are None where that is simply ourselves."""

    uid: int | None = None
    gid: int | None = None

    @property
    def prefix(self) -> list[str]:
        """Of a command, to have it run as this account.

        Python itself would fork for that, in place of vfork; and where gRPC runs in this process,
        its handlers then run in the child too, in which they can end it.
        """
        if self.uid is None:
            return []
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--"]


class PostgresServer:
    """A context manager: a fresh cluster on entry, nothing left of it on exit.

    `dsn` and those of `new_database` stay valid over `kill` and `restart`. With `fsync=False` an
    acknowledged write may be lost with the machine, though not with the server. Raises
    RuntimeError, with what to install or with the end of the server's log, where it cannot start.
    """

    def __init__(self, *, fsync: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {
            "fsync": "on" if fsync else "off",
            "listen_addresses": "127.0.0.1",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            **(settings or {}),
        }
        self._password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._binaries = find_binaries()
        self._account = unprivileged_account()
        self._home = Path(tempfile.mkdtemp(prefix="hallmark-postgres-"))
        try:
            self._own(self._home)
            self._initialise()
            self._start_on_free_port()
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
    def dsn(self) -> str:
        """The address of the maintenance database, for SQLAlchemy with psycopg."""
        return self._dsn("postgres")

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._port

    @property
    def data_dir(self) -> Path:
        """The cluster's data, owned by the account that the server runs as."""
        return self._home / "data"

    def new_database(self) -> str:
        """Create an empty database under a name of its own and return its address."""
        name = f"test_{secrets.token_hex(8)}"
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._dsn(name)

    def kill(self) -> None:
        """Kill -9 the server with all its processes, as a lost machine would."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)  # so that it starts no child behind our back
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        for child in children:
            kill_and_wait(int(child))
        process.wait()
        self._process = None

    def stop(self) -> None:
        """Shut down in order, cutting open connections."""
        process = self._running()
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)
        self._process = None

    def restart(self) -> None:
        """Start again on the same port with the same data; stop first where it still runs."""
        if self._process is not None:
            self.stop()
        self._start()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the PostgreSQL server does not run; call restart() first")
        return self._process

    def _dsn(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self._port,
            user=USER,
            password=self._password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _own(self, path: Path) -> None:
        if self._account.uid is not None and self._account.gid is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _spawn(self, *command: str | Path) -> subprocess.Popen[bytes]:
        with open(self._home / "log", "ab") as log:
            return subprocess.Popen(
                [*self._account.prefix, *command],
                cwd=self._home,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _initialise(self) -> None:
        password_file = self._home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        self._own(password_file)
        process = self._spawn(
            self._binaries / "initdb",
            f"--pgdata={self.data_dir}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--no-sync",
            "--no-instructions",
        )
        if process.wait() != 0:
            raise RuntimeError(f"initdb failed:\n{self._log_end()}")

    def _start_on_free_port(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            self._port = free_port()
            try:
                self._start()
                return
            except RuntimeError as error:
                # Somebody took the port between our look and the server's.
                if attempt == START_ATTEMPTS or "already in use" not in str(error):
                    raise

    def _start(self) -> None:
        options = {**self._settings, "port": str(self._port), "unix_socket_directories": ""}
        before = (self._home / "log").stat().st_size
        self._process = self._spawn(
            self._binaries / "postgres",
            "-D",
            self.data_dir,
            *(f"--{key}={value}" for key, value in options.items()),
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._connect().close()
                return
            except psycopg.OperationalError as error:
                ended = self._process.poll() is not None
                if not ended and time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                self._end()
                raise RuntimeError(
                    f"PostgreSQL did not start on port {self._port}:\n{self._log_end(before)}"
                ) from error

    def _log_end(self, start: int = 0) -> str:
        with open(self._home / "log", "rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")[-4000:]

    def _end(self) -> None:
        """Leave no process behind, in order where it still listens to reason."""
        if self._process is None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()

    def _remove(self) -> None:
        self._end()
        shutil.rmtree(self._home)


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`: on the PATH, else Debian's newest (15 or later)."""
    on_path = shutil.which("postgres")
    if on_path is not None and shutil.which("initdb") is not None:
        return Path(on_path).resolve().parent
    versions = [int(path.name) for path in DEBIAN_HOME.glob("*") if path.name.isdigit()]
    for version in sorted(versions, reverse=True):
        folder = DEBIAN_HOME / str(version) / "bin"
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise RuntimeError(
        f"No PostgreSQL server found: `postgres` and `initdb` are neither on the PATH nor in "
        f"{DEBIAN_HOME}/<version>/bin. Install it (on Debian: apt-get install postgresql), "
        f"then run the tests again."
    )


def unprivileged_account() -> Account:
    """Ourselves, or for root the first of `postgres` and `nobody` that exists."""
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise RuntimeError("PostgreSQL refuses to run as root, and no user postgres or nobody exists")


def kill_and_wait(pid: int) -> None:
    """Kill -9 a process that need not be our child, and return when it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        # Not select(), which takes no file numbers above 1,024.
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        ended.poll()
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def free_port() -> int:
    """A TCP port that nobody held on 127.0.0.1 a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
