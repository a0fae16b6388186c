"""Input that nobody should send, to a whole server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.client import File
from registry.testing.people import vetted
from registry.testing.postgres import PostgresServer
from registry.testing.server import ServerProcess
from registry.testing.soak.fuzz import Fuzzer, resident_bytes
from registry.testing.soak.people import NAMESPACE, People

MODEL = f"{NAMESPACE}/fuzzed"
#: Of memory, for caches and for what malloc keeps; a leak of 1 kB an input would be 200 MB.
GROWTH_BYTES_MAX = 96 << 20
#: What comes first fills caches and pools.
WARM_UP = 10


def fuzzer_of(server: ServerProcess, folder: Path, seed: int) -> Fuzzer:
    """Knows of each kind of thing one that is there."""
    with server.client() as admin:
        people = People.invite(admin)
        admin.principals.create("victim")
    tokens = [server.admin_token, *people.tokens.values()]
    (folder / "weights.txt").write_bytes(b"weights")
    with server.client(people.tokens["alice"]) as alice:
        made = alice.push(folder / "weights.txt", MODEL)
        assert made.version is not None
        version = vetted(alice, f"{MODEL}@1")
        alice.references.set(MODEL, "best", version.name)
        asked = alice.promotions.create(version.name, "production")
        with server.client(people.tokens["bob"]) as bob:
            # What is staged cannot be deleted, so it stays for all inputs.
            bob.promotions.decide(asked.number, "approve", digest=version.digest)
        upload = alice.transfers.create_upload(
            MODEL, [File(path="a", size_bytes=5, sha256="0" * 64)]
        )
        (download,) = alice.transfers.create_downloads(version.name)
    model, commit = f"models/{MODEL}", f"models/{MODEL}/commits/{version.commit}"
    names = {
        "parent": [f"namespaces/{NAMESPACE}", model, version.name, "principals/victim"],
        "name": [
            f"namespaces/{NAMESPACE}",
            model,
            version.name,
            commit,
            f"{model}/references/best",
            asked.name,
            upload.name,
            "principals/victim",
        ],
        "stage": ["production", "staging"],
        "reference": ["best", "production", "1", version.digest],
        "digest": [version.digest, version.digest.removeprefix("sha256:")],
        "sha256": [made.files[0].sha256],
        "upload": ["", upload.name],
        "order_by": ["", "number", "number desc", "name", "time"],
        "page_token": [""],
        "etag": [""],
        "request_id": ["", "r-1", "r-2"],
        "paths": ["description", "weights.txt", "grants", "display_name"],
        "principal_id": ["p1", "p2"],
        "namespace_id": ["n1", "n2"],
        "model_id": ["m1", "m2"],
        "path": ["weights.txt", "a/b.bin", "README.md"],
        "revision": ["main", version.commit],
        "target": [version.name, commit],
        "namespace_pattern": ["*", NAMESPACE],
        "action": ["version.fetch", "version.*", "token.create"],
        "principal": ["principals/victim"],
        "resource": [model, f"namespaces/{NAMESPACE}", "*"],
    }
    names |= {key: [version.name] for key in ("version", "base", "other", "child")}
    names["model"] = [model]
    parents = {
        f"namespaces/{NAMESPACE}": ("CreateModel", "ListModels", "ListEvents"),
        model: [
            "CreateVersion",
            "CutVersion",
            "ListVersions",
            "CreateCommit",
            "ListCommits",
            "ListReferences",
            "ResolveReference",
            "CreateUpload",
            "RollbackStage",
            "ListStageHistory",
            "ListPromotions",
        ],
        version.name: ("ListFiles", "AddEvaluation", "ListEvaluations"),
        "principals/victim": ("CreateToken", "ListTokens", "RevokeAllTokens"),
    }
    names |= {f"{m}Request.parent": [name] for name, methods in parents.items() for m in methods}
    paths = [url.partition(server.http_url)[2] for url in (upload.files[0].url, download.url)]
    return Fuzzer(
        grpc_target=server.grpc_target,
        http_port=int(server.http_url.rpartition(":")[2]),
        tokens=tokens,
        names=names,
        paths=[*paths, *paths, "/", "/healthz", "/readyz", "/hallmark/v1/server", "/dl/x", "*"],
        seed=seed,
    )


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param(2_000, id="reduced", marks=pytest.mark.slow),
        pytest.param(200_000, id="full", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_breaks(
    database: str,
    inputs: int,
    tmp_path: Path,
    seed: int,
    tell: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    """Broken messages, requests and frames end in refusals; none in a failure inside, a wait
    without end, or memory that is not given back."""
    settings = {"HALLMARK_LOG_LEVEL": "error"}
    if database == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        settings["HALLMARK_DATABASE_URL"] = postgres.new_database()
    with ServerProcess(tmp_path / "home", settings) as server:
        fuzzer = fuzzer_of(server, tmp_path, seed)
        fuzzer.run(inputs // WARM_UP)
        before = resident_bytes(server.pid)
        fuzzer.run(inputs)
        growth = resident_bytes(server.pid) - before
        answers = ", ".join(f"{a}: {n}" for a, n in sorted(fuzzer.found.answers.items()))
        tell(f"{answers}; memory grew by {growth >> 20} MiB from {before >> 20} MiB")
        assert fuzzer.found.problems == []
        assert growth < GROWTH_BYTES_MAX
        assert server.stop() == 0
    assert "Traceback" not in (tmp_path / "home.log").read_text(errors="replace")
