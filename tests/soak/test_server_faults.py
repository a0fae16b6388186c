"""A whole server and the faults around it: what it says, and that it leaves or loses nothing."""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from registry.client import Client, ClientError, File
from registry.testing.postgres import PostgresServer, free_port
from registry.testing.server import ServerProcess, failed_start
from registry.testing.soak.checker import fsck
from registry.testing.soak.full_disk import patch
from registry.testing.soak.people import NAMESPACE, People

pytestmark = pytest.mark.slow

AS_ROOT = os.geteuid() == 0
OWN_MOUNTS = ["unshare", "--mount", *([] if AS_ROOT else ["--map-root-user"])]
INSIDE = ["nsenter", "--mount", *([] if AS_ROOT else ["--user", "--preserve-credentials"])]
#: Root writes anywhere by its capabilities; without them it is bound by rights like anybody.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if AS_ROOT else []

MODEL = f"{NAMESPACE}/m"
DATA = b"weights"
FILE = File(path="weights.txt", size_bytes=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def served_home(home: Path) -> Path:
    """A registry's folder after its server has ended."""
    with ServerProcess(home) as server, server.client() as admin:
        admin.namespaces.create("first")
    return home


def reason_of(client: Client, namespace: str) -> str:
    """How claiming a namespace ends."""
    try:
        client.namespaces.create(namespace)
    except ClientError as error:
        print(error)
        return error.reason
    return "OK"


def names(client: Client) -> list[str]:
    return [namespace.id for namespace in client.namespaces.list()]


def no_patience(server: ServerProcess) -> Client:
    return Client(server.http_url, token=server.admin_token, patience_s=0)


class TestStart:
    @pytest.mark.parametrize("side", ["GRPC", "HTTP"])
    def test_a_port_in_use_is_told(self, home: Path, side: str) -> None:
        """The address and the setting are named; the next start, elsewhere, is the first one and
        shows the administrator's token."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            said = failed_start(home, {f"HALLMARK_{side}_ADDRESS": address})
        assert said.startswith("Cannot start: ")
        assert address in said
        assert f"HALLMARK_{side}_ADDRESS" in said
        with ServerProcess(home) as server, server.client() as admin:
            assert names(admin) == []

    def test_a_second_server_is_refused(self, home: Path) -> None:
        """Whoever serves the same file already is named, and goes on."""
        with ServerProcess(home) as first, first.client() as admin:
            before = sorted(home.rglob("*"))
            said = failed_start(home)
            assert f"process {first.pid} serves it already" in said
            assert sorted(home.rglob("*")) == before
            assert reason_of(admin, "second") == "OK"

    def test_a_newer_schema_is_left_alone(self, served_home: Path) -> None:
        """A database of a later release is named as such, and not a byte of it changes."""
        database = served_home / "hallmark.db"
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.commit()
        before = hashlib.sha256(database.read_bytes()).digest()
        said = failed_start(served_home)
        assert "schema 9999" in said
        assert "newer release" in said
        assert hashlib.sha256(database.read_bytes()).digest() == before

    @pytest.mark.parametrize("lost", [[""], ["-wal", "-shm"], ["", "-wal", "-shm"]])
    def test_a_lost_database_is_told(self, home: Path, lost: list[str]) -> None:
        """Bytes whose database is gone stay as they are, for when a backup of it is put back."""
        # A second process would copy the log into the file with its first write: not all is lost.
        with ServerProcess(home, {"HALLMARK_PROCESSES": "1"}) as server, server.client() as admin:
            with server.client(People.invite(admin).tokens["alice"]) as client:
                client.models.create(MODEL)
                upload = client.transfers.create_upload(MODEL, [FILE])
                patch(upload.files[0].url, DATA, 0)
            server.kill()
            backup = {path: path.read_bytes() for path in home.glob("hallmark.db*")}
            for suffix in lost:
                home.joinpath(f"hallmark.db{suffix}").unlink()
            before = sorted((home / "blobs").rglob("*"))
            assert "database is empty" in failed_start(home)
            assert "database is empty" in fsck(home, quick=False, repair=True)[0]
            assert sorted((home / "blobs").rglob("*")) == before
            for path, data in backup.items():
                path.write_bytes(data)
            home.joinpath("hallmark.db-shm").unlink()
            server.start()
            assert names(admin) == [NAMESPACE]
        assert fsck(home, quick=False) == []

    def test_a_database_that_may_not_be_written_is_told(self, served_home: Path) -> None:
        """The file is named, and the server starts once it may be written."""
        database = served_home / "hallmark.db"
        database.chmod(0o444)
        said = failed_start(served_home, prefix=WITHOUT_RIGHTS)
        assert f"Database {database} cannot be opened" in said
        assert "Permission denied" in said
        database.chmod(0o600)
        with ServerProcess(served_home):
            assert fsck(served_home, quick=False) == []

    def test_a_store_that_may_not_be_written_is_told(self, served_home: Path) -> None:
        """The folder is named, and the server starts once it may be written."""
        folders = [served_home / "blobs", *(served_home / "blobs").iterdir()]
        for folder in folders:
            folder.chmod(0o555)
        said = failed_start(served_home, prefix=WITHOUT_RIGHTS)
        assert str(served_home / "blobs") in said
        assert "EACCES" in said
        for folder in folders:
            folder.chmod(0o755)
        with ServerProcess(served_home):
            assert fsck(served_home, quick=False) == []

    def test_a_locked_database_is_told(self, served_home: Path) -> None:
        """Another program that holds the file keeps the server from starting, which says so."""
        with locked(served_home):
            assert "another process holds its file locked" in failed_start(served_home)
        with ServerProcess(served_home):
            assert fsck(served_home, quick=False) == []

    def test_a_database_server_that_is_away_is_told(self, home: Path) -> None:
        """The cause is told, and no password."""
        url = f"postgresql+psycopg://hallmark:secret@127.0.0.1:{free_port()}/hallmark"
        said = failed_start(home, {"HALLMARK_DATABASE_URL": url})
        assert "The database did not answer" in said
        assert "secret" not in said


class TestWhileServing:
    def test_a_locked_database_is_told(self, served_home: Path) -> None:
        """Writes wait, then say what is in the way; reads go on; it goes on by itself."""
        with ServerProcess(served_home) as server, no_patience(server) as admin:
            with locked(served_home):
                assert reason_of(admin, "second") == "DATABASE_UNAVAILABLE"
                assert names(admin) == ["first"]
            assert reason_of(admin, "second") == "OK"

    def test_a_database_server_may_come_and_go(self, home: Path) -> None:
        """While it is away that is told, and when it is back the same server goes on."""
        with PostgresServer() as postgres:
            settings = {"HALLMARK_DATABASE_URL": postgres.new_database()}
            with (
                ServerProcess(home, settings) as server,
                server.client() as admin,
                no_patience(server) as hasty,
            ):
                assert reason_of(admin, "first") == "OK"
                for number in range(2):
                    postgres.kill()
                    assert reason_of(hasty, "none") == "DATABASE_UNAVAILABLE"
                    postgres.restart()
                    assert reason_of(admin, f"again-{number}") == "OK"
                assert names(admin) == ["again-0", "again-1", "first"]
                assert server.stop() == 0

    def test_a_store_may_turn_read_only(self, served_home: Path) -> None:
        """Bytes are not taken then, which is told as a failing store; metadata are, and what is
        there can be fetched; with the store writable again the same server goes on."""
        blobs = served_home / "blobs"
        mount = 'mount --bind "$0" "$0" && exec "$@"'
        prefix = [*OWN_MOUNTS, "sh", "-c", mount, str(blobs)]
        with ServerProcess(served_home, prefix=prefix) as server, no_patience(server) as admin:
            with server.client(People.invite(admin).tokens["alice"]) as client:
                client.models.create(MODEL)
                upload = client.transfers.create_upload(MODEL, [FILE])
                remount(server, blobs, "ro")
                refused = patch(upload.files[0].url, DATA, 0)
                assert refused.status_code == 503
                assert refused.json()["error"]["reason"] == "STORAGE_UNAVAILABLE"
                assert reason_of(admin, "second") == "OK"
                remount(server, blobs, "rw")
                assert patch(upload.files[0].url, DATA, 0).headers["hallmark-state"] == "stored"
            assert server.stop() == 0
        assert fsck(served_home, quick=False) == []


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Another program holds the write lock of a home's database."""
    with closing(sqlite3.connect(home / "hallmark.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def remount(server: ServerProcess, folder: Path, mode: str) -> None:
    command: list[str | Path] = ["mount", "-o", f"remount,bind,{mode}", folder]
    subprocess.run([*INSIDE, f"--target={server.pid}", *command], check=True)
