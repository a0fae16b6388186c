"""A registry whose disk runs full under load, and gets room again.

    python -m registry.testing.soak.full_disk FOLDER ROUNDS SEED

FOLDER/home has to be a small disk of its own. Prints what came of it as one JSON object.
"""

from __future__ import annotations

import errno
import json
import random
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx

from registry.client import Client, ClientError, File
from registry.client.values import Upload
from registry.testing.server import ServerProcess
from registry.testing.soak.checker import Checker, fsck, summary
from registry.testing.soak.ledger import Ledger
from registry.testing.soak.people import NAMESPACE, People
from registry.testing.soak.workload import Load, Worker
from registry.testing.world import manifest_file

FULL = "STORAGE_FULL"
WORKERS = 4
SIZES_BYTES = (0, 700, 20_000, 100_000)
#: Sometimes a little is left, so that some writes still fit and others fail half-way.
LEFT_BYTES = (0, 20_000, 300_000)
PAUSE_S = (0.2, 1.5)
PROBED = f"{NAMESPACE}/probed"
PROBE_BYTES = 400_000
#: The log of the database may have room in itself for so much that is small.
MANY_FILES = 15_000
MANY_TIMES = 20


class FullDiskDriver:
    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._filler = folder / "home" / "filler"
        self._random = random.Random(seed)
        self._ledger = Ledger()
        self._server = ServerProcess(folder / "home")
        self._people = People.invite(self._server.client())
        self._workers = [
            Worker(
                f"w{number}",
                ledger=self._ledger,
                folder=folder / "work",
                seed=f"{seed}",
                tolerated={FULL},
                sizes_bytes=SIZES_BYTES,
            )
            for number in range(WORKERS)
        ]
        self._load = Load(self._workers, self._people)
        self._probed: Counter[str] = Counter()

    def run(self, rounds: int) -> list[str]:
        """Fill the disk so often; what is wrong."""
        with self._client(self._people.tokens["alice"]) as client:
            client.models.create(PROBED)
            for number in range(1, rounds + 1):
                problems = self._round(client)
                if problems:
                    return [f"round {number}: {problem}" for problem in problems]
        return fsck(self._server.home, quick=False)

    def close(self) -> None:
        """End what runs, however far it is. The server has to have lived through it all."""
        self._load.end()
        assert self._server.stop() == 0, "the server did not end in order"

    def figures(self) -> str:
        refused = self._ledger.refused.get(FULL, 0)
        probed = ", ".join(f"{name}: {count}" for name, count in sorted(self._probed.items()))
        return (
            f"{self._ledger.acknowledged} writes acknowledged ({summary(self._ledger)}), "
            f"{refused} refused with {FULL}; on the full disk {probed}"
        )

    def _round(self, client: Client) -> list[str]:
        data = self._random.randbytes(PROBE_BYTES)
        upload = client.transfers.create_upload(PROBED, [_file("probe", data)])
        self._load.start(self._client, self._client)
        self._pause()
        self._fill(self._random.choice(LEFT_BYTES))
        self._pause()
        self._fill(self._random.choice(LEFT_BYTES))
        problems = self._probe_bytes(upload.files[0].url, data) + self._probe_rows(client)
        self._filler.unlink()
        before = self._ledger.acknowledged
        self._pause()
        problems += self._load.end() + self._go_on(upload.files[0].url, data)
        if self._ledger.acknowledged == before:
            problems.append("nothing was acknowledged after there was room again")
        made = [made for worker in self._workers for made in worker.made]
        checker = Checker(client, self._ledger, self._folder)
        sample = self._random.sample(made, min(10, len(made)))
        return problems + checker.settle(self._ledger.known()) + checker.pull(sample)

    def _probe_bytes(self, url: str, data: bytes) -> list[str]:
        """Bytes that do not fit are refused."""
        answer = patch(url, data, 0)
        self._probed[f"HTTP {answer.status_code}"] += 1
        if answer.status_code == 204 or answer.json()["error"]["reason"] == FULL:
            return []
        return [f"HTTP {answer.status_code}: {answer.text}"]

    def _go_on(self, url: str, data: bytes) -> list[str]:
        """With room again they come in from where they ended."""
        offset = int(httpx.head(url).headers["upload-offset"])
        self._probed["bytes kept"] += offset
        answer = patch(url, data, offset)
        if answer.headers.get("hallmark-state") == "stored":
            return []
        return [f"HTTP {answer.status_code} from {offset} on: {answer.text}"]

    def _probe_rows(self, client: Client) -> list[str]:
        """Rows that do not fit are refused, and readers go on."""
        files = [_file(f"{number}", b"%d" % number) for number in range(MANY_FILES)]
        sessions: list[Upload] = []
        try:
            for _ in range(MANY_TIMES):
                self._fill(0)
                sessions.append(client.transfers.create_upload(PROBED, files))
        except ClientError as error:
            self._probed[f"gRPC {error.status}"] += 1
            client.models.get(PROBED)
            return [] if error.reason == FULL else [f"{error.status}, {error.reason}: {error}"]
        finally:
            self._filler.write_bytes(b"")
            for session in sessions:
                client.transfers.delete_upload(session.name)
        return [f"{MANY_TIMES} sessions of {MANY_FILES} files fit on a full disk"]

    def _fill(self, left_bytes: int) -> None:
        """Take what there is, and give some back."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while filler.write(bytes(size)) == size:
                        continue
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            filler.truncate(max(0, filler.tell() - left_bytes))

    def _pause(self) -> None:
        time.sleep(self._random.uniform(*PAUSE_S))

    def _client(self, token: str) -> Client:
        return Client(self._server.http_url, token=token)


def patch(url: str, data: bytes, offset: int) -> httpx.Response:
    """Send a file's bytes from an offset on to its upload address."""
    headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
    return httpx.patch(url, content=data[offset:], headers=headers, timeout=60)


def _file(path: str, data: bytes) -> File:
    named = manifest_file(path, data)
    return File(path=named.path, size_bytes=named.size_bytes, sha256=named.sha256)


def main(folder: str, rounds: str, seed: str) -> None:
    driver = FullDiskDriver(Path(folder), int(seed))
    with closing(driver):
        problems = driver.run(int(rounds))
    print(json.dumps({"problems": problems, "figures": driver.figures()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
