"""A push or pull that is interrupted or killed in the middle, from a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.testing.people import Team, vetted
from registry.testing.proxy import FaultyProxy
from registry.testing.server import RunningServer, running_server
from registry.testing.sound import weights

pytestmark = pytest.mark.slow

SIZE_BYTES = 60_000_000
HELD_AFTER_BYTES = 40_000_000


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    with FaultyProxy() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, proxy: FaultyProxy) -> Iterator[RunningServer]:
    """A server whose bytes come and go through the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = {"HALLMARK_HTTP_ADDRESS": f"127.0.0.1:{port}", "HALLMARK_HTTP_URL": proxy.url}
    home = tmp_path_factory.mktemp("interruptions") / "home"
    with running_server(home, settings) as running:
        proxy.target = ("127.0.0.1", port)
        yield running


@pytest.fixture
def big(folder: Path) -> Path:
    (folder / "weights.safetensors").write_bytes(weights(os.urandom(SIZE_BYTES)))
    return folder


def interrupted(
    team: Team, proxy: FaultyProxy, how: signal.Signals, *words: str
) -> tuple[int, str]:
    """Exit code and standard error of a command that gets a signal in the middle."""
    access = {"HALLMARK_URL": team.server.http_url, "HALLMARK_TOKEN": team.alice_token}
    # Whoever runs the tests in the background ignores Ctrl-C, and so would what they start.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.cli", *words],
        env={**os.environ, **access},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    try:
        assert proxy.held.wait(60), "the transfer ended before it could be interrupted"
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        proxy.release()
    return process.returncode, err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_push_that_is_ended_goes_on(
    team: Team, big: Path, proxy: FaultyProxy, how: signal.Signals
) -> None:
    """After Ctrl-C or a kill the same push sends only what is missing."""
    proxy.up = proxy.hold_after(HELD_AFTER_BYTES)
    code, err = interrupted(team, proxy, how, "push", str(big), team.model())
    if how is signal.SIGINT:
        assert code == 130
        assert f"hallmark push {big} {team.model()}" in err
        assert "Traceback" not in err
    assert list(team.alice.versions.list(team.model())) == []
    result = team.alice.push(big, team.model())
    assert result.sent_bytes < result.size_bytes - HELD_AFTER_BYTES / 2
    assert result.version is not None
    assert vetted(team.alice, result.version.ref).vetting.verdict == "pass"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_that_is_ended_goes_on(
    team: Team, big: Path, proxy: FaultyProxy, how: signal.Signals, tmp_path: Path
) -> None:
    """After Ctrl-C or a kill there is no target; the same pull fetches only what is missing."""
    team.alice.push(big, team.model())
    vetted(team.alice, f"{team.model()}@1")
    target = tmp_path / "served"
    proxy.down = proxy.hold_after(HELD_AFTER_BYTES)
    words = ("pull", f"{team.model()}@1", str(target))
    code, err = interrupted(team, proxy, how, *words)
    if how is signal.SIGINT:
        assert code == 130
        assert f"hallmark pull {team.model()}@1 {target}" in err
    assert not target.exists()
    result = team.alice.pull(f"{team.model()}@1", target)
    assert result.received_bytes < result.size_bytes
    assert (target / "weights.safetensors").read_bytes() == (
        big / "weights.safetensors"
    ).read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".served")] == []
