"""Upload addresses over HTTP: offsets, states, cuts, refusals."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import time
from collections.abc import Callable

import pytest

from registry.doors.body import PIECE_BYTES
from registry.doors.workers import WRITERS
from registry.names import UploadName
from registry.testing.blobs import MemoryBlobStore
from registry.testing.site import Answer, Site, patch_headers, read_all

SMALL = b"a small file"


def fresh_bytes(size: int = 100) -> bytes:
    """Bytes that no other test has sent to the shared registry."""
    return os.urandom(size)


def state_of(site: Site, address: str) -> tuple[int, str]:
    answer = site.ask("HEAD", address)
    assert answer.status == 200
    return int(answer.headers["upload-offset"]), answer.headers["hallmark-state"]


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never became true")


def test_a_file_goes_up_and_is_stored(site: Site) -> None:
    """The PATCH that brings the last byte answers `stored`, and the bytes are a blob."""
    data = fresh_bytes(2 * PIECE_BYTES + 3)
    address = site.upload(data)
    before = site.ask("HEAD", address)
    assert before.headers["upload-length"] == str(len(data))
    assert (before.headers["upload-offset"], before.headers["hallmark-state"]) == ("0", "receiving")
    answer = site.send(address, 0, data)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["upload-offset"] == str(len(data))
    assert answer.headers["hallmark-state"] == "stored"
    assert state_of(site, address) == (len(data), "stored")


def test_a_file_goes_up_in_parts(site: Site) -> None:
    """Any number of bytes at a time, each from the offset that the last answer said."""
    data = fresh_bytes(1000)
    address = site.upload(data)
    for start in range(0, 1000, 250):
        answer = site.send(address, start, data[start : start + 250])
        assert answer.headers["upload-offset"] == str(start + 250)
    assert answer.headers["hallmark-state"] == "stored"


def test_a_body_may_come_in_chunks(site: Site) -> None:
    """A sender that does not know the length beforehand sends chunks."""
    data = fresh_bytes(5000)
    address = site.upload(data)
    pieces = (data[start : start + 700] for start in range(0, 5000, 700))
    answer = site.ask("PATCH", address, patch_headers(0), pieces)
    assert (answer.status, answer.headers["hallmark-state"]) == (204, "stored")


def test_sending_again_after_a_lost_answer_is_success(site: Site) -> None:
    """A file that is stored takes no bytes and says so."""
    data = fresh_bytes()
    address = site.upload(data)
    site.send(address, 0, data)
    again = site.send(address, len(data), b"")
    assert (again.status, again.headers["hallmark-state"]) == (204, "stored")


def test_what_came_before_a_cut_is_kept(site: Site) -> None:
    """A sender that vanishes finds all that it had sent, and goes on there."""
    data = fresh_bytes(3 * PIECE_BYTES)
    address = site.upload(data)
    sent = 2 * PIECE_BYTES + 12345
    with site.begin_patch(address, 0, len(data), data[:sent]) as client:
        client.shutdown(socket.SHUT_WR)
        read_all(client)
    wait_for(lambda: site.ask("HEAD", address).headers["upload-offset"] == str(sent))
    wait_for(lambda: site.send(address, sent, data[sent:]).status == 204)
    assert state_of(site, address) == (len(data), "stored")


@pytest.mark.slow
def test_a_stopping_server_keeps_what_came(fresh: Site) -> None:
    """An upload that is under way when the server stops goes on with the next one."""
    data = fresh_bytes(3 * PIECE_BYTES)
    address = fresh.upload(data)
    with fresh.begin_patch(address, 0, len(data), data[: 2 * PIECE_BYTES]) as client:
        wait_for(lambda: state_of(fresh, address)[0] > 0)
        fresh.stop()
        received = read_all(client)
    assert received.startswith(b"HTTP/1.1 503 ")
    assert b"STOPPING" in received
    fresh.start()
    offset, state = state_of(fresh, address)
    assert (offset, state) == (2 * PIECE_BYTES, "receiving")
    assert fresh.send(address, offset, data[offset:]).status == 204


def test_other_bytes_than_announced_are_thrown_away(site: Site) -> None:
    """422 and `failed`; the file starts again at 0 and can still succeed."""
    data = fresh_bytes()
    address = site.upload(data)
    answer = site.send(address, 0, data[:-1] + bytes([data[-1] ^ 1]))
    assert (answer.status, answer.error["reason"]) == (422, "DIGEST_MISMATCH")
    assert re.match(r"'model\.bin' in uploads/[a-z0-9-]+: the bytes", answer.error["message"])
    assert answer.headers["hallmark-state"] == "failed"
    assert answer.headers["upload-offset"] == "0"
    assert state_of(site, address) == (0, "failed")
    assert site.send(address, 0, data).headers["hallmark-state"] == "stored"


def test_another_offset_is_told_the_right_one(site: Site) -> None:
    """409 says in Upload-Offset where to go on."""
    data = fresh_bytes()
    address = site.upload(data)
    site.send(address, 0, data[:40])
    for wrong in (0, 39, 41):
        answer = site.send(address, wrong, data[wrong : wrong + 5])
        assert (answer.status, answer.headers["upload-offset"]) == (409, "40")
        assert answer.error["reason"] == "OFFSET_MISMATCH"
        assert re.match(r"'model\.bin' in uploads/[a-z0-9-]+: 40 bytes", answer.error["message"])


@pytest.mark.slow
def test_a_second_sender_has_to_wait(site: Site) -> None:
    """While one PATCH writes a file another one gets 409 and changes nothing."""
    data = fresh_bytes(3 * PIECE_BYTES)
    address = site.upload(data)
    half = 2 * PIECE_BYTES
    with site.begin_patch(address, 0, len(data), data[:half]) as client:
        wait_for(lambda: state_of(site, address)[0] == half)
        answer = site.send(address, half, data[half:])
        assert (answer.status, answer.error["reason"]) == (409, "UPLOAD_BUSY")
        client.sendall(data[half:])
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 204 ")


@pytest.mark.parametrize("chunked", [False, True])
def test_more_bytes_than_announced_are_refused(site: Site, chunked: bool) -> None:
    """413, and the bytes that belong to the file stay."""
    data = fresh_bytes()
    address = site.upload(data)
    body = [data, b"x"] if chunked else data + b"x"
    answer = site.ask("PATCH", address, patch_headers(0), body)
    assert (answer.status, answer.error["reason"]) == (413, "TOO_LARGE")
    assert site.ask("HEAD", address).headers["hallmark-state"] in ("receiving", "stored")


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Upload-Offset": "0"}, 415, "TYPE_NOT_ACCEPTED"),
        (patch_headers(0) | {"Content-Type": "text/plain"}, 415, "TYPE_NOT_ACCEPTED"),
        (patch_headers(0) | {"Content-Encoding": "gzip"}, 415, "TYPE_NOT_ACCEPTED"),
        ({"Content-Type": "application/offset+octet-stream"}, 400, "INVALID_FIELD"),
        (patch_headers(0) | {"Upload-Offset": "-1"}, 400, "INVALID_FIELD"),
        (patch_headers(0) | {"Upload-Offset": "+0"}, 400, "INVALID_FIELD"),
        (patch_headers(0) | {"Upload-Offset": "0x1"}, 400, "INVALID_FIELD"),
        (patch_headers(0) | {"Upload-Offset": "\xb2"}, 400, "INVALID_FIELD"),
        (patch_headers(0) | {"Upload-Offset": "9" * 19}, 400, "INVALID_FIELD"),
        (patch_headers(9), 409, "OFFSET_MISMATCH"),
        (patch_headers(10**17), 413, "TOO_LARGE"),
    ],
)
def test_a_wrong_head_is_refused(
    site: Site, headers: dict[str, str], status: int, reason: str
) -> None:
    """Each header is judged before a byte is taken."""
    address = site.upload(fresh_bytes())
    answer = site.ask("PATCH", address, headers, b"x")
    assert (answer.status, answer.error["reason"]) == (status, reason)
    assert state_of(site, address) == (0, "receiving")


def test_a_body_without_length_is_refused(site: Site) -> None:
    """A PATCH with neither length nor chunks has lost its body on the way."""
    head = f"PATCH {site.upload(fresh_bytes())} HTTP/1.1\r\nHost: x\r\nUpload-Offset: 0\r\n"
    received = site.raw(f"{head}Content-Type: application/offset+octet-stream\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.1 411 ")


def test_a_type_with_parameters_and_capitals_is_the_same_type(site: Site) -> None:
    """Media types are compared as RFC 9110 says."""
    data = fresh_bytes()
    headers = patch_headers(0) | {"Content-Type": "Application/Offset+Octet-Stream; x=y"}
    assert site.ask("PATCH", site.upload(data), headers, data).status == 204


@pytest.mark.parametrize("method", ["HEAD", "PATCH"])
def test_an_address_that_we_did_not_make_is_refused(site: Site, method: str) -> None:
    """Forged and foreign tickets get 403, whatever they ask for."""
    foreign = site.download("a.bin", fresh_bytes()).rpartition("/")[2]
    for ticket in ("x", "%00", "u1.W10.AAAA", foreign):
        address = f"/hallmark/v1/uploads/{ticket}"
        assert site.ask(method, address, patch_headers(0), b"x").status == 403


def test_an_address_dies_with_its_session(site: Site) -> None:
    """After the session is gone its addresses are refused."""
    data = fresh_bytes()
    address = site.upload(data)
    status = site.world.uploads.state(address.rpartition("/")[2])
    site.world.uploads.delete(site.ada.caller, UploadName.parse(status.upload))
    assert site.send(address, 0, data).status == 403
    assert site.ask("HEAD", address).status == 403


def test_a_refused_sender_need_not_send_its_body(site: Site) -> None:
    """Who expects 100-continue gets the refusal instead, and no leave to send."""
    head = "PATCH /hallmark/v1/uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
    head += "Expect: 100-continue\r\nUpload-Offset: 0\r\nConnection: close\r\n"
    head += "Content-Type: application/offset+octet-stream\r\n\r\n"
    with site.connect() as client:
        client.sendall(head.encode())
        received = read_all(client)
    assert received.startswith(b"HTTP/1.1 403 ")


def test_a_welcome_sender_is_told_to_go_on(site: Site) -> None:
    """Who expects 100-continue gets it once the address has been found good."""
    data = fresh_bytes()
    head = f"PATCH {site.upload(data)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n"
    head += "Expect: 100-continue\r\nUpload-Offset: 0\r\n"
    head += "Content-Type: application/offset+octet-stream\r\n\r\n"
    with site.connect() as client:
        client.sendall(head.encode())
        assert client.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(data)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 204 ")


def test_an_early_refusal_reaches_who_still_sends(site: Site) -> None:
    """The answer comes through although megabytes are on their way, and the connection lives."""
    body = bytes(8 * PIECE_BYTES)
    with site.begin_patch("/hallmark/v1/uploads/x", 0, len(body), body) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = read_all(client)
    assert received.startswith(b"HTTP/1.1 403 ")
    assert b"HTTP/1.1 200 OK" in received


def test_a_full_store_says_so_and_keeps_what_fitted(fresh: Site) -> None:
    """507, and with room again the sender goes on."""
    store = fresh.world.blobs
    assert isinstance(store, MemoryBlobStore)
    address = fresh.upload(SMALL)
    store.capacity_bytes = 5
    answer = fresh.send(address, 0, SMALL)
    assert (answer.status, answer.error["reason"]) == (507, "STORAGE_FULL")
    store.capacity_bytes = None
    offset, state = state_of(fresh, address)
    assert state == "receiving"
    assert fresh.send(address, offset, SMALL[offset:]).headers["hallmark-state"] == "stored"


@pytest.mark.slow
def test_senders_beyond_all_threads_are_turned_away(fresh: Site) -> None:
    """Slow senders cannot make others wait without end: 503 says to retry; reading goes on."""
    download = fresh.download("a.bin", SMALL)
    address = fresh.upload(bytes(1000))
    clients = [fresh.begin_patch(fresh.upload(fresh_bytes()), 0, 100, b"x") for _ in range(WRITERS)]
    try:
        answers: list[Answer] = []

        def refused() -> bool:
            answers.append(fresh.send(address, 0, b""))
            return answers[-1].status == 503

        wait_for(refused)
        assert answers[-1].error["reason"] == "BUSY"
        assert answers[-1].headers["retry-after"] == "1"
        assert fresh.ask("GET", download).body == SMALL
    finally:
        for client in clients:
            client.close()
    wait_for(lambda: fresh.send(address, 0, b"").status == 204)


def test_the_log_has_a_line_and_no_ticket(fresh: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Each request is one line that says who sent how much to what; tickets are secrets."""
    address = fresh.upload(SMALL)
    with caplog.at_level(logging.INFO):
        fresh.send(address, 0, SMALL)
        fresh.send(address, 3, SMALL[3:])
        fresh.stop(1.0)
    lines = [json.loads(r.getMessage()) for r in caplog.records if r.name == "registry.calls"]
    assert [line["http_status"] for line in lines] == [204, 409]
    assert lines[0]["method"] == "PATCH /hallmark/v1/uploads/{ticket}"
    assert lines[0]["resource"].startswith("uploads/")
    assert (lines[0]["principal"], lines[0]["bytes"]) == ("ada", len(SMALL))
    assert address.rpartition("/")[2][:40] not in caplog.text
