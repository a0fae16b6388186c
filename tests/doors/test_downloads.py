"""Download addresses over HTTP: headers, parts, conditions, refusals, damage."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path

import pytest

from registry.blobs.local import LocalBlobStore
from registry.doors.transfers.downloads import content_disposition
from registry.names import ModelName, PrincipalName, TokenName
from registry.ports.blobs import PIECE_BYTES
from registry.testing.blobs import MemoryBlobStore
from registry.testing.site import MODEL, Site, read_all
from registry.testing.world import World

DATA = bytes(range(256)) * 10
BIG = os.urandom(3 * PIECE_BYTES + 17)


def etag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()}"'


@pytest.mark.parametrize("data", [b"", b"x", BIG[:PIECE_BYTES], BIG], ids=len)
def test_a_file_arrives_whole(site: Site, data: bytes) -> None:
    """GET answers with all bytes, their length, type, tag, and leave to ask for parts."""
    answer = site.ask("GET", site.download("model.onnx", data))
    assert answer.status == 200
    assert answer.body == data
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-type"] == "application/x-onnx"
    assert answer.headers["etag"] == etag_of(data)
    assert answer.headers["accept-ranges"] == "bytes"


def test_nothing_that_arrives_can_run_in_a_browser(site: Site) -> None:
    """A file is to be saved, not shown, not guessed about, and not kept by shared caches."""
    headers = site.ask("GET", site.download("page.txt", b"<script>")).headers
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["cache-control"].startswith("private")
    assert "content-encoding" not in headers
    assert "server" not in headers


def test_head_says_what_get_says(site: Site) -> None:
    """HEAD has the headers of GET and no body, and its ranges count for nothing."""
    address = site.download("a.bin", BIG)
    head = site.ask("HEAD", address, {"Range": "bytes=0-1"})
    get = site.ask("GET", address)
    assert head.status == 200
    assert head.body == b""
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        (f"bytes={PIECE_BYTES - 5}-{PIECE_BYTES + 5}", PIECE_BYTES - 5, PIECE_BYTES + 6),
        (f"bytes={PIECE_BYTES}-", PIECE_BYTES, len(BIG)),
        ("bytes=-9", len(BIG) - 9, len(BIG)),
    ],
)
def test_a_part_arrives(site: Site, header: str, start: int, end: int) -> None:
    """A range gets 206, its bytes, and where they lie in the file."""
    answer = site.ask("GET", site.download("a.bin", BIG), {"Range": header})
    assert answer.status == 206
    assert answer.body == BIG[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(BIG)}"
    assert answer.headers["content-length"] == str(end - start)


def test_several_ranges_get_the_whole_file(site: Site) -> None:
    """We do not make multipart answers, also where the ranges come in two headers."""
    address = site.download("a.bin", DATA)
    assert site.ask("GET", address, {"Range": "bytes=0-1,4-5"}).body == DATA
    with site.connect() as client:
        head = f"GET {address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        client.sendall(f"{head}Range: bytes=0-1\r\nRange: bytes=4-5\r\n\r\n".encode())
        received = read_all(client)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(DATA)


def test_a_range_outside_is_told_the_size(site: Site) -> None:
    """416 comes with the file's size and a JSON error."""
    answer = site.ask("GET", site.download("a.bin", DATA), {"Range": "bytes=2560-"})
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */2560"
    assert answer.error["reason"] == "RANGE_NOT_SATISFIABLE"


def test_conditions_are_kept(site: Site) -> None:
    """A current copy is not sent again; other bytes than meant are not sent at all."""
    address = site.download("a.bin", DATA)
    current = site.ask("GET", address, {"If-None-Match": etag_of(DATA)})
    assert (current.status, current.body) == (304, b"")
    assert current.headers["etag"] == etag_of(DATA)
    other = site.ask("GET", address, {"If-Match": '"other"'})
    assert (other.status, other.error["reason"]) == (412, "ETAG_MISMATCH")
    moved = site.ask("GET", address, {"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (moved.status, moved.body) == (200, DATA)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("model.onnx", "filename=\"model.onnx\"; filename*=UTF-8''model.onnx"),
        ("a b.bin", "filename=\"a b.bin\"; filename*=UTF-8''a%20b.bin"),
        ("modèle.bin", "filename=\"mod_le.bin\"; filename*=UTF-8''mod%C3%A8le.bin"),
        ('"\\%41.bin', "filename=\"___41.bin\"; filename*=UTF-8''%22%5C%2541.bin"),
        ("x\r\nSet-Cookie: a", 'filename="x__Set-Cookie: a"; '),
        ("(1)'*.bin", "filename=\"(1)'*.bin\"; filename*=UTF-8''%281%29%27%2A.bin"),
    ],
)
def test_a_file_keeps_its_name(filename: str, expected: str) -> None:
    """The name to save under is told exactly, and can smuggle nothing into the headers."""
    found = content_disposition(filename)
    assert found.startswith(f"attachment; {expected}")
    assert found.isprintable()


def test_a_name_beyond_latin_1_arrives(site: Site) -> None:
    """A file named in any script can be fetched."""
    answer = site.ask("GET", site.download("模型.bin", DATA))
    assert answer.body == DATA
    assert answer.headers["content-disposition"].endswith("UTF-8''%E6%A8%A1%E5%9E%8B.bin")


@pytest.mark.parametrize("ticket", ["x", "d1.e30.AAAA", "%00", "%zz", "a" * 5000, "%E2%80%AE"])
def test_an_address_that_we_did_not_make_is_refused(site: Site, ticket: str) -> None:
    """Forged tickets get 403 and say nothing of what exists."""
    answer = site.ask("GET", f"/dl/{ticket}")
    assert (answer.status, answer.error["reason"]) == (403, "TICKET_REFUSED")


def test_an_upload_address_fetches_nothing(site: Site) -> None:
    """Tickets are good for one door."""
    ticket = site.upload(os.urandom(9)).rpartition("/")[2]
    assert site.ask("GET", f"/dl/{ticket}").status == 403


def test_a_revoked_token_ends_its_addresses(fresh: Site) -> None:
    """Each request asks anew whether the caller may still fetch."""
    address = fresh.download("a.bin", DATA)
    assert fresh.ask("GET", address).status == 200
    fresh.world.tokens.revoke(
        fresh.ada.caller,
        TokenName(principal=PrincipalName(principal="ada"), token=fresh.ada.caller.token.id),
    )
    answer = fresh.ask("GET", address)
    assert (answer.status, answer.error["code"]) == (403, "PERMISSION_DENIED")


def test_a_damaged_file_is_never_begun(fresh: Site) -> None:
    """Bytes of another size than the version says are an error of ours, told as JSON."""
    address = fresh.download("a.bin", DATA)
    assert isinstance(fresh.world.blobs, MemoryBlobStore)
    fresh.world.blobs.damage(hashlib.sha256(DATA).hexdigest(), DATA[:-1])
    answer = fresh.ask("GET", address)
    assert (answer.status, answer.error["reason"]) == (500, "CORRUPT_BYTES")


@pytest.mark.slow
def test_damage_on_the_way_cuts_the_connection(local: Site) -> None:
    """A file that becomes shorter while it is sent never looks complete."""
    data = bytes(64 * PIECE_BYTES)
    address = local.download("a.bin", data)
    store = local.world.blobs
    assert isinstance(store, LocalBlobStore)
    path = store.local_path(hashlib.sha256(data).hexdigest())
    assert path is not None
    with local.connect() as client:
        client.sendall(f"GET {address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.recv(1)
        path.chmod(0o644)
        os.truncate(path, len(data) // 2)
        received = read_all(client)
    assert f"content-length: {len(data)}".encode() in received
    assert len(received) < len(data)


def test_the_log_has_a_line_and_no_ticket(fresh: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Each request is one line that says who fetched what; tickets are secrets."""
    address = fresh.download("a.bin", DATA)
    with caplog.at_level(logging.INFO):
        fresh.ask("GET", address, {"Range": "bytes=0-9"})
        fresh.ask("GET", address[:-1])
        fresh.ask("GET", f"{address}/more")
        fresh.stop(1.0)
    lines = [json.loads(r.getMessage()) for r in caplog.records if r.name == "registry.calls"]
    assert [line["http_status"] for line in lines] == [206, 403, 404]
    first = lines[0]
    assert first["method"] == "GET /dl/{ticket}"
    assert first["principal"] == "ada"
    assert first["resource"] == f"models/{MODEL}/versions/1 a.bin"
    assert (first["outcome"], first["bytes"]) == ("OK", 10)
    ticket = address.rpartition("/")[2]
    signature = ticket.rpartition(".")[2]
    assert ticket[:40] not in caplog.text
    assert signature[:10] not in caplog.text


def test_a_download_is_counted_once_for_all_its_ranges(fresh: Site) -> None:
    """Fetching in parts is one download; asking only (HEAD, 304) is none."""
    address = fresh.download("a.bin", DATA)
    fresh.ask("HEAD", address)
    fresh.ask("GET", address, {"If-None-Match": etag_of(DATA)})
    usage = fresh.world.usage.get(fresh.ada.caller, ModelName(path=MODEL))
    assert usage.download_count == 0
    for part in ("bytes=0-9", "bytes=10-"):
        fresh.ask("GET", address, {"Range": part})
    assert fresh.world.usage.get(fresh.ada.caller, ModelName(path=MODEL)).download_count == 1


def test_nginx_in_front_is_told_where_the_file_lies(tmp_path: Path) -> None:
    """With a prefix the bytes are left to nginx, after all checks, and ranges with them."""
    store = LocalBlobStore(tmp_path / "blobs with space")
    store.check()
    world = World(tmp_path, blobs=store)
    site = Site(world, accel_prefix="/_blobs")
    try:
        address = site.download("a.bin", DATA)
        answer = site.ask("GET", address, {"Range": "bytes=0-1"})
        assert (answer.status, answer.body) == (200, b"")
        path = store.local_path(hashlib.sha256(DATA).hexdigest())
        assert answer.headers["x-accel-redirect"] == f"/_blobs{path}".replace(" ", "%20")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert site.ask("GET", f"{address}x").status == 403
        held = site.ask("GET", address, {"If-None-Match": etag_of(DATA)})
        assert (held.status, "x-accel-redirect" in held.headers) == (304, False)
        usage = world.usage.get(site.ada.caller, ModelName(path=MODEL))
        assert usage.download_count == 1
    finally:
        site.stop()
        world.close()
