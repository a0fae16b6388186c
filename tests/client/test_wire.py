"""HTTP answers that end before their end."""

from __future__ import annotations

import os
import resource
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from registry.client.errors import UnavailableError
from registry.client.http import Wire, get_small

ANSWER = b"HTTP/1.1 204 No Content\r\nUpload-Offset: 1234567\r\nHallmark-State: stored\r\n\r\n"


def answer_once(listener: socket.socket, answer: bytes) -> None:
    """Once what was asked has come, to the last byte of `1234` where a file is sent."""
    client, _ = listener.accept()
    with client:
        asked = client.recv(4096)
        while asked.startswith(b"PATCH") and not asked.endswith(b"234"):
            asked += client.recv(4096)
        client.sendall(answer)


@pytest.mark.parametrize("length", range(len(ANSWER) + 1))
def test_half_a_head_is_none(length: int) -> None:
    """Wherever the head of an answer is cut it is no answer; half a number least of all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer_once, args=(listener, ANSWER[:length]))
        server.start()
        wire = Wire()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        if length < len(ANSWER):
            with pytest.raises(UnavailableError) as told:
                wire.ask("HEAD", url)
            assert told.value.reason == "CUT"
        else:
            assert wire.ask("HEAD", url).number("upload-offset") == 1234567
        wire.close()
        server.join()


BODY = b'{"grpc_target": "127.0.0.1:1"}'
WITH_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.mark.parametrize("missing", range(len(BODY) + 1))
def test_half_a_body_is_none(missing: int) -> None:
    """A server that was killed in the middle of an answer has not answered: whoever asked where a
    registry is does not take that for the address of something else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = WITH_BODY[: len(WITH_BODY) - missing]
        server = threading.Thread(target=answer_once, args=(listener, answer))
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        if missing:
            with pytest.raises(UnavailableError, match="No registry answered"):
                get_small(url)
        else:
            assert get_small(url) == BODY
        server.join()


def test_a_program_with_many_open_files_sends(tmp_path: Path) -> None:
    """Descriptors above 1,024 are as good as those below."""
    file = tmp_path / "weights.bin"
    file.write_bytes(b"1234")
    with ExitStack() as opened, socket.create_server(("127.0.0.1", 0)) as listener:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        body = opened.enter_context(file.open("rb"))
        copy = 0
        while copy < 1024:
            copy = os.dup(body.fileno())
            opened.callback(os.close, copy)
        server = threading.Thread(target=answer_once, args=(listener, ANSWER))
        server.start()
        wire = Wire()
        opened.callback(wire.close)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        told: list[int] = []
        answer = wire.send(url, body, offset=1, length=3, headers={}, sent=told.append)
        assert answer.number("upload-offset") == 1234567
        assert sum(told) == 3
        server.join()
