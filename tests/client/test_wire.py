"""HTTP answers that end before their end."""

from __future__ import annotations

import socket
import threading

import pytest

from registry.client.errors import UnavailableError
from registry.client.http import Wire, get_small

ANSWER = b"HTTP/1.1 204 No Content\r\nUpload-Offset: 1234567\r\nHallmark-State: stored\r\n\r\n"


def answer_once(listener: socket.socket, answer: bytes) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(4096)
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
