"""A pipeline with nothing but its platform's token, against a real server and a real issuer."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.client import Client, Grant
from registry.client.errors import UnauthenticatedError, UnavailableError
from registry.client.progress import Silent
from registry.client.workloads import is_platform_token
from registry.testing.command import CommandLine
from registry.testing.issuer import (
    AUDIENCE,
    KUBERNETES,
    IssuerSite,
    key_set,
    kubernetes_claims,
    serving_keys,
    sign,
)
from registry.testing.people import Team, vetted
from registry.testing.server import RunningServer, ServerProcess, running_server
from registry.testing.sound import weights

pytestmark = pytest.mark.slow

#: Many ranges of a pull.
SIZE_BYTES = 200_000_000

RULES = """\
issuers:
  - issuer: {issuer}
    jwks_url: {url}
    ca_file: {ca_file}
    audience: {audience}
    algorithms: [RS256, EdDSA]
    rules:
      - subject: system:serviceaccount:serving:deployer
        principal: deploy
"""


@dataclass(frozen=True)
class Cluster:
    """A registry that trusts an issuer, and that issuer."""

    server: RunningServer
    site: IssuerSite


def rules_in(folder: Path, site: IssuerSite, ca_file: Path) -> Path:
    path = folder / "workloads.yaml"
    path.write_text(
        RULES.format(issuer=KUBERNETES, url=site.url, ca_file=ca_file, audience=AUDIENCE)
    )
    return path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with serving_keys(folder, key_set("rsa", "ed25519")) as (site, authority):
        settings = {
            "HALLMARK_WORKLOADS_FILE": str(rules_in(folder, site, authority.certificate)),
            "HALLMARK_WORKLOAD_TOKEN_MINUTES": "10",
        }
        with running_server(folder / "home", settings) as server:
            with server.client() as admin:
                grants = [Grant(role="deployer", namespace_pattern="*")]
                admin.principals.create("deploy", kind="robot", grants=grants)
            yield Cluster(server, site)


@pytest.fixture
def server(cluster: Cluster) -> RunningServer:
    return cluster.server


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: RunningServer) -> Path:
    """As Kubernetes mounts it, and named to the client."""
    path = tmp_path / "token"
    path.write_text(fresh())
    monkeypatch.setenv("HALLMARK_URL", server.http_url)
    monkeypatch.setenv("HALLMARK_TOKEN_FILE", str(path))
    return path


def fresh(**changes: object) -> str:
    return sign(kubernetes_claims(int(time.time()), **changes))


def exchanges(server: RunningServer) -> int:
    with server.client() as admin:
        return len(list(admin.events.list(action="workload.exchange")))


def test_a_pipeline_deploys(
    team: Team,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """With a file that holds its platform's token it says who it is, resolves and pulls; all of it
    costs one exchange, kept where nobody else can read it."""
    team.alice.push(folder, team.model())
    vetted(team.alice, f"{team.model()}@1")
    request.getfixturevalue("token_file")
    assert isinstance(team.server, RunningServer)
    before = exchanges(team.server)
    hallmark = CommandLine(capsys)
    who = hallmark("whoami")
    assert who.code == 0, who
    workload = f"system:serviceaccount:serving:deployer at {KUBERNETES}"
    assert "deploy, robot, at" in who.out
    assert workload in " ".join(who.out.split())
    assert "minutes left" in who.out
    resolved = hallmark("resolve", f"{team.model()}@1")
    assert resolved.code == 0, resolved
    pulled = hallmark("pull", f"{team.model()}@1", str(tmp_path / "out"))
    assert pulled.code == 0, pulled
    assert (tmp_path / "out" / "config.json").read_bytes() == b"{}"
    assert exchanges(team.server) == before + 1
    kept = Path(os.environ["HALLMARK_CONFIG"]) / "exchanged"
    (file,) = kept.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) & 0o077 == 0


class Revoking(Silent):
    """Revokes every token of the robot each time that so many more bytes have arrived."""

    def __init__(self, server: RunningServer, every_bytes: int) -> None:
        self._server = server
        self._every_bytes = every_bytes
        self._arrived = 0
        self._lock = threading.Lock()
        self.times = 0

    def advance(self, path: str, count: int) -> None:
        with self._lock:
            self._arrived += count
            if self._arrived < self._every_bytes:
                return
            self._arrived = 0
            self.times += 1
        with self._server.client() as admin:
            for each in admin.tokens.list("deploy"):
                if each.revoke_time is None:
                    admin.tokens.revoke(each.name)


def test_a_pull_outlives_its_tokens(
    team: Team, folder: Path, tmp_path: Path, server: RunningServer, token_file: Path
) -> None:
    """However often the token ends on the way: each address is asked for anew with the next."""
    (folder / "weights.safetensors").write_bytes(weights(os.urandom(SIZE_BYTES)))
    team.alice.push(folder, team.model())
    vetted(team.alice, f"{team.model()}@1")
    progress = Revoking(server, SIZE_BYTES // 4)
    with Client() as client:
        client.pull(f"{team.model()}@1", tmp_path / "out", progress=progress)
    assert progress.times >= 3
    pulled = (tmp_path / "out" / "weights.safetensors").read_bytes()
    assert pulled == (folder / "weights.safetensors").read_bytes()


def test_a_library_keeps_it_in_memory(server: RunningServer, token_file: Path) -> None:
    """One exchange for many calls, and no file."""
    before = exchanges(server)
    with Client() as client:
        assert {client.principals.caller().principal.id for _ in range(3)} == {"deploy"}
    assert exchanges(server) == before + 1
    assert not Path(os.environ["HALLMARK_CONFIG"]).exists()


def test_a_token_in_the_environment_will_do(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As GitLab hands it out; also as an argument."""
    jwt = sign(kubernetes_claims(int(time.time())), key="ed25519", algorithm="EdDSA")
    with Client(server.http_url, token=jwt) as client:
        assert client.principals.caller().principal.id == "deploy"
    monkeypatch.setenv("HALLMARK_TOKEN", jwt)
    with Client(server.http_url) as client:
        assert client.principals.caller().principal.id == "deploy"


def test_a_revoked_one_is_exchanged_anew(server: RunningServer, token_file: Path) -> None:
    """Once, with what the file holds by then, since the platform renews it."""
    with Client() as client:
        first = client.principals.caller().token
        assert first is not None
        with server.client() as admin:
            admin.tokens.revoke(first.name)
        token_file.write_text(fresh(jti="renewed"))
        second = client.principals.caller().token
        assert second is not None
        assert second.name != first.name


def test_one_that_ends_soon_is_exchanged_before(server: RunningServer, token_file: Path) -> None:
    """A token of which less than half a minute is left is not used any more."""
    now = int(time.time())
    token_file.write_text(fresh(iat=now - 600, nbf=now - 600, exp=now))
    before = exchanges(server)
    with Client() as client:
        client.principals.caller()
        token_file.write_text(fresh())
        client.principals.caller()
        client.principals.caller()
    assert exchanges(server) == before + 2


def test_a_refusal_is_told_and_not_repeated(server: RunningServer, token_file: Path) -> None:
    """The cause comes through; nothing is tried twice."""
    token_file.write_text(fresh(sub="system:serviceaccount:serving:default"))
    with server.client() as admin:
        before = len(list(admin.events.list(action="workload.refuse")))
    with Client() as client, pytest.raises(UnauthenticatedError) as caught:
        client.principals.caller()
    assert (caught.value.reason, caught.value.metadata["cause"]) == ("WORKLOAD_REFUSED", "RULE")
    with server.client() as admin:
        assert len(list(admin.events.list(action="workload.refuse"))) == before + 1


def test_a_disabled_robot_is_refused_at_once(server: RunningServer, token_file: Path) -> None:
    """Also where it was exchanged before."""
    with Client() as client, server.client() as admin:
        client.principals.caller()
        admin.principals.update("deploy", disabled=True)
        try:
            with pytest.raises(UnauthenticatedError, match="principals/deploy") as caught:
                client.principals.caller()
            assert caught.value.metadata["cause"] == "PRINCIPAL"
        finally:
            admin.principals.update("deploy", disabled=False)
        assert client.principals.caller().principal.id == "deploy"


def test_what_needs_no_token_needs_no_exchange(server: RunningServer, token_file: Path) -> None:
    """`hallmark info` works with a token that nobody would take."""
    token_file.write_text(fresh(aud="https://other.example"))
    with Client() as client:
        assert client.info().http_url == server.http_url


def test_foreign_files_are_not_believed(
    server: RunningServer, token_file: Path, tmp_path: Path
) -> None:
    """A kept result that others can read, or that is broken, is passed over; one that the server
    takes no more is replaced."""
    folder = tmp_path / "kept"
    with Client(exchanged_folder=folder) as client:
        client.principals.caller()
    (file,) = folder.iterdir()
    good = file.read_text()
    broken = json.dumps({**json.loads(good), "secret": "hm_" + "0" * 36})
    for text, mode in ((good, 0o644), ("{", 0o600), ("[]", 0o600), (broken, 0o600)):
        file.write_text(text)
        file.chmod(mode)
        before = exchanges(server)
        with Client(exchanged_folder=folder) as client:
            assert client.principals.caller().principal.id == "deploy"
        assert exchanges(server) == before + 1, text
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = exchanges(server)
    with Client(exchanged_folder=folder) as client:
        client.principals.caller()
    assert exchanges(server) == before


def test_a_folder_that_cannot_be_made_keeps_nobody_out(
    server: RunningServer, token_file: Path, tmp_path: Path
) -> None:
    """A container's home is often read-only."""
    (tmp_path / "file").write_text("")
    with Client(exchanged_folder=tmp_path / "file" / "exchanged") as client:
        assert client.principals.caller().principal.id == "deploy"


def test_ended_results_are_cleared_away(
    server: RunningServer, token_file: Path, tmp_path: Path
) -> None:
    """Each new one clears away those that have ended, so that the folder stays small."""
    old = tmp_path / "kept" / "old.json"
    old.parent.mkdir()
    old.write_text("{}")
    os.utime(old, (1, 1))
    with Client(exchanged_folder=old.parent) as client:
        client.principals.caller()
    assert not old.exists()
    assert len(list(old.parent.iterdir())) == 1


def test_every_process_of_a_server_exchanges(tmp_path: Path) -> None:
    """Whichever of them answers; and while the issuer cannot be reached, callers may retry."""
    with serving_keys(tmp_path, key_set("rsa")) as (site, authority):
        rules = rules_in(tmp_path, site, authority.certificate)
        settings = {"HALLMARK_WORKLOADS_FILE": str(rules), "HALLMARK_PROCESSES": "2"}
        with ServerProcess(tmp_path / "home", settings) as server:
            with server.client() as admin:
                admin.principals.create("deploy", kind="robot")
            # Each client has a connection of its own, which either process may get.
            for _ in range(12):
                with Client(server.http_url, token=fresh()) as client:
                    assert client.principals.caller().principal.id == "deploy"
            assert 1 <= len(site.asked) <= 2
            log = server.log.read_text()
    assert "hm_" not in log
    with (
        ServerProcess(tmp_path / "home", settings) as server,
        Client(server.http_url, token=fresh(), patience_s=0.3) as client,
        pytest.raises(UnavailableError, match="keys of issuer"),
    ):
        client.principals.caller()


def test_a_bad_rules_file_stops_the_start(tmp_path: Path) -> None:
    """Before anything is opened, with the line."""
    path = tmp_path / "workloads.yaml"
    path.write_text("issuers: []\n")
    with (
        pytest.raises(Exception, match=r"workloads\.yaml.*line 1: issuers: found a list"),
        running_server(tmp_path / "home", {"HALLMARK_WORKLOADS_FILE": str(path)}),
    ):
        raise AssertionError("it started")


@pytest.mark.parametrize(
    ("token", "platforms"),
    [
        ("hm_" + "0" * 36, False),
        ("", False),
        ("a.b.c", False),
        ("a.b", False),
        (base64.urlsafe_b64encode(b"[]").decode().rstrip("=") + ".b.c", False),
        (base64.urlsafe_b64encode(b"{}").decode().rstrip("=") + ".b.c", True),
        (base64.urlsafe_b64encode(b"{}").decode().rstrip("=") + ".b.", False),
    ],
)
def test_what_is_taken_for_a_platforms_token(token: str, platforms: bool) -> None:
    """Three parts, of which the first is a JSON object; a token of ours never is."""
    assert is_platform_token(token) is platforms
