"""A real clamd."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

CLAMD = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")
NO_CLAMD = "clamd is missing. Install it: apt-get install clamav-daemon"
PATTERN = b"cos\nsystem"


@pytest.fixture(scope="module")
def clamd_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a real clamd with one signature of ours."""
    folder = tmp_path_factory.mktemp("clamd")
    (folder / "db").mkdir()
    (folder / "db/own.ndb").write_text(f"Own.Pickle:0:*:{PATTERN.hex()}\n")
    path = folder / "s"
    (folder / "conf").write_text(
        f"DatabaseDirectory {folder}/db\nLocalSocket {path}\nForeground yes\nStreamMaxLength 2M\n"
    )
    assert CLAMD is not None, NO_CLAMD
    command = [CLAMD, "--config-file", str(folder / "conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not path.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield str(path)
        process.terminate()
