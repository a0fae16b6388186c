"""TransferService as a client sees it. The bytes themselves are tested at the HTTP door."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import Role
from registry.domain.versions import VersionState
from registry.testing.api import (
    DOWNLOAD_PREFIX,
    UPLOAD_PREFIX,
    Api,
    code_of,
    outcome,
    reason_of,
    refusal,
)
from registry.testing.world import DAY_US, World, grant
from registry.v1 import transfers_pb2 as pb
from registry.v1 import versions_pb2
from registry.v1.transfers_pb2_grpc import TransferServiceStub

MODEL = "models/fraud/scorer"
NOW_S = 1_700_000_000


def file(path: str, data: bytes) -> versions_pb2.File:
    sha256 = hashlib.sha256(data).hexdigest()
    return versions_pb2.File(path=path, size_bytes=len(data), sha256=sha256)


@pytest.fixture
def stub(world: World, api: Api) -> TransferServiceStub:
    world.model("fraud/scorer")
    login = world.login("ada", grant(Role.REGISTRANT, "fraud"), ttl_us=90 * DAY_US)
    return TransferServiceStub(api.channel(login.secret))


def ticket_of(progress: pb.UploadFile) -> str:
    assert progress.url.startswith(UPLOAD_PREFIX)
    return progress.url.removeprefix(UPLOAD_PREFIX)


def test_a_session_on_the_wire(world: World, stub: TransferServiceStub) -> None:
    """Files in path order with states, offsets and addresses; guessed media types; the digest."""
    request = pb.CreateUploadRequest(
        parent=MODEL, files=[file("b.onnx", b"bb"), file("a.json", b"{}"), file("e", b"")]
    )
    upload = stub.CreateUpload(request)
    assert upload.name.startswith("uploads/")
    assert (upload.model, upload.state) == (MODEL, pb.UPLOAD_STATE_RECEIVING)
    assert upload.expire_time == Timestamp(seconds=NOW_S + 24 * 3600)
    assert [(f.file.path, f.file.media_type) for f in upload.files] == [
        ("a.json", "application/json"),
        ("b.onnx", "application/x-onnx"),
        ("e", "application/octet-stream"),
    ]
    world.uploads.append(ticket_of(upload.files[0]), 0, [b"{}"])
    world.uploads.append(ticket_of(upload.files[1]), 0, [b"b"])
    now = stub.GetUpload(pb.GetUploadRequest(name=upload.name))
    assert [(f.state, f.offset_bytes, bool(f.url)) for f in now.files] == [
        (pb.UPLOAD_FILE_STATE_STORED, 2, False),
        (pb.UPLOAD_FILE_STATE_RECEIVING, 1, True),
        (pb.UPLOAD_FILE_STATE_STORED, 0, False),
    ]
    world.uploads.append(ticket_of(now.files[1]), 1, [b"b"])
    done = stub.GetUpload(pb.GetUploadRequest(name=upload.name))
    assert (done.state, done.digest) == (pb.UPLOAD_STATE_COMPLETE, upload.digest)


def test_racing_repeats_share_one_session(stub: TransferServiceStub) -> None:
    """Sixteen equal requests with one id all get the same session."""
    request = pb.CreateUploadRequest(parent=MODEL, files=[file("a", b"a")], request_id="r")
    with ThreadPoolExecutor(16) as pool:
        uploads = list(pool.map(lambda _: stub.CreateUpload(request), range(16)))
    assert len({upload.name for upload in uploads}) == 1
    request.files.append(file("b", b"b"))
    error = refusal(lambda: stub.CreateUpload(request))
    assert (code_of(error), reason_of(error)) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


def test_files_are_added(stub: TransferServiceStub) -> None:
    """A session takes more files in later requests."""
    first = stub.CreateUpload(pb.CreateUploadRequest(parent=MODEL, files=[file("a", b"a")]))
    request = pb.CreateUploadRequest(parent=MODEL, files=[file("b", b"b")], upload=first.name)
    joined = stub.CreateUpload(request)
    assert (joined.name, len(joined.files)) == (first.name, 2)
    request.upload = "uploads/none"
    assert outcome(lambda: stub.CreateUpload(request)) == "NOT_FOUND"
    request.upload = "none"
    assert outcome(lambda: stub.CreateUpload(request)) == "INVALID_ARGUMENT"


def test_a_session_is_its_creators(world: World, api: Api, stub: TransferServiceStub) -> None:
    """Another caller finds no session; its creator ends it, twice if need be."""
    upload = stub.CreateUpload(pb.CreateUploadRequest(parent=MODEL, files=[file("a", b"a")]))
    other = TransferServiceStub(api.channel(world.login("eve", *map(grant, Role)).secret))
    get, delete = pb.GetUploadRequest(name=upload.name), pb.DeleteUploadRequest(name=upload.name)
    assert outcome(lambda: other.GetUpload(get)) == "NOT_FOUND"
    assert outcome(lambda: other.DeleteUpload(delete)) == "NOT_FOUND"
    for _ in range(2):
        stub.DeleteUpload(delete)
    assert stub.GetUpload(get).state == pb.UPLOAD_STATE_EXPIRED


def test_the_quota_is_told(stub: TransferServiceStub) -> None:
    """Past 100 sessions that wait for bytes the next one is RESOURCE_EXHAUSTED, reason QUOTA."""
    request = pb.CreateUploadRequest(parent=MODEL, files=[file("a", b"a")])
    for _ in range(100):
        stub.CreateUpload(request)
    error = refusal(lambda: stub.CreateUpload(request))
    assert (code_of(error), reason_of(error)) == ("RESOURCE_EXHAUSTED", "QUOTA")


@pytest.mark.slow
def test_the_largest_request_gets_a_reply(stub: TransferServiceStub) -> None:
    """25,000 files in one request are taken, and the reply shows the first 2,000 to come."""
    files = [file(f"{number:05}", b"%d" % number) for number in range(25_000)]
    request = pb.CreateUploadRequest(parent=MODEL, files=files)
    assert request.ByteSize() < 4 * 2**20
    upload = stub.CreateUpload(request)
    assert len(upload.files) == 2000
    assert upload.ByteSize() < 4 * 2**20


def test_downloads_on_the_wire(world: World, stub: TransferServiceStub) -> None:
    """Each file has an address under which its bytes are found, until the stated time."""
    version = world.version("fraud/scorer", {"b.json": b"{}", "a.md": b"# A"})
    answer = stub.CreateDownloads(pb.CreateDownloadsRequest(version=version.name))
    assert [d.file.path for d in answer.downloads] == ["a.md", "b.json"]
    assert answer.expire_time == Timestamp(seconds=NOW_S + 24 * 3600)
    ticket = answer.downloads[1].url.removeprefix(DOWNLOAD_PREFIX)
    assert b"".join(world.downloads.read(world.downloads.open(ticket))) == b"{}"
    named = pb.CreateDownloadsRequest(version=version.name, paths=["a.md"], digest=version.digest)
    assert len(stub.CreateDownloads(named).downloads) == 1
    codes: dict[str, list[dict[str, object]]] = {
        "NOT_FOUND": [{"paths": ["none"]}, {"version": f"{MODEL}/versions/9"}],
        "INVALID_ARGUMENT": [
            {"digest": "sha256:" + "0" * 64},
            {"version": MODEL},
            {"paths": [str(number) for number in range(1001)]},
        ],
    }
    for code, changes in codes.items():
        for change in changes:
            values: dict[str, object] = {"version": version.name, **change}
            request = pb.CreateDownloadsRequest(**values)  # type: ignore[arg-type]
            assert outcome(partial(stub.CreateDownloads, request)) == code, change


def test_states_refuse_downloads(world: World, stub: TransferServiceStub) -> None:
    """A version that is not released is FAILED_PRECONDITION, reason INVALID_STATE."""
    for state in VersionState:
        version = world.version("fraud/scorer", {"a": state.value.encode()}, state=state)
        request = pb.CreateDownloadsRequest(version=version.name)
        if state is VersionState.RELEASED:
            stub.CreateDownloads(request)
            continue
        error = refusal(partial(stub.CreateDownloads, request))
        assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "INVALID_STATE")


@pytest.mark.slow
def test_a_thousand_long_paths_make_a_reply(world: World, stub: TransferServiceStub) -> None:
    """The largest answer about downloads stays below 4 MB."""
    folder = "/".join(["ü" * 120] * 4)
    files = {f"{folder}/{number:04}": b"x" for number in range(1000)}
    version = world.version("fraud/scorer", files)
    answer = stub.CreateDownloads(pb.CreateDownloadsRequest(version=version.name))
    assert len(answer.downloads) == 1000
    assert answer.ByteSize() < 4 * 2**20
