"""The inspector that servers have: another process, durable work, and the jail."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import registry
from registry.app.inspector import Handover, WorkerInspector
from registry.blobs.local import LocalBlobStore
from registry.clock import SystemClock
from registry.db.engine import open_database
from registry.domain.manifests import Manifest
from registry.domain.versions import Verdict
from registry.jobs.durable_vetting import APPLICATION_VERSION
from registry.ports.database import Database
from registry.services.inspections import InspectionService
from registry.testing.contracts.inspector import Bench, InspectorContract
from registry.testing.databases import empty_sqlite
from registry.testing.postgres import PostgresServer
from registry.testing.sound import weights
from registry.vetting.tools import Tools

pytestmark = pytest.mark.slow


@dataclass(kw_only=True)
class Site:
    """A server's home, of which the inspecting part runs."""

    home: Path
    url: str
    name: str = "one"
    bare: bool = False

    def handover(self) -> Handover:
        work = f"sqlite:///{self.home}/work.db" if self.url.startswith("sqlite") else self.url
        return Handover(
            work_url=work,
            executor=self.name,
            blob_dir=str(self.home / "blobs"),
            log_level="info",
            yara_rules={},
            clamav_socket="",
            bare=self.bare,
        )

    @contextmanager
    def running(self, database: Database) -> Iterator[Bench]:
        blobs = LocalBlobStore(self.home / "blobs")
        blobs.check()
        inspected: list[str] = []
        service = InspectionService(
            database=database, clock=SystemClock(), on_inspected=inspected.append
        )
        inspector = WorkerInspector(self.handover(), Tools(), service)
        try:
            yield Bench(inspector=inspector, database=database, blobs=blobs, inspected=inspected)
        finally:
            inspector.stop()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Without fsync: no test here is about a lost machine."""
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    else:
        (tmp_path / "hallmark.db").write_bytes(empty_sqlite())
        url = f"sqlite:///{tmp_path}/hallmark.db"
    return Site(home=tmp_path, url=url)


@pytest.fixture
def database(site: Site) -> Iterator[Database]:
    opened = open_database(site.url, clock=SystemClock())
    yield opened
    opened.close()


class TestWorkerInspector(InspectorContract):
    @pytest.fixture
    def bench(self, site: Site, database: Database) -> Iterator[Bench]:
        with site.running(database) as bench:
            yield bench


def worker_of(bench: Bench, manifest: Manifest) -> int:
    """The process, which is asked for the manifest; after it was killed it takes a while."""
    inspector = bench.inspector
    assert isinstance(inspector, WorkerInspector)
    until = time.monotonic() + 20
    while True:
        inspector.want([manifest.digest])
        if (pid := inspector.pid) is not None:
            return pid
        assert time.monotonic() < until
        time.sleep(0.1)


def many(count: int) -> dict[str, bytes]:
    return {f"{number:03}.safetensors": weights(b"%d" % number * 2000) for number in range(count)}


def test_a_killed_process_goes_on(site: Site, database: Database) -> None:
    """Killed in the middle of its files, again and again: each ends with a result, and what had
    one was not looked at again."""
    with site.running(database) as bench:
        manifest = bench.manifest(many(200))
        for _ in range(2):
            pid = worker_of(bench, manifest)
            known = len(bench.results(manifest))
            until = time.monotonic() + 30
            while len(bench.results(manifest)) <= known and time.monotonic() < until:
                time.sleep(0.02)
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        before = bench.results(manifest)
        assert 0 < len(before) < 200
        until = time.monotonic() + 60
        (run,) = database.read(lambda tx: tx.vetting.runs([manifest.digest])).values()
        assert run.attempts > 1
        while manifest.digest not in bench.inspected:
            assert time.monotonic() < until
            bench.inspector.want([manifest.digest])
            time.sleep(0.5)
        after = bench.results(manifest)
        assert len(after) == 200
        assert {path: after[path] for path in before} == before
        assert not database.read(lambda tx: tx.vetting.runs([manifest.digest]))


def test_what_was_begun_goes_on_without_being_asked_for(site: Site, database: Database) -> None:
    """A server that starts again, and is asked for something else: what the one before was at
    goes on, since the queue has it."""
    with site.running(database) as bench:
        manifest = bench.manifest(many(150))
        pid = worker_of(bench, manifest)
        while not bench.results(manifest):
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
    with site.running(database) as bench:
        other = bench.manifest({"a.txt": b"a"})
        bench.inspector.want([other.digest])
        assert len(bench.done(manifest)) == 150
        bench.done(other)


def test_a_changed_release_goes_on(
    site: Site, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rules are others. What the release before began is not strung along under the old
    ones, and is looked at under the new ones."""
    with site.running(database) as bench:
        manifest = bench.manifest(many(150))
        pid = worker_of(bench, manifest)
        while not bench.results(manifest):
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        old = bench.inspector.rules_digest
        known = len(bench.results(manifest))
    # Else than by its source the next release is known by nothing.
    tools = Tools(yara_rules={"new.yar": "rule never { condition: false }"})
    handover = replace(site.handover(), yara_rules=tools.yara_rules)
    blobs = LocalBlobStore(site.home / "blobs")
    inspected: list[str] = []
    service = InspectionService(
        database=database, clock=SystemClock(), on_inspected=inspected.append
    )
    inspector = WorkerInspector(handover, tools, service)
    try:
        bench = Bench(inspector=inspector, database=database, blobs=blobs, inspected=inspected)
        assert inspector.rules_digest != old
        inspector.want([manifest.digest])
        found = bench.done(manifest)
        assert {result.rules_digest for result in found.values()} == {inspector.rules_digest}
        assert {result.verdict for result in found.values()} == {Verdict.PASS}
    finally:
        inspector.stop()
    stale = database.read(
        lambda tx: tx.vetting.results(
            [result.subject._replace(files_digest="") for result in found.values()], old
        )
    )
    # What was under way when it was killed may have been stored just then.
    assert len(stale) <= known + 1


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_the_version_of_the_work_is_pinned(site: Site, database: Database) -> None:
    """Else a release would find nothing of what the one before it began."""
    with site.running(database) as bench:
        manifest = bench.manifest({"a.txt": b"a"})
        bench.inspector.want([manifest.digest])
        bench.done(manifest)
        with sqlite3.connect(site.home / "work.db") as connection:
            rows = connection.execute(
                "SELECT DISTINCT application_version, executor_id FROM workflow_status"
            ).fetchall()
    assert rows == [(APPLICATION_VERSION, "one")]


@pytest.mark.parametrize("site", ["postgresql"], indirect=True)
def test_work_of_a_lost_server_is_taken_over(site: Site, database: Database) -> None:
    """One that is gone and does not come back."""
    with site.running(database) as bench:
        manifest = bench.manifest(many(150))
        pid = worker_of(bench, manifest)
        while not bench.results(manifest):
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
    with replace(site, name="another").running(database) as bench:
        # As long as there may be life in the first, it is left its work.
        bench.inspector.want([manifest.digest])
        time.sleep(2)
        assert len(bench.results(manifest)) < 150
        run = database.read(lambda tx: tx.vetting.runs([manifest.digest]))[manifest.digest]
        rules = bench.inspector.rules_digest
        long_ago = run.update_time_us - 120_000_000
        database.write(
            lambda tx: tx.vetting.advance(
                manifest.digest, rules, files=0, size_bytes=0, path="", now_us=long_ago
            )
        )
        bench.inspector.want([manifest.digest])
        assert len(bench.done(manifest)) == 150


def test_it_ends_with_its_server(tmp_path: Path) -> None:
    """Killed or not, nothing of it is left."""
    script = tmp_path / "serve.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from registry.testing.server import running_server\n"
        "from registry.testing.sound import weights\n"
        "with running_server(Path(sys.argv[1])) as server:\n"
        "    inspector = server.registry._inspector\n"
        "    inspector.want(['sha256:' + '0' * 64])\n"
        "    while inspector.pid is None:\n"
        "        time.sleep(0.01)\n"
        "    print(inspector.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "home")]
    environment = {**os.environ, "PYTHONPATH": str(Path(registry.__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        server.kill()
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and _is_alive(pid):
        assert time.monotonic() < until
        time.sleep(0.05)
    shutil.rmtree(tmp_path / "home")


def _is_alive(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_without_a_jail_nothing_is_looked_at(
    site: Site, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the way is told; with the setting that allows it files are looked at bare."""
    # A machine that has no list of system calls.
    hook = tmp_path / "site" / "sitecustomize.py"
    hook.parent.mkdir()
    hook.write_text("import platform\nplatform.machine = lambda: 'pdp11'\n")
    monkeypatch.setenv("PYTHONPATH", str(hook.parent))
    with site.running(database) as bench:
        manifest = bench.manifest({"a.txt": b"a"})
        bench.inspector.want([manifest.digest])
        until = time.monotonic() + 30
        while True:
            runs = database.read(lambda tx: tx.vetting.runs([manifest.digest]))
            if manifest.digest in runs and "pdp11" in runs[manifest.digest].problem:
                break
            assert time.monotonic() < until, runs
            time.sleep(0.1)
        assert not bench.results(manifest)
    with replace(site, bare=True).running(database) as bench:
        bench.inspector.want([manifest.digest])
        assert bench.done(manifest)["a.txt"].verdict is Verdict.PASS
