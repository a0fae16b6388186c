"""What operators do to the processes of a server, and what they find then."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from registry.testing.server import ServerProcess, failed_start
from registry.testing.soak.ports import settled_addresses
from tests.app.test_workers import answering, is_running, wait_for, workers_of

pytestmark = pytest.mark.slow

PROCESSES = {"HALLMARK_PROCESSES": "3"}


def test_a_worker_that_is_stopped_does_not_keep_the_server(tmp_path: Path) -> None:
    """Asked to end, the server ends, and what does not answer any more is ended with it."""
    server = ServerProcess(tmp_path / "home", PROCESSES)
    workers = workers_of(server)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    assert server.stop() == 0
    assert not any(is_running(each) for each in workers)
    assert "did not stop within its grace and is killed" in server.log.read_text()


def test_what_a_killed_server_left_keeps_the_next_one_away(tmp_path: Path) -> None:
    """As long as a worker may still write, no other server starts; then it does."""
    with ServerProcess(tmp_path / "home", {**PROCESSES, **settled_addresses()}) as server:
        worker = workers_of(server).pop()
        os.kill(worker, signal.SIGSTOP)
        server.kill()
        said = failed_start(server.home, PROCESSES)
        assert f"process {server.pid} serves it already, or a worker that it left" in said
        os.kill(worker, signal.SIGCONT)
        server.start()


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_standard_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    """A server serves without them, in all its processes, and ends in order."""
    prefix = ("sh", "-c", f'exec "$@" {closed}', "sh")
    with ServerProcess(tmp_path / "home", PROCESSES, prefix=prefix) as server:
        assert len(workers_of(server)) == 2
        with server.client() as admin:
            admin.namespaces.create("digits")
        assert server.stop() == 0


def test_a_greeting_that_nobody_reads(tmp_path: Path) -> None:
    """Whoever read standard output may go; the server is stopped in order all the same."""
    with ServerProcess(tmp_path / "home", PROCESSES) as server:
        server.stop_reading()
        assert server.stop() == 0
        assert "BrokenPipe" not in server.log.read_text()


def test_a_worker_that_cannot_start(tmp_path: Path) -> None:
    """The log tells why, the others go on, and it starts once it can."""
    with ServerProcess(tmp_path / "home", PROCESSES) as server:
        key = server.home / "ticket.key"
        good = key.read_bytes()
        key.write_bytes(b"short")
        os.kill(workers_of(server).pop(), signal.SIGKILL)
        said = f"this worker cannot start: Key file {key}: 5 bytes"
        wait_for(lambda: said in server.log.read_text())
        with server.client() as admin:
            admin.namespaces.create("meanwhile")
        key.write_bytes(good)
        wait_for(lambda: len(answering(server)) == 3)
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("name", ["ticket.key", "hallmark.db"])
def test_a_worker_makes_no_file_that_was_lost(name: str, tmp_path: Path) -> None:
    """What only the first process may make is missed by a worker that starts later."""
    with ServerProcess(tmp_path / "home", PROCESSES) as server:
        lost = server.home / name
        lost.rename(tmp_path / name)
        os.kill(workers_of(server).pop(), signal.SIGKILL)
        wait_for(lambda: "this worker cannot start: " in server.log.read_text())
        assert not lost.exists()
        (tmp_path / name).rename(lost)
        wait_for(lambda: len(answering(server)) == 3)


def test_kills_while_it_starts(tmp_path: Path) -> None:
    """However far a start has come, the next one works, and no worker complains."""
    with ServerProcess(tmp_path / "home", {**PROCESSES, **settled_addresses()}) as server:
        server.stop()
        for tenths in range(5, 20, 3):
            server.start_and_kill(tenths / 10)
        server.start()
        assert "Traceback" not in server.log.read_text()
