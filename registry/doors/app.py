"""The HTTP application: all routes of the one origin in one table.

Further protocols add theirs to it; a test fails where two routes match one path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from registry.domain.server import ServerInfo
from registry.doors.health import LiveDoor, ReadyDoor, ServerInfoDoor
from registry.doors.requests import Frame, refuse_route
from registry.doors.transfers.downloads import Accel, DownloadDoor
from registry.doors.transfers.uploads import UploadDoor
from registry.doors.workers import Workers
from registry.errors import StartError
from registry.ports.blobs import BlobStore, HasLocalPath
from registry.ports.database import Database
from registry.services.downloads import DownloadService
from registry.services.uploads import UploadService


def build_app(
    *,
    info: ServerInfo,
    uploads: UploadService,
    downloads: DownloadService,
    database: Database,
    blobs: BlobStore,
    accel_prefix: str = "",
) -> Starlette:
    """The application, to be served by HttpServer.

    With `accel_prefix` downloads are left to an nginx in front, see README.md here; StartError
    where the store has no files for it.
    """
    workers = Workers()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        workers.close()

    checks = {
        "database": lambda: database.read(lambda tx: tx.namespaces.get("readyz")),
        "blobs": blobs.check,
    }
    app = Starlette(
        routes=[
            Route("/healthz", LiveDoor(), methods=["GET"]),
            Route("/readyz", ReadyDoor(checks, workers), methods=["GET"]),
            Route(
                "/hallmark/v1/server",
                ServerInfoDoor(
                    info, lambda: database.read(lambda tx: tx.policies.active()), workers
                ),
                methods=["GET"],
            ),
            Route(
                "/hallmark/v1/uploads/{ticket}",
                UploadDoor(uploads, workers),
                methods=["HEAD", "PATCH"],
            ),
            Route(
                "/dl/{ticket}",
                DownloadDoor(downloads, workers, _accel(accel_prefix, blobs)),
                methods=["GET"],
            ),
        ],
        middleware=[Middleware(Frame)],
        exception_handlers={HTTPException: refuse_route},
        lifespan=lifespan,
    )
    # An address is right or wrong; sending a client elsewhere would only hide its mistake.
    app.router.redirect_slashes = False
    return app


def _accel(prefix: str, blobs: BlobStore) -> Accel | None:
    if not prefix:
        return None
    if not isinstance(blobs, HasLocalPath):
        raise StartError(
            what="Downloads by nginx (accel_prefix)",
            found="the blob store has no files of its own",
            fix="Leave the prefix empty, or use a store on a local disk.",
        )
    return Accel(prefix=prefix, store=blobs)
