"""A power cut, as near as one machine comes to it: the disk as it is at that instant, mounted anew.

The store lies on an ext4 file system in an image file. What its device was made to write is in the
image; what only the kernel's memory knows is not. Needs root and loop devices.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MOUNT_AND_RUN = """
set -e
PATH=$PATH:/usr/sbin:/sbin
truncate -s 96M "$0/disk" && mkfs.ext4 -q "$0/disk"
mkdir "$0/now" "$0/later"
mount -o loop,commit=300 "$0/disk" "$0/now"
exec "$@"
"""


@pytest.mark.soak
def test_acknowledged_blobs_survive_a_power_cut(tmp_path: Path) -> None:
    """Each blob is whole after a cut at the instant its commit returned; unsynced bytes are not."""
    mounted = ["unshare", "--mount", "sh", "-c", MOUNT_AND_RUN, str(tmp_path)]
    driver = [sys.executable, "-m", "registry.testing.blob_driver", "cut-power", str(tmp_path)]
    done = subprocess.run([*mounted, *driver], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["lost"] == []
    # As many cuts as were proven to lose what was not synced.
    assert told["cuts"] == 40, f"{told['repeated']} cuts came after another program's sync"
