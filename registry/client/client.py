"""The client itself: one connection, one attribute a noun, and the two verbs that move bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from registry.client.access import Access
from registry.client.audit import Audit
from registry.client.commits import Commits
from registry.client.connection import PATIENCE_S, Connection
from registry.client.credentials import find_access
from registry.client.decode import decode
from registry.client.events import Events
from registry.client.identity import Identity
from registry.client.inbox import Inbox
from registry.client.lineage import Lineage
from registry.client.models import Models
from registry.client.namespaces import Namespaces
from registry.client.policies import Policies
from registry.client.principals import Principals
from registry.client.progress import Progress, Silent
from registry.client.promotions import Promotions
from registry.client.pull import Puller, PullResult
from registry.client.push import Pusher, PushResult
from registry.client.readiness import ReadinessReports
from registry.client.references import References
from registry.client.reviews import Reviews
from registry.client.terms import Terms
from registry.client.tokens import Tokens
from registry.client.transfers import Transfers
from registry.client.usage import Usage
from registry.client.values import Base, CodeRevision, Dataset, Resolved, ServerInfo, VersionSpec
from registry.client.versions import Versions
from registry.client.vetting import Vetting
from registry.client.waivers import Waivers
from registry.client.webhooks import Webhooks
from registry.v1 import server_pb2
from registry.v1.server_pb2_grpc import ServerServiceStub

StrPath: TypeAlias = str | os.PathLike[str]
Bases: TypeAlias = str | Base | Iterable[str | Base]


class Client:
    """A registry, as one principal. Blocking; threads may share it; use it in `with`, or close it.

    `url` is the HTTP address (`http://host:8080`, `https://...`) or the gRPC one
    (`grpc://host:8081`, `grpcs://...`); without it, and without `token`, the environment and what
    `hallmark login` stored are used (see `registry.client.credentials`). `token=""` goes without.
    Nothing is sent before the first call. A platform's token (OIDC) is exchanged by itself for one
    of the registry's, again whenever that ends; `exchanged_folder` keeps these between processes.

    Every call raises a ClientError of `registry.client.errors`. Calls that are safe to repeat are
    repeated for `patience_s` while the server does not answer.
    """

    def __init__(
        self,
        url: str = "",
        token: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        exchanged_folder: Path | None = None,
    ) -> None:
        connection = Connection(
            find_access(url=url, token=token),
            patience_s=patience_s,
            exchanged_folder=exchanged_folder,
        )
        self._connection = connection
        self.namespaces = Namespaces(connection)
        self.identity = Identity(connection)
        self.principals = Principals(connection)
        self.tokens = Tokens(connection)
        self.access = Access(connection)
        self.models = Models(connection)
        self.versions = Versions(connection)
        self.vetting = Vetting(connection)
        self.readiness = ReadinessReports(connection)
        self.commits = Commits(connection)
        self.references = References(connection)
        self.promotions = Promotions(connection)
        self.waivers = Waivers(connection)
        self.reviews = Reviews(connection)
        self.terms = Terms(connection)
        self.inbox = Inbox(connection)
        self.policies = Policies(connection)
        self.lineage = Lineage(connection)
        self.events = Events(connection)
        self.audit = Audit(connection)
        self.usage = Usage(connection)
        self.webhooks = Webhooks(connection)
        self.transfers = Transfers(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def url(self) -> str:
        """The server's address."""
        return self._connection.access.url

    def info(self) -> ServerInfo:
        """Versions, addresses, limits. Needs no token."""
        stub = self._connection.stub(ServerServiceStub)
        request = server_pb2.GetServerInfoRequest()
        return decode(
            ServerInfo,
            self._connection.call(stub.GetServerInfo, request, repeats=True, public=True),
        )

    def resolve(self, reference: str) -> Resolved:
        """What `fraud/scorer@production` or any other reference means now."""
        return self.references.resolve(reference)

    def push(
        self,
        source: StrPath | Sequence[StrPath],
        model: str,
        *,
        description: str = "",
        parameters: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        datasets: Sequence[Dataset] = (),
        code: CodeRevision | None = None,
        run_url: str = "",
        base: Bases = (),
        message: str = "",
        new: bool = False,
        create_model: bool = True,
        hidden: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> PushResult:
        """Make a version of `model` from a folder, or from files; only missing bytes are sent.

        `base` is what it was made from: references such as "fraud/base@3", or `Base` values that
        say how. A model that is missing is created from the card (README.md). Where the newest
        version already has the same files and says the same of them, it is returned instead,
        unless `new`. A push that is cut is gone on with by the next one of the same files.
        """
        sources = [source] if isinstance(source, str | os.PathLike) else source
        spec = VersionSpec(
            description=description,
            parameters={key: str(value) for key, value in (parameters or {}).items()},
            metrics={key: float(value) for key, value in (metrics or {}).items()},
            datasets=tuple(datasets),
            code=code or CodeRevision(),
            run_url=run_url,
            bases=_bases(base),
        )
        return Pusher(self._connection, progress=progress or Silent()).run(
            [Path(each) for each in sources],
            model,
            spec=spec,
            message=message,
            hidden=hidden,
            always=new,
            create_model=create_model,
            dry_run=dry_run,
        )

    def pull(
        self,
        reference: str,
        target: StrPath,
        *,
        layout: str = "",
        triton: str = "",
        replace: bool = False,
        sync: bool = False,
        progress: Progress | None = None,
    ) -> PullResult:
        """A version's files, verified, in a folder that is absent, empty, or this version already.

        `layout`: as they lie, or for those who load them (`registry.client.layouts`); `triton` is
        the release that they are for. `replace`: what an earlier pull put there is replaced.

        The folder appears in one step, whole; with `sync` it outlives a power cut too. A pull that
        is cut is gone on with by the next one of the same version to the same place.
        """
        puller = Puller(self._connection, progress=progress or Silent())
        return puller.run(
            reference, Path(target), layout=layout, triton=triton, replace=replace, sync=sync
        )


def _bases(base: Bases) -> tuple[Base, ...]:
    given = [base] if isinstance(base, str | Base) else base
    return tuple(Base(version=each) if isinstance(each, str) else each for each in given)
