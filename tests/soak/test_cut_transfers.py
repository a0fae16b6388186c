"""Pushes and pulls through a network that cuts, resets and stalls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.client import Client
from registry.testing.fault_proxy import FaultProxy
from registry.testing.server import ServerProcess
from registry.testing.soak.checker import fsck
from registry.testing.soak.people import People
from registry.testing.soak.ports import settled_addresses
from registry.testing.soak.transfers import TransferDriver


@pytest.mark.parametrize(
    "transfers",
    [
        pytest.param(8, id="reduced", marks=pytest.mark.slow),
        pytest.param(100, id="full", marks=pytest.mark.soak),
    ],
)
def test_cut_transfers_are_resumed(
    transfers: int, tmp_path: Path, seed: int, tell: Callable[[str], None]
) -> None:
    """Each transfer ends with the right bytes; what arrived before a cut is not sent again, and
    nobody sees half of a version or of a folder."""
    settings = dict(settled_addresses())
    http_port = int(settings["HALLMARK_HTTP_ADDRESS"].rpartition(":")[2])
    with FaultProxy(http_port) as proxy:
        settings["HALLMARK_HTTP_URL"] = f"http://127.0.0.1:{proxy.port}"
        with ServerProcess(tmp_path / "home", settings) as server:
            token = People.invite(server.client()).tokens["alice"]
            with Client(f"grpc://{server.grpc_target}", token=token) as direct:
                driver = TransferDriver(
                    connect=lambda: Client(server.http_url, token=token),
                    direct=direct,
                    proxy=proxy,
                    folder=tmp_path,
                    seed=seed,
                )
                driver.run(transfers)
            tell(driver.figures())
            assert fsck(server.home, quick=False) == []
