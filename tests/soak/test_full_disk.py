"""A disk that runs full under load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: A mount that only the driver and its server see; others than root need a name space of users.
OWN_MOUNTS = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
SMALL_DISK = 'mount -t tmpfs -o size={mib}m none "$0/home" && exec "$@"'


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(2, id="reduced", marks=pytest.mark.slow),
        pytest.param(20, id="full", marks=pytest.mark.soak),
    ],
)
def test_a_full_disk_loses_nothing(
    rounds: int, tmp_path: Path, seed: int, tell: Callable[[str], None]
) -> None:
    """What does not fit is refused as such, by gRPC and by HTTP; what was acknowledged is there;
    and once there is room again the same server goes on. Needs leave to mount a tmpfs: root, or
    user name spaces."""
    (tmp_path / "home").mkdir()
    driver = [sys.executable, "-m", "registry.testing.soak.full_disk"]
    # Room for what stays of each round.
    mount = SMALL_DISK.format(mib=80 + 40 * rounds)
    done = subprocess.run(
        [*OWN_MOUNTS, "sh", "-c", mount, tmp_path, *driver, tmp_path, str(rounds), str(seed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    tell(told["figures"])
    assert told["problems"] == []
    for refusal in ("gRPC RESOURCE_EXHAUSTED", "HTTP 507"):
        assert refusal in told["figures"]
