"""The table of routes, health, and what the registry says of itself."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Match, Route

from registry.doors.app import build_app
from registry.errors import DatabaseUnavailableError, StartError, StorageError
from registry.testing.blobs import MemoryBlobStore
from registry.testing.site import INFO, Site
from registry.testing.world import World


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Starlette]:
    world = World(tmp_path)
    yield build_app(
        info=INFO,
        uploads=world.uploads,
        downloads=world.downloads,
        database=world.database,
        blobs=world.blobs,
    )
    world.close()


def test_no_path_matches_two_routes(app: Starlette) -> None:
    """Whatever stands for a parameter, each path leads to one route, in any order of the table."""
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert len(routes) == len(app.routes)
    words = {part for route in routes for part in route.path.split("/") if "{" not in part} - {""}
    for route in routes:
        for word in {*words, "x", "v1", "..", "%2f"}:
            path = re.sub(r"\{[^}]+\}", word, route.path)
            scope = {"type": "http", "path": path, "root_path": "", "method": "GET"}
            matching = [other for other in routes if other.matches(scope)[0] is not Match.NONE]
            assert matching == [route], path


@pytest.mark.parametrize("path", ["/", "/nope", "/healthz/", "/dl/", "/dl", "//healthz", "/%00"])
def test_an_unknown_address_is_told_so(site: Site, path: str) -> None:
    """404 is a JSON error too, and nothing is redirected."""
    answer = site.ask("GET", path)
    assert (answer.status, answer.error["reason"]) == (404, "NOT_FOUND")


def test_another_method_is_told_which_are_served(site: Site) -> None:
    """405 names the methods in Allow."""
    answer = site.ask("POST", "/hallmark/v1/uploads/x")
    assert (answer.status, answer.error["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "HEAD, PATCH"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_sound_server_lives_and_is_ready(site: Site, path: str) -> None:
    """Probes get 200, by GET and by HEAD."""
    assert site.ask("GET", path).status == 200
    assert site.ask("HEAD", path).body == b""


class Broken(MemoryBlobStore):
    def check(self) -> None:
        raise StorageError(what="x", store="blob store in /secret/folder", cause="EROFS")


def test_readiness_says_what_fails(tmp_path: Path) -> None:
    """503 names the failing check and its reason, but nothing of how the server is set up."""
    world = World(tmp_path, blobs=Broken())
    site = Site(world)
    answer = site.ask("GET", "/readyz")
    site.stop()
    world.close()
    assert answer.status == 503
    assert b'"blobs": "STORAGE_UNAVAILABLE"' in answer.body
    assert b'"database": "ok"' in answer.body
    assert b"secret" not in answer.body


def test_readiness_asks_the_database(fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer makes the server unready, not dead."""

    def fail(fn: object) -> None:
        raise DatabaseUnavailableError(cause="gone")

    monkeypatch.setattr(fresh.world.database, "read", fail)
    assert fresh.ask("GET", "/healthz").status == 200
    answer = fresh.ask("GET", "/readyz")
    assert (answer.status, b"DATABASE_UNAVAILABLE" in answer.body) == (503, True)


def test_the_registry_says_where_its_sides_are(site: Site) -> None:
    """A client that knows the HTTP address learns all that it needs, without a credential."""
    answer = site.ask("GET", "/hallmark/v1/server")
    assert answer.json == dataclasses.asdict(INFO) | {
        "exclusive_stages": ["staging", "production"],
        "policy_digest": site.world.policy.digest,
    }


def test_an_unforeseen_failure_keeps_its_details_to_itself(
    fresh: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets 500 and an id; under that id the log has the failure."""

    def fail(ticket: str) -> None:
        raise ValueError("the password is 123")

    monkeypatch.setattr(fresh.world.downloads, "open", fail)
    answer = fresh.ask("GET", "/dl/x")
    assert (answer.status, answer.error["reason"]) == (500, "INTERNAL")
    assert b"password" not in answer.body
    assert answer.error["metadata"]["incident"] in caplog.text
    assert "the password is 123" in caplog.text


def test_nginx_needs_files(tmp_path: Path) -> None:
    """A store without files cannot leave its bytes to nginx; the start says so."""
    world = World(tmp_path)
    with pytest.raises(StartError, match="no files of its own"):
        Site(world, accel_prefix="/_blobs")
    world.close()
