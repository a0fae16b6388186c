"""VersionService and CommitService as a client sees them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import Role
from registry.testing.api import Api, code_of, info_of, outcome, reason_of, refusal
from registry.testing.story import MODEL, Story
from registry.testing.world import World, grant
from registry.v1 import commits_pb2, lineage_pb2, references_pb2
from registry.v1 import versions_pb2 as pb
from registry.v1.commits_pb2_grpc import CommitServiceStub
from registry.v1.lineage_pb2_grpc import LineageServiceStub
from registry.v1.references_pb2_grpc import ReferenceServiceStub
from registry.v1.versions_pb2_grpc import VersionServiceStub

PARENT = f"models/{MODEL}"
FILES = {"README.md": b"---\nlicense: mit\n---\nA model.\n", "weights.txt": b"weights"}


@pytest.fixture
def story(world: World) -> Story:
    return Story(world)


@pytest.fixture
def secret(world: World, story: Story) -> str:
    return world.login("ada", grant(Role.REGISTRANT, "fraud"), grant(Role.SECURITY, "fraud")).secret


@pytest.fixture
def stub(api: Api, secret: str) -> VersionServiceStub:
    return VersionServiceStub(api.channel(secret))


def file_list(story: Story, files: Mapping[str, bytes]) -> pb.FileList:
    sent = story.send(files)
    return pb.FileList(
        files=[
            pb.File(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256)
            for file in sent.files
        ]
    )


def create(
    story: Story,
    stub: VersionServiceStub,
    files: Mapping[str, bytes],
    *,
    spec: pb.VersionSpec | None = None,
    request_id: str = "",
) -> pb.Version:
    return stub.CreateVersion(
        pb.CreateVersionRequest(
            parent=PARENT, files=file_list(story, files), spec=spec, request_id=request_id
        )
    )


def test_a_version_on_the_wire(story: Story, stub: VersionServiceStub) -> None:
    """All that was said comes back, and the rest is the server's."""
    base = create(story, stub, {"a": b"1"})
    spec = pb.VersionSpec(
        description="fine",
        parameters={"lr": "0.1"},
        metrics={"auc": 0.5},
        datasets=[pb.Dataset(name="digits", uri="s3://d", role="train")],
        code=pb.CodeRevision(repository="r", revision="c", dirty=True),
        run_url="https://runs.corp/1",
        bases=[pb.Base(version=base.name, kind=pb.LINEAGE_KIND_FINETUNE)],
    )
    made = create(story, stub, FILES, spec=spec)
    assert made.name == f"{PARENT}/versions/2"
    assert made.number == 2
    assert made.spec == spec
    assert made.state == pb.VERSION_STATE_QUARANTINED
    assert made.registrant == "principals/ada"
    assert list(made.contributors) == ["principals/ada"]
    assert made.create_time == Timestamp(seconds=1_700_000_000)
    assert (made.card.license, json.loads(made.card.metadata_json)) == ("mit", {"license": "mit"})
    assert (made.file_count, made.size_bytes) == (2, sum(map(len, FILES.values())))
    assert not made.HasField("vetting")
    assert stub.GetVersion(pb.GetVersionRequest(name=made.name)) == made
    story.world.vetting.run_pending(10)
    vetted = stub.GetVersion(pb.GetVersionRequest(name=made.name))
    assert vetted.state == pb.VERSION_STATE_RELEASED
    assert vetted.vetting.verdict == pb.VERDICT_PASS
    assert vetted.vetting.rules_digest.startswith("sha256:")
    assert vetted.vetting.time == Timestamp(seconds=1_700_000_000)


def test_source_is_required(stub: VersionServiceStub) -> None:
    """A version comes from a session or from digests."""
    error = refusal(lambda: stub.CreateVersion(pb.CreateVersionRequest(parent=PARENT)))
    assert (code_of(error), info_of(error).metadata["field"]) == ("INVALID_ARGUMENT", "source")


def test_bad_values(story: Story, stub: VersionServiceStub) -> None:
    """A NaN, an unknown kind, oversize metadata and a bad name are INVALID_ARGUMENT."""
    base = create(story, stub, {"a": b"1"})
    for spec in (
        pb.VersionSpec(metrics={"auc": math.nan}),
        pb.VersionSpec(bases=[pb.Base(version=base.name)]),
        pb.VersionSpec(bases=[pb.Base(version=base.name, kind=99)]),  # type: ignore[arg-type]
        pb.VersionSpec(bases=[pb.Base(version="x", kind=pb.LINEAGE_KIND_MERGE)]),
        pb.VersionSpec(parameters={str(n): "v" * 6000 for n in range(43)}),
    ):
        error = refusal(lambda spec=spec: create(story, stub, FILES, spec=spec))  # type: ignore[misc]
        assert code_of(error) == "INVALID_ARGUMENT"
    for name in ("", "models/fraud", f"{PARENT}/versions/0", f"{PARENT}/versions/07"):
        get = pb.GetVersionRequest(name=name)
        assert outcome(lambda get=get: stub.GetVersion(get)) == "INVALID_ARGUMENT"  # type: ignore[misc]


def test_reasons(story: Story, stub: VersionServiceStub) -> None:
    """What a caller may want to tell apart has reasons of its own."""
    files = pb.FileList(files=[pb.File(path="a", size_bytes=1, sha256="0" * 64)])
    error = refusal(lambda: stub.CreateVersion(pb.CreateVersionRequest(parent=PARENT, files=files)))
    assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "BYTES_MISSING")
    create(story, stub, FILES, request_id="r")
    error = refusal(lambda: create(story, stub, {"a": b"1"}, request_id="r"))
    assert (code_of(error), reason_of(error)) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    ghost = pb.CreateVersionRequest(parent=PARENT, upload="uploads/gone")
    assert outcome(lambda: stub.CreateVersion(ghost)) == "NOT_FOUND"


def test_lists(story: Story, stub: VersionServiceStub) -> None:
    """Versions, files and evaluations come in pages whose tokens lead on."""
    for number in range(3):
        create(story, stub, {"a": bytes([number]), "b": b"b"})
    first = stub.ListVersions(pb.ListVersionsRequest(parent=PARENT, page_size=2))
    rest = stub.ListVersions(
        pb.ListVersionsRequest(parent=PARENT, page_size=2, page_token=first.next_page_token)
    )
    assert [v.number for v in (*first.versions, *rest.versions)] == [3, 2, 1]
    assert rest.next_page_token == ""
    quarantined = pb.ListVersionsRequest(parent=PARENT, state=pb.VERSION_STATE_QUARANTINED)
    assert len(stub.ListVersions(quarantined).versions) == 3
    foreign = pb.ListVersionsRequest(
        parent=PARENT, order_by="number", page_token=first.next_page_token
    )
    assert outcome(lambda: stub.ListVersions(foreign)) == "INVALID_ARGUMENT"
    page = stub.ListFiles(pb.ListFilesRequest(parent=f"{PARENT}/versions/1", page_size=1))
    assert [file.path for file in page.files] == ["a"]
    page = stub.ListFiles(
        pb.ListFilesRequest(
            parent=f"{PARENT}/versions/1", page_size=1, page_token=page.next_page_token
        )
    )
    assert [file.path for file in page.files] == ["b"]
    bad = pb.ListVersionsRequest(parent=PARENT, page_size=-1)
    assert outcome(lambda: stub.ListVersions(bad)) == "INVALID_ARGUMENT"


def test_manifest_and_diff(story: Story, stub: VersionServiceStub) -> None:
    """A manifest hashes to its digest; a diff says what changed."""
    base, other = create(story, stub, {"a": b"1"}), create(story, stub, {"b": b"1", "c": b"2"})
    manifest = stub.GetManifest(pb.GetManifestRequest(name=base.name))
    assert manifest.digest == base.digest
    assert f"sha256:{hashlib.sha256(manifest.canonical_json).hexdigest()}" == base.digest
    diff = stub.DiffVersions(pb.DiffVersionsRequest(base=base.name, other=other.name))
    assert [(c.base.path, c.other.path) for c in diff.renamed] == [("a", "b")]
    assert [file.path for file in diff.added] == ["c"]
    assert (diff.added_count, diff.renamed_count, diff.new_bytes) == (1, 1, 1)


def test_evaluations(story: Story, stub: VersionServiceStub) -> None:
    """A result on the wire is bound to the digest, and listed newest first."""
    version = create(story, stub, FILES)
    said = pb.Evaluation(
        evaluation="holdout",
        metrics={"top1": 0.9},
        dataset=pb.Dataset(name="digits", digest="sha256:" + "d" * 64),
        tool="eval 1",
    )
    request = pb.AddEvaluationRequest(parent=version.name, evaluation=said)
    first, second = stub.AddEvaluation(request), stub.AddEvaluation(request)
    assert (first.version, first.digest) == (version.name, version.digest)
    assert first.reporter == "principals/ada"
    assert (first.metrics, first.dataset, first.tool) == (said.metrics, said.dataset, said.tool)
    page = stub.ListEvaluations(pb.ListEvaluationsRequest(parent=version.name))
    assert list(page.evaluations) == [second, first]


def test_yank(story: Story, stub: VersionServiceStub) -> None:
    """A yank shows its reason, one in a stage is IN_USE, and only a yanked one is unyanked."""
    version = story.released(FILES)
    name = version.name
    yanked = stub.YankVersion(pb.YankVersionRequest(name=name, reason="leaks"))
    assert (yanked.state, yanked.yank_reason) == (pb.VERSION_STATE_YANKED, "leaks")
    back = stub.UnyankVersion(pb.UnyankVersionRequest(name=name))
    assert (back.state, back.yank_reason) == (pb.VERSION_STATE_RELEASED, "")
    error = refusal(lambda: stub.UnyankVersion(pb.UnyankVersionRequest(name=name)))
    assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "INVALID_STATE")
    story.promote(version)
    shown = stub.GetVersion(pb.GetVersionRequest(name=name))
    assert list(shown.stages) == ["production"]
    error = refusal(lambda: stub.YankVersion(pb.YankVersionRequest(name=name, reason="r")))
    assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "IN_USE")


def test_commits(story: Story, api: Api, secret: str, stub: VersionServiceStub) -> None:
    """Commits are made, found by a beginning of their id, listed, and cut."""
    commits = CommitServiceStub(api.channel(secret))
    made = commits.CreateCommit(
        commits_pb2.CreateCommitRequest(
            parent=PARENT, files=file_list(story, FILES).files, message="first"
        )
    )
    assert made.name == f"{PARENT}/commits/{made.id}"
    assert (made.author, made.message, made.file_count) == ("principals/ada", "first", 2)
    content = {
        "author": made.author,
        "create_time_us": made.create_time.ToMicroseconds(),
        "message": made.message,
        "parents": list(made.parents),
        "schema": "hallmark.commit.v1",
        "tree": made.tree,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest()[:40] == made.id
    short = commits_pb2.GetCommitRequest(name=made.name[: -40 + 12])
    assert commits.GetCommit(short) == made
    second = commits.CreateCommit(
        commits_pb2.CreateCommitRequest(
            parent=PARENT, deleted_paths=["README.md"], expected_head=made.id, message="second"
        )
    )
    listed = commits.ListCommits(commits_pb2.ListCommitsRequest(parent=PARENT))
    assert [commit.id for commit in listed.commits] == [second.id, made.id]
    stale = commits_pb2.CreateCommitRequest(parent=PARENT, expected_head=made.id, message="m")
    error = refusal(lambda: commits.CreateCommit(stale))
    assert (code_of(error), reason_of(error)) == ("ABORTED", "TARGET_MOVED")
    cut = stub.CutVersion(pb.CutVersionRequest(parent=PARENT, revision="main"))
    assert (cut.commit, cut.digest) == (second.id, second.tree)
    files = stub.ListFiles(pb.ListFilesRequest(parent=made.name)).files
    assert [file.path for file in files] == sorted(FILES)
    for name in ("", PARENT, f"{PARENT}/commits/", f"{PARENT}/commits/XYZ"):
        request = commits_pb2.GetCommitRequest(name=name)
        assert outcome(lambda r=request: commits.GetCommit(r)) == "INVALID_ARGUMENT"  # type: ignore[misc]


def test_references(story: Story, api: Api, secret: str) -> None:
    """References are set, resolved, listed and deleted; stages are not among those set."""
    stub = ReferenceServiceStub(api.channel(secret))
    version = story.released(FILES)
    name = f"{PARENT}/references/best"
    kinds = references_pb2
    request = kinds.SetReferenceRequest(
        name=name, kind=kinds.REFERENCE_KIND_ALIAS, target=version.name, expected_target="none"
    )
    made = stub.SetReference(request)
    assert (made.id, made.kind) == ("best", kinds.REFERENCE_KIND_ALIAS)
    assert (made.target, made.digest) == (version.name, version.digest)
    assert made.updater == "principals/ada"
    assert stub.GetReference(kinds.GetReferenceRequest(name=name)) == made
    found = stub.ResolveReference(kinds.ResolveReferenceRequest(parent=PARENT, reference="best"))
    assert (found.version.name, found.kind) == (version.name, kinds.REFERENCE_KIND_ALIAS)
    assert (found.promotion, found.HasField("since_time")) == ("", False)
    by_number = stub.ResolveReference(kinds.ResolveReferenceRequest(parent=PARENT, reference="1"))
    assert by_number.kind == kinds.REFERENCE_KIND_UNSPECIFIED
    promotion = story.promote(version)
    staged = stub.ResolveReference(
        kinds.ResolveReferenceRequest(parent=PARENT, reference="production")
    )
    assert (staged.kind, staged.promotion) == (kinds.REFERENCE_KIND_STAGE, promotion.name)
    assert staged.since_time == Timestamp(seconds=1_700_000_000)
    error = refusal(lambda: stub.SetReference(request))
    assert (code_of(error), reason_of(error)) == ("ABORTED", "TARGET_MOVED")
    listed = stub.ListReferences(kinds.ListReferencesRequest(parent=PARENT)).references
    assert [reference.id for reference in listed] == ["best", "main", "production"]
    for kind in (
        kinds.REFERENCE_KIND_UNSPECIFIED,
        kinds.REFERENCE_KIND_STAGE,
        kinds.REFERENCE_KIND_TAG,
    ):
        on_stage = kinds.SetReferenceRequest(
            name=f"{PARENT}/references/production", kind=kind, target=version.name
        )
        assert outcome(lambda r=on_stage: stub.SetReference(r)) == "INVALID_ARGUMENT"  # type: ignore[misc]
    stub.DeleteReference(kinds.DeleteReferenceRequest(name=name))
    delete = kinds.DeleteReferenceRequest(name=name)
    assert outcome(lambda: stub.DeleteReference(delete)) == "NOT_FOUND"


def test_lineage(story: Story, api: Api, secret: str) -> None:
    """Edges are declared, walked with depth, and taken back; a cycle has its reason."""
    stub = LineageServiceStub(api.channel(secret))
    first, second, third = (story.push({"a": bytes([n])}) for n in range(3))

    def edge(child: str, parent: str) -> lineage_pb2.LineageEdge:
        return lineage_pb2.LineageEdge(child=child, parent=parent, kind=pb.LINEAGE_KIND_MERGE)

    for child, parent in ((second, first), (third, second)):
        request = lineage_pb2.CreateEdgeRequest(edge=edge(child.name, parent.name))
        assert stub.CreateEdge(request).creator == "principals/ada"
    up = stub.ListAncestors(lineage_pb2.ListAncestorsRequest(version=third.name))
    assert [(e.parent, e.depth) for e in up.edges] == [(second.name, 1), (first.name, 2)]
    assert up.hidden_count == 0
    down = stub.ListDescendants(lineage_pb2.ListDescendantsRequest(version=first.name, depth_max=1))
    assert [(e.child, e.depth) for e in down.edges] == [(second.name, 1)]
    cycle = lineage_pb2.CreateEdgeRequest(edge=edge(first.name, third.name))
    error = refusal(lambda: stub.CreateEdge(cycle))
    assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "LINEAGE_CYCLE")
    no_kind = lineage_pb2.CreateEdgeRequest(
        edge=lineage_pb2.LineageEdge(child=third.name, parent=first.name)
    )
    assert outcome(lambda: stub.CreateEdge(no_kind)) == "INVALID_ARGUMENT"
    delete = lineage_pb2.DeleteEdgeRequest(edge=edge(third.name, second.name))
    stub.DeleteEdge(delete)
    assert outcome(lambda: stub.DeleteEdge(delete)) == "NOT_FOUND"
