"""UsageService as a client sees it."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import Role
from registry.testing.api import Api, outcome
from registry.testing.world import World, grant
from registry.v1 import usage_pb2 as pb
from registry.v1.usage_pb2_grpc import UsageServiceStub

MODEL = "models/fraud/scorer"


def test_likes_and_downloads_on_the_wire(world: World, api: Api) -> None:
    """Likes repeat safely; rows by principal are for those who hold usage.read."""
    world.model("fraud/scorer")
    version = world.version("fraud/scorer", {"a": b"a"})
    world.database.write(lambda tx: tx.usage.record_download("d", version.key, "bob", 1_500_000))
    reader, auditor = (
        UsageServiceStub(api.channel(world.login(role.value, grant(role)).secret))
        for role in (Role.READER, Role.AUDITOR)
    )
    for _ in range(2):
        assert reader.LikeModel(pb.LikeModelRequest(model=MODEL)).like_count == 1
    usage = reader.GetUsage(pb.GetUsageRequest(model=MODEL))
    assert (usage.model, usage.download_count, usage.like_count, usage.liked) == (MODEL, 1, 1, True)
    time = Timestamp(seconds=1, nanos=500_000_000)
    row = pb.Usage.VersionRow(version=version.name, download_count=1, last_time=time)
    assert list(usage.versions) == [row]
    assert not usage.principals
    usage = auditor.GetUsage(pb.GetUsageRequest(model=MODEL))
    assert not usage.liked
    assert list(usage.principals) == [
        pb.Usage.PrincipalRow(
            principal="principals/bob", version=version.name, download_count=1, last_time=time
        )
    ]
    for _ in range(2):
        assert reader.UnlikeModel(pb.UnlikeModelRequest(model=MODEL)).like_count == 0
    request = pb.GetUsageRequest(model="models/fraud/none")
    assert outcome(lambda: reader.GetUsage(request)) == "NOT_FOUND"
