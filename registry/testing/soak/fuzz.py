"""Sends a server what nobody should, by the thousand, and looks how it takes it."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor

from registry.testing.soak.fuzz_inputs import METHODS, HttpFuzzer, MessageFuzzer

THREADS = 4
#: Nothing takes so long: whatever does hangs.
HANG_S = 30.0
#: Statuses that would say that the server did not expect what it got.
BROKEN = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED"}
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass(kw_only=True)
class Found:
    """How the server answered, counted, and what it must not have answered."""

    answers: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Fuzzer:
    """One server's ports, tokens of several people, and a seed."""

    def __init__(
        self,
        *,
        grpc_target: str,
        http_port: int,
        tokens: Sequence[str],
        names: Mapping[str, Sequence[str]],
        paths: Sequence[str],
        seed: int,
    ) -> None:
        self._target = grpc_target
        self._http_port = http_port
        self._tokens = tokens
        self._names = names
        self._paths = paths
        self._seed = seed
        self.found = Found()

    def run(self, inputs: int) -> None:
        """So many: three of five are gRPC calls, one HTTP requests, one bytes on gRPC's port."""
        each = inputs // 5
        works: Mapping[Callable[[str, int], None], int] = {
            self._call: 3 * each,
            self._ask: each,
            self._throw: each,
        }
        with ThreadPoolExecutor(THREADS) as pool:
            runs = [
                pool.submit(work, f"{self._seed} {work.__name__} {number}", count // THREADS)
                for work, count in works.items()
                for number in range(THREADS)
            ]
            for run in runs:
                run.result()

    def _call(self, seed: str, count: int) -> None:
        """Calls of every method in turn, with bytes of our own in place of a message."""
        chance = random.Random(seed)
        fuzzer = MessageFuzzer(self._names, seed)
        with grpc.insecure_channel(self._target) as channel:
            for number in range(count):
                method = METHODS[number % len(METHODS)]
                data = fuzzer.request(method)
                name = _path(method)
                try:
                    _answered(channel, method, data, metadata=self._credential(chance))
                    self.found.answers["gRPC OK"] += 1
                except grpc.RpcError as error:
                    failed: Any = error
                    status = failed.code().name
                    self.found.answers[f"gRPC {status}"] += 1
                    if status in BROKEN:
                        self._tell(f"{name}: {status}: {failed.details()}", data)

    def _credential(self, chance: random.Random) -> tuple[tuple[str, str], ...]:
        match chance.randrange(20):
            case 0:
                return ()
            case 1:
                return (("authorization", "Bearer hm_" + "0" * 36),)
            case 2:
                return (("authorization", chance.choice(("", "Bearer", "Basic eDp5", "x" * 3000))),)
        return (("authorization", f"Bearer {chance.choice(self._tokens)}"),)

    def _ask(self, seed: str, count: int) -> None:
        """HTTP requests on connections of their own."""
        fuzzer = HttpFuzzer(self._paths, seed)
        for _ in range(count):
            data = fuzzer.request()
            answer = self._exchange(self._http_port, data)
            if answer is None:
                self._tell("HTTP: no end within the time", data)
                continue
            status = answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "none"
            self.found.answers[f"HTTP {status}"] += 1
            if status.startswith("5") or b"Traceback" in answer:
                self._tell(f"HTTP: {answer[:300]!r}", data)

    def _throw(self, seed: str, count: int) -> None:
        """Bytes on gRPC's port: noise, and HTTP/2 frames of any kind."""
        chance = random.Random(seed)
        port = int(self._target.rpartition(":")[2])
        for _ in range(count):
            data = chance.randbytes(chance.randint(1, 200))
            if chance.random() < 0.7:
                frames = [_frame(chance) for _ in range(chance.randint(1, 6))]
                data = b"".join([_PREFACE, bytes(3), b"\4", bytes(5), *frames])
            ended = self._exchange(port, data) is not None
            self.found.answers["thrown, ended" if ended else "thrown, open"] += 1

    def _exchange(self, port: int, data: bytes) -> bytes | None:
        """All that comes back, once nothing more is sent; None where there is no end of it."""
        with socket.create_connection(("127.0.0.1", port), timeout=HANG_S) as connection:
            received = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(1 << 16):
                    received += piece
            except TimeoutError:
                return None
            except OSError:
                # Cut, which is an answer too.
                return received
            return received

    def _tell(self, what: str, data: bytes) -> None:
        self.found.problems.append(f"{what} for {data[:2000]!r}")


def _frame(chance: random.Random) -> bytes:
    body = chance.randbytes(chance.choice((0, 4, 5, 8, 40)))
    length = len(body) if chance.random() < 0.9 else chance.choice((0, 1, 2**24 - 1))
    stream = chance.choice((0, 1, 2, 3, 2**31 - 1))
    kind, flags = chance.randrange(12), chance.choice((0, 1, 4, 5, 255))
    return length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def resident_bytes(pid: int) -> int:
    """What a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _answered(channel: Any, method: MethodDescriptor, data: bytes, **options: Any) -> None:
    """Return when all of the answer has come, or raise grpc.RpcError."""
    if method.server_streaming:
        for _ in channel.unary_stream(_path(method))(data, timeout=HANG_S, **options):
            pass
    else:
        channel.unary_unary(_path(method))(data, timeout=HANG_S, **options)
