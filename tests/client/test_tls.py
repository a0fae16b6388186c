"""The client and a server that has TLS, with a certificate of a private authority."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.client import Client
from registry.client.errors import SetupError, UnavailableError
from registry.testing.certificates import Authority, Issued
from registry.testing.people import Team, vetted
from registry.testing.server import RunningServer, running_server
from registry.testing.sound import weights

pytestmark = pytest.mark.slow

#: More than one range, and many pieces.
SIZE_BYTES = 20_000_000


def settings(issued: Issued) -> dict[str, str]:
    return {
        "HALLMARK_TLS_CERTIFICATE_FILE": str(issued.certificate),
        "HALLMARK_TLS_KEY_FILE": str(issued.key),
    }


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("tls") / "home"
    with running_server(home, settings(authority.issue("127.0.0.1"))) as running:
        yield running


@pytest.fixture(autouse=True)
def trusted(own_settings: None, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    """Clients are told of the authority as the README says."""
    monkeypatch.setenv("HALLMARK_CA_FILE", str(authority.certificate))


def address(server: RunningServer, scheme: str) -> str:
    """The server's address for a client that speaks so."""
    if scheme.startswith("grpc"):
        return f"{scheme}://{server.grpc_target}"
    return f"{scheme}://{server.http_url.partition('://')[2]}"


def complaint(url: str) -> str:
    """Why a client gets no answer there."""
    with (
        Client(url, token="", patience_s=0.2) as client,
        pytest.raises(UnavailableError) as refused,
    ):
        client.info()
    assert url in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_push_and_pull(
    team: Team, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Calls and bytes both go over TLS, from either address."""
    assert isinstance(team.server, RunningServer)
    (folder / "weights.safetensors").write_bytes(weights(os.urandom(SIZE_BYTES)))
    monkeypatch.setenv("HALLMARK_URL", address(team.server, scheme))
    monkeypatch.setenv("HALLMARK_TOKEN", team.alice_token)
    with Client() as client:
        assert client.info().http_url.startswith("https://")
        pushed = client.push(folder, team.model())
        assert pushed.sent_bytes > SIZE_BYTES
        vetted(client, f"{team.model()}@1")
        client.pull(f"{team.model()}@1", tmp_path / "out")
    for name in ("weights.safetensors", "README.md"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
@pytest.mark.parametrize("trusting", ["another", "the system's"])
def test_another_authority(
    server: RunningServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    trusting: str,
) -> None:
    """A server whose certificate somebody else signed is refused; the error says where to name the
    authority."""
    if trusting == "another":
        monkeypatch.setenv("HALLMARK_CA_FILE", str(Authority(tmp_path).certificate))
    else:
        monkeypatch.delenv("HALLMARK_CA_FILE")
    told = complaint(address(server, scheme))
    assert "CERTIFICATE_VERIFY_FAILED" in told
    assert "authority that signed its certificate in HALLMARK_CA_FILE" in told


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_a_certificate_for_another_host(authority: Authority, tmp_path: Path, scheme: str) -> None:
    """The authority is right then, and the error does not blame it."""
    issued = authority.issue("registry.example")
    with running_server(tmp_path / "home", settings(issued)) as server:
        told = complaint(address(server, scheme))
    assert "certificate is for another name" in told
    assert "HALLMARK_CA_FILE" not in told


@pytest.mark.parametrize(("scheme", "right"), [("http", "https://"), ("grpc", "grpcs://")])
def test_without_tls(server: RunningServer, scheme: str, right: str) -> None:
    """Who speaks plain text to a server with TLS is told what the address begins with."""
    assert f"begins with {right}" in complaint(address(server, scheme))


@pytest.mark.parametrize(("scheme", "right"), [("https", "http://"), ("grpcs", "grpc://")])
def test_a_server_without_tls(tmp_path: Path, scheme: str, right: str) -> None:
    """Who speaks TLS to a server without it is told as well."""
    with running_server(tmp_path / "home") as server:
        assert f"begins with {right}" in complaint(address(server, scheme))


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_an_authority(
    server: RunningServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    content: str | None,
) -> None:
    """A certificate file that is missing, or none, is what the error is about."""
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("HALLMARK_CA_FILE", str(file))
    with (
        Client(address(server, scheme), token="") as client,
        pytest.raises(SetupError, match=r"authority\.pem: .* Check HALLMARK_CA_FILE"),
    ):
        client.info()
