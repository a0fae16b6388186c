"""A server in several processes: whichever of them answers, it is one registry."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.board import PLACES
from registry.client import Client
from registry.client.errors import UnauthenticatedError
from registry.client.values import Grant, NewToken
from registry.testing.people import vetted
from registry.testing.postgres import PostgresServer
from registry.testing.server import ServerProcess, failed_start
from registry.testing.soak.ports import settled_addresses

pytestmark = pytest.mark.slow

#: So many that hardly ever all of them come to the same process.
CONNECTIONS = 24
WAIT_S = 30.0
PROCESSES = {"HALLMARK_PROCESSES": "3"}
_CALL = re.compile(r'"call": "(\w+)-\w+", "method": "registry\.v1\.NamespaceService/List')


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Mapping[str, str]:
    if request.param == "sqlite":
        return PROCESSES
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return {**PROCESSES, "HALLMARK_DATABASE_URL": postgres.new_database()}


@contextmanager
def clients(server: ServerProcess, token: str = "") -> Iterator[list[Client]]:
    """Clients, each of which has a connection of its own."""
    with ExitStack() as open:
        yield [open.enter_context(server.client(token or None)) for _ in range(CONNECTIONS)]


def workers_of(server: ServerProcess) -> set[int]:
    """The processes that a server has started, and that have not ended."""
    threads = Path(f"/proc/{server.pid}/task").iterdir()
    found = {int(pid) for thread in threads for pid in (thread / "children").read_text().split()}
    return {pid for pid in found if is_running(pid)}


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def token_of(server: ServerProcess, who: str, *roles: str) -> NewToken:
    """The token of a new person, who has these roles everywhere."""
    with server.client() as admin:
        grants = [Grant(role=role, namespace_pattern="*") for role in roles]
        admin.principals.create(who, grants=grants)
        expires = datetime.now(UTC) + timedelta(days=1)
        return admin.tokens.create(who, expire_time=expires)


def answering(server: ServerProcess) -> set[str]:
    """Marks of the processes that answer to many clients, as the ids of their calls have them."""
    seen = len(server.log.read_text())

    def calls() -> list[str]:
        return _CALL.findall(server.log.read_text()[seen:])

    with clients(server) as many:
        for client in many:
            list(client.namespaces.list())
    # The log is written a little later.
    wait_for(lambda: len(calls()) == CONNECTIONS)
    return set(calls())


def test_all_processes_answer(tmp_path: Path, settings: Mapping[str, str]) -> None:
    """New connections are spread over as many processes as the setting says."""
    with ServerProcess(tmp_path / "home", settings) as server:
        assert len(workers_of(server)) == 2
        assert len(answering(server)) == 3


def test_what_one_process_stores_all_others_see(
    tmp_path: Path, settings: Mapping[str, str]
) -> None:
    """Whoever was told of a change finds it on any connection, also what is read often; and the
    audit chain, which all of them continue, is whole."""
    file = tmp_path / "model.bin"
    with ServerProcess(tmp_path / "home", settings) as server:
        with server.client() as admin:
            admin.namespaces.create("digits")
        token = token_of(server, "ada", "registrant", "deployer", "auditor").secret
        with clients(server, token) as many:
            for number, client in enumerate(many, start=1):
                file.write_text(f"weights {number}")
                pushed = client.push(file, "digits/model").version
                assert pushed is not None
                vetted(client, f"digits/model@{number}")
                client.references.set("digits/model", "newest", kind="alias", target=pushed.name)
                for other in many:
                    found = other.references.resolve("digits/model@newest")
                    assert found.version.number == number
            assert many[0].events.verify().event_count > 4 * CONNECTIONS


def test_a_revoked_token_is_refused_by_all(tmp_path: Path, settings: Mapping[str, str]) -> None:
    """Once a token is revoked, no process takes it any longer."""
    with ServerProcess(tmp_path / "home", settings) as server, server.client() as admin:
        token = token_of(server, "ada", "reader")
        with clients(server, token.secret) as many:
            for client in many:
                client.principals.caller()
            admin.tokens.revoke(token.token.name)
            for client in many:
                with pytest.raises(UnauthenticatedError, match="revoked"):
                    client.principals.caller()


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """The others go on answering, and soon there are as many as before."""
    with ServerProcess(tmp_path / "home", PROCESSES) as server, server.client() as admin:
        first = workers_of(server)
        for worker in first:
            os.kill(worker, signal.SIGKILL)
        admin.namespaces.create("meanwhile")
        wait_for(lambda: len(workers_of(server) - first) == 2)
        wait_for(lambda: len(answering(server)) == 3)
        assert "ended with code -9; another is started" in server.log.read_text()


def test_no_worker_outlives_its_server(tmp_path: Path) -> None:
    """A server that was killed leaves nobody behind, and the next one starts at once."""
    with ServerProcess(tmp_path / "home", {**PROCESSES, **settled_addresses()}) as server:
        ended: set[int] = set()
        for _ in range(3):
            ended |= workers_of(server)
            server.kill()
            server.start()
            assert len(workers_of(server)) == 2
            with server.client() as admin:
                list(admin.namespaces.list())
        wait_for(lambda: not any(is_running(each) for each in ended))


def test_all_processes_end_when_asked(tmp_path: Path) -> None:
    """SIGTERM ends the server and its workers, and nothing is logged as an error."""
    server = ServerProcess(tmp_path / "home", PROCESSES)
    workers = workers_of(server)
    assert server.stop() == 0
    assert not any(is_running(each) for each in workers)
    assert " ERROR " not in server.log.read_text()


def test_one_process_has_no_workers(tmp_path: Path) -> None:
    """With one process the port is this process's alone."""
    with ServerProcess(tmp_path / "home", {"HALLMARK_PROCESSES": "1"}) as server:
        assert workers_of(server) == set()
        assert len(answering(server)) == 1


def test_a_shared_port_is_not_shared_with_another_server(tmp_path: Path) -> None:
    """Another server, whose processes would share a port too, is refused this one, and leaves
    nobody behind."""
    with ServerProcess(tmp_path / "home", PROCESSES) as server:
        taken = {"HALLMARK_GRPC_ADDRESS": server.grpc_target, **PROCESSES}
        assert "gRPC address" in failed_start(tmp_path / "other", taken)


@pytest.mark.parametrize("count", ["0", "-1", "two", str(PLACES + 1)])
def test_a_wrong_number_of_processes(tmp_path: Path, count: str) -> None:
    """What is no number of processes is told with what is one."""
    said = failed_start(tmp_path / "home", {"HALLMARK_PROCESSES": count})
    assert f"a whole number from 1 to {PLACES}" in said
