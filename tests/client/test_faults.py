"""Push and pull over a network that cuts connections and changes bytes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from registry.client import Client
from registry.client.connection import Connection
from registry.client.credentials import Access
from registry.client.errors import DamagedError, UnavailableError
from registry.client.progress import FileStep, Silent
from registry.client.pull import Puller
from registry.client.push import Pusher
from registry.client.values import VersionSpec
from registry.testing.people import Team, vetted
from registry.testing.proxy import FaultyProxy, cut_every, cut_from, flip_after, pass_on
from registry.testing.server import RunningServer, ServerProcess, running_server
from registry.testing.sound import weights

pytestmark = pytest.mark.slow

SIZE_BYTES = 40_000_000


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
    home = tmp_path_factory.mktemp("faults") / "home"
    with running_server(home, settings) as running:
        proxy.target = ("127.0.0.1", port)
        yield running


@pytest.fixture(autouse=True)
def sound_network(proxy: FaultyProxy) -> Iterator[None]:
    """Every test begins and ends with a network that works."""
    proxy.up = proxy.down = pass_on
    yield
    proxy.up = proxy.down = pass_on


@pytest.fixture
def big(folder: Path) -> Path:
    (folder / "weights.safetensors").write_bytes(weights(os.urandom(SIZE_BYTES)))
    return folder


def impatient(server: RunningServer, token: str) -> Connection:
    return Connection(Access(url=server.http_url, token=token))


def test_a_push_that_is_cut_goes_on(team: Team, big: Path, proxy: FaultyProxy) -> None:
    """Cuts in the middle cost a little of what was under way, and the push ends well by itself."""
    before = proxy.up_bytes
    proxy.up = cut_every(9_000_000)
    result = team.alice.push(big, team.model())
    assert result.version is not None
    assert vetted(team.alice, result.version.ref).vetting.verdict == "pass"
    assert proxy.up_bytes - before < 2 * SIZE_BYTES


def test_a_pull_that_is_cut_goes_on(
    team: Team, big: Path, proxy: FaultyProxy, tmp_path: Path
) -> None:
    """Cuts in the middle lose no byte that arrived, and the pull ends well by itself."""
    team.alice.push(big, team.model())
    vetted(team.alice, f"{team.model()}@1")
    proxy.down = cut_every(9_000_000)
    result = team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert result.received_bytes == result.size_bytes
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == (
        big / "weights.safetensors"
    ).read_bytes()


def test_a_push_without_a_network_ends(
    team: Team, big: Path, proxy: FaultyProxy, server: RunningServer
) -> None:
    """A push gives up when no byte gets through for its patience; the next one goes on."""
    proxy.up = cut_from(12_000_000)
    connection = impatient(server, team.alice_token)
    pusher = Pusher(connection, progress=Silent(), patience_s=0.5)
    with pytest.raises(UnavailableError):
        pusher.run([big], team.model(), spec=VersionSpec())
    connection.close()
    proxy.up = pass_on
    result = team.alice.push(big, team.model())
    assert 0 < result.sent_bytes < result.size_bytes - 5_000_000


def test_a_pull_without_a_network_leaves_no_target(
    team: Team, big: Path, proxy: FaultyProxy, server: RunningServer, tmp_path: Path
) -> None:
    """A pull that gives up leaves nothing at its target; the next one goes on where it stopped."""
    team.alice.push(big, team.model())
    vetted(team.alice, f"{team.model()}@1")
    proxy.down = cut_from(35_000_000)
    connection = impatient(server, team.alice_token)
    puller = Puller(connection, progress=Silent(), patience_s=0.5)
    with pytest.raises(UnavailableError):
        puller.run(f"{team.model()}@1", tmp_path / "out")
    connection.close()
    assert not (tmp_path / "out").exists()
    proxy.down = pass_on
    result = team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert 0 < result.received_bytes < result.size_bytes
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_a_byte_changed_on_its_way_up_is_refused(team: Team, big: Path, proxy: FaultyProxy) -> None:
    """Bytes that are not those announced make no version; the next push sends the file anew."""
    proxy.up = flip_after(20_000_000, times=1)
    with pytest.raises(DamagedError):
        team.alice.push(big, team.model())
    assert list(team.alice.versions.list(team.model())) == []
    assert team.alice.push(big, team.model()).created


def test_a_byte_changed_on_its_way_down_is_fetched_again(
    team: Team, big: Path, proxy: FaultyProxy, tmp_path: Path
) -> None:
    """A file that arrives wrong once is fetched once more, and right."""
    team.alice.push(big, team.model())
    vetted(team.alice, f"{team.model()}@1")
    proxy.down = flip_after(20_000_000, times=1)
    result = team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert result.received_bytes > result.size_bytes
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == (
        big / "weights.safetensors"
    ).read_bytes()


def test_bytes_that_keep_changing_are_never_put_into_place(
    team: Team, big: Path, proxy: FaultyProxy, tmp_path: Path
) -> None:
    """A file that arrives wrong twice ends the pull by name, and without a target."""
    team.alice.push(big, team.model())
    vetted(team.alice, f"{team.model()}@1")
    proxy.down = flip_after(1_000_000, times=1_000_000)
    with pytest.raises(DamagedError, match=r"\.safetensors: .* twice"):
        team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Pausing(Silent):
    """Stops the sender once, behind so many bytes, until `woken`."""

    def __init__(self, after_bytes: int) -> None:
        self._left = after_bytes
        self._sending = False
        self.woken = threading.Event()

    def begin(self, step: str, files: Sequence[FileStep]) -> None:
        self._sending = step == "send"

    def advance(self, path: str, count: int) -> None:
        if self._sending:
            self._left -= count
        if self._left < 0:
            assert self.woken.wait(timeout=60)


def test_a_push_that_paused_for_too_long_goes_on(
    team: Team, big: Path, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender that slept until the server answered 408 goes on where it was."""
    monkeypatch.setattr("registry.doors.connection.STALLED_S", 1)
    pausing = Pausing(15_000_000)

    def watch(piece: bytes, before: int) -> bytes:
        if piece.startswith(b"HTTP/1.1 408"):
            pausing.woken.set()
        return piece

    proxy.down = watch
    result = team.alice.push(big, team.model(), progress=pausing)
    assert pausing.woken.is_set()
    assert result.version is not None
    assert result.sent_bytes < result.size_bytes + 5_000_000


class Answering408:
    """In place of what the server answers, so many times."""

    def __init__(self, times: int, body: bytes) -> None:
        self.left = times
        self._answer = (
            b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )

    def __call__(self, piece: bytes, before: int) -> bytes:
        if not self.left or not piece.startswith(b"HTTP/1.1 20"):
            return piece
        self.left -= 1
        return self._answer


SLOW = (
    b'{"error": {"code": "DEADLINE_EXCEEDED", "reason": "SLOW_REQUEST",'
    b' "message": "No whole head came.", "metadata": {}}}'
)


@pytest.mark.parametrize("body", [b"", SLOW], ids=["proxy", "registry"])
def test_answers_408_end_nothing(
    team: Team, big: Path, proxy: FaultyProxy, tmp_path: Path, body: bytes
) -> None:
    """Neither a proxy's nor a registry's word that it waited for too long ends a push or a pull."""
    team.alice.info()
    proxy.down = pushing = Answering408(3, body)
    team.alice.push(big, team.model())
    vetted(team.alice, f"{team.model()}@1")
    proxy.down = pulling = Answering408(3, body)
    result = team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert (pushing.left, pulling.left) == (0, 0)
    assert result.received_bytes == result.size_bytes
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == (
        big / "weights.safetensors"
    ).read_bytes()


def test_a_server_that_is_not_there(proxy: FaultyProxy) -> None:
    """Where nobody listens, the error says the address and how to start a server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", f"grpc://127.0.0.1:{port}"):
        with (
            Client(url, token="", patience_s=0.1) as client,
            pytest.raises(UnavailableError, match="hallmark serve") as caught,
        ):
            client.info()
        assert str(port) in str(caught.value)


def test_both_addresses_lead_to_the_same_server(server: RunningServer) -> None:
    """The HTTP address and the gRPC address are equally good."""
    with (
        Client(server.http_url, token="") as one,
        Client(f"grpc://{server.grpc_target}", token="") as other,
    ):
        assert one.info() == other.info()


def test_a_server_that_comes_back(tmp_path: Path) -> None:
    """A call that is safe to repeat waits out a restart; its creation happens once."""
    with ServerProcess(tmp_path / "home") as process:
        url, token = process.http_url, process.admin_token
        with Client(url, token=token, patience_s=60.0) as client:
            client.namespaces.create("before")
            process.kill()
            starting = threading.Thread(target=process.start)
            starting.start()
            try:
                client.namespaces.create("after")
            finally:
                starting.join()
            assert [each.id for each in client.namespaces.list()] == ["after", "before"]
