"""How fast bytes come and go over HTTP, beside nginx and what the machine can do at all.

    python -m benchmarks.transfers [--size-mb 1024] [--rounds 5]

A registry in a process of its own, with authentication, audit and verification on, is sent files of
fresh bytes, and asked for one of them; nginx serves the very same file with sendfile. The two take
turns, so that what else the machine does hits both; a figure is the median of its rounds. One
stream, one client, which throws the bytes away. The page cache is hot; what a disk makes of it is
shown by the rows below.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from registry.client import Client
from registry.client.values import File, Grant
from registry.testing.server import ServerProcess
from registry.testing.sound import weights_header

MODEL = "bench/bytes"
PIECE_BYTES = 1 << 20
START_WAIT_S = 20.0
VETTING_WAIT_S = 120.0


@dataclass(kw_only=True)
class Row:
    """One thing measured: GB/s of each round, and the server's processor time for it."""

    what: str
    rates: list[float] = field(default_factory=list)
    cpu_s_a_gb: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def add(self, size_bytes: int, duration_s: float, cpu_s: float = 0.0) -> None:
        self.rates.append(size_bytes / duration_s / 1e9)
        self.cpu_s_a_gb.append(cpu_s / (size_bytes / 1e9))

    def line(self, base: Row | None) -> str:
        spread = f"{min(self.rates):.2f}-{max(self.rates):.2f}"
        cpu = statistics.median(self.cpu_s_a_gb)
        shown = f"{cpu:.2f}" if cpu else ""
        ratio = f"{self.rate / base.rate:.2f}" if base else ""
        return f"{self.what:<44}{self.rate:>7.2f}{spread:>13}{shown:>10}{ratio:>10}"


# --- The parties ---------------------------------------------------------------------------------


def downloading(url: str) -> tuple[int, float]:
    """Fetch and throw away: bytes of the body, and seconds from connecting to the last one."""
    parts = urlsplit(url)
    buffer = bytearray(PIECE_BYTES)
    start = time.perf_counter()
    with socket.create_connection((parts.hostname, parts.port)) as client:
        client.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        got = client.recv_into(buffer)
        head, _, body = bytes(buffer[:got]).partition(b"\r\n\r\n")
        if b" 200 " not in head[:20]:
            raise SystemExit(f"the download was refused: {head.decode()}")
        size = len(body)
        while got := client.recv_into(buffer):
            size += got
    return size, time.perf_counter() - start


def uploading(url: str, path: Path) -> tuple[int, float]:
    """Send a file: its bytes, and seconds from connecting until it is verified and stored."""
    parts = urlsplit(url)
    size = path.stat().st_size
    lines = [f"PATCH {parts.path} HTTP/1.1", "Host: x", f"Content-Length: {size}"]
    lines += ["Upload-Offset: 0", "Content-Type: application/offset+octet-stream"]
    start = time.perf_counter()
    with (
        socket.create_connection((parts.hostname, parts.port)) as client,
        path.open("rb") as file,
    ):
        client.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        client.sendfile(file)
        answer = client.recv(PIECE_BYTES)
    duration_s = time.perf_counter() - start
    if b"hallmark-state: stored" not in answer:
        raise SystemExit(f"the upload was refused: {answer.decode()}")
    return size, duration_s


class Registry:
    """A registry process with a registrant's client."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        with server.client() as admin:
            admin.namespaces.create("bench")
            grants = [
                Grant(role=role, namespace_pattern="bench") for role in ("registrant", "reader")
            ]
            admin.principals.create("bench", grants=grants)
            expires = datetime.now(UTC) + timedelta(days=1)
            token = admin.tokens.create("bench", expire_time=expires).secret
        self.client: Client = server.client(token)
        self.client.models.create(MODEL)

    def upload_url(self, file: File) -> str:
        return self.client.transfers.create_upload(MODEL, [file]).files[0].url

    def download_url(self, file: File) -> str:
        """Of a new version of a stored file, once it is released."""
        version = self.client.versions.create(MODEL, files=[file])
        until = time.monotonic() + VETTING_WAIT_S
        while self.client.versions.get(version.ref).state != "released":
            if time.monotonic() > until:
                raise SystemExit("the version was not released in time")
            time.sleep(0.1)
        return self.client.transfers.create_downloads(version.name)[0].url

    def cpu_s(self) -> float:
        return cpu_s(self._server.pid)


@contextmanager
def nginx(folder: Path, served: Path) -> Iterator[tuple[str, int]]:
    """nginx with one worker and sendfile, serving one file: its address and the worker's id."""
    program = shutil.which("nginx")
    if program is None:
        raise SystemExit("nginx is missing. Install it: apt-get install nginx-light")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;"
        "events {} http { access_log off; sendfile on; tcp_nopush on; "
        f"{temporary} server {{ listen 127.0.0.1:{port}; root {served.parent}; }} }}"
    )
    process = subprocess.Popen([program, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"])
    try:
        _wait_for(port)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield f"http://127.0.0.1:{port}/{served.name}", int(children.split()[0])
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- What the machine can do ---------------------------------------------------------------------


def loopback(size_bytes: int) -> float:
    """Seconds to move so many bytes from one thread's memory to another's, over a socket."""
    data = bytes(PIECE_BYTES)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def send() -> None:
            with socket.create_connection(address) as sender:
                for _ in range(size_bytes // PIECE_BYTES):
                    sender.sendall(data)

        sending = threading.Thread(target=send)
        start = time.perf_counter()
        sending.start()
        receiver, _ = server.accept()
        with receiver:
            buffer = bytearray(PIECE_BYTES)
            while receiver.recv_into(buffer):
                pass
        sending.join()
    return time.perf_counter() - start


def hashing(path: Path) -> float:
    """Seconds to take a file's sha256."""
    start = time.perf_counter()
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return time.perf_counter() - start


def writing(path: Path, size_bytes: int) -> float:
    """Seconds to write and sync a file."""
    data = os.urandom(PIECE_BYTES)
    start = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(size_bytes // PIECE_BYTES):
            file.write(data)
        os.fsync(file.fileno())
    duration_s = time.perf_counter() - start
    path.unlink()
    return duration_s


def reading_cold(path: Path) -> float:
    """Seconds to read a file that is not in memory."""
    buffer = bytearray(PIECE_BYTES)
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        start = time.perf_counter()
        while file.readinto(buffer):
            pass
    return time.perf_counter() - start


# --- The rounds ----------------------------------------------------------------------------------


def measure(
    folder: Path, *, size_bytes: int, rounds: int, with_nginx: bool = True
) -> list[tuple[Row, Row | None]]:
    """All rows, each with the row that it is compared with; nginx may be left out."""
    source = folder / "source.bin"
    with source.open("wb") as out:
        out.write(weights_header(size_bytes))
        for _ in range(size_bytes // PIECE_BYTES):
            out.write(os.urandom(PIECE_BYTES))
    with ServerProcess(folder / "home") as server:
        ours = Registry(server)
        up = Row(what="upload, verified, synced and stored")
        for number in range(rounds + 1):
            file = _renewed(source, number)
            url = ours.upload_url(file)
            _timed(up, partial(uploading, url, source), ours.cpu_s, counts=number > 0)
            _forget(server.home / "blobs", but=file.sha256)
        downloads = {"download": (ours.download_url(file), ours.cpu_s)}
        with ExitStack() as stack:
            if with_nginx:
                address, pid = stack.enter_context(nginx(folder, source))
                downloads["nginx, the same bytes"] = (address, partial(cpu_s, pid))
            down, *peers = _downloads(downloads, rounds)
    rows = [(down, peers[0] if peers else None), *((peer, None) for peer in peers), (up, None)]
    return [*rows, *_ceilings(folder, source, rounds)]


def _downloads(sources: Mapping[str, tuple[str, Callable[[], float]]], rounds: int) -> list[Row]:
    """A row for each address, which take turns; beside it stands its server's processor time."""
    rows = [Row(what=what) for what in sources]
    for number in range(rounds + 1):
        for row, (url, cpu) in zip(rows, sources.values(), strict=True):
            _timed(row, partial(downloading, url), cpu, counts=number > 0)
    return rows


def _ceilings(folder: Path, source: Path, rounds: int) -> Iterator[tuple[Row, None]]:
    size_bytes = source.stat().st_size
    measures: dict[str, Callable[[], float]] = {
        "loopback, memory to memory": lambda: loopback(size_bytes),
        "sha256, one core": lambda: hashing(source),
        "disk: write and sync": lambda: writing(folder / "written.bin", size_bytes),
        "disk: read, cache cold": lambda: reading_cold(source),
    }
    for what, seconds in measures.items():
        row = Row(what=what)
        for _ in range(rounds):
            row.add(size_bytes, seconds())
        yield row, None


def _timed(
    row: Row, move: Callable[[], tuple[int, float]], cpu: Callable[[], float], *, counts: bool
) -> None:
    """One round; the first of each kind only warms up."""
    before = cpu()
    size, duration_s = move()
    if counts:
        row.add(size, duration_s, cpu() - before)


def _forget(blobs: Path, *, but: str) -> None:
    """Remove stored bytes behind the registry's back, so that all rounds use the same memory.

    A virtual machine gets each page of memory that it never used from its host first, which takes
    many times as long as to write it, and says nothing of a server.
    """
    for path in blobs.glob("blobs/??/??/*"):
        if path.name != but:
            path.unlink()


def _renewed(path: Path, number: int) -> File:
    """The file with bytes that nobody has sent before."""
    with path.open("r+b") as file:
        # Behind the header.
        file.seek(PIECE_BYTES // 2)
        file.write(f"round {number} of {os.getpid()}".encode())
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return File(
        path="bytes.safetensors",
        size_bytes=path.stat().st_size,
        sha256=sha256,
        media_type="application/octet-stream",
    )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size-mb", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where data may lie; default: a new one")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        size_bytes = given.size_mb * PIECE_BYTES
        rows = measure(Path(folder), size_bytes=size_bytes, rounds=given.rounds)
    print(f"{given.size_mb} MB, median of {given.rounds} rounds, {os.cpu_count()} cores")
    print(f"{'':<44}{'GB/s':>7}{'range':>13}{'CPU s/GB':>10}{'ratio':>10}")
    for row, base in rows:
        print(row.line(base))


if __name__ == "__main__":
    main(sys.argv[1:])
