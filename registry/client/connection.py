"""One connection to a registry: finds the gRPC side, sends the token, retries, turns errors ours.

What is retried: a call that changes nothing when repeated, on UNAVAILABLE; any call on UNAVAILABLE,
CONFLICT or RATE_LIMITED with the registry's own ErrorInfo, which means that nothing was changed,
unless its reason is OUTCOME_UNKNOWN. Waits double from 0.1 s, and are never shorter than the server
asks; all of them together stay within `patience_s`.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from registry.client.credentials import Access
from registry.client.errors import (
    ClientError,
    FieldViolation,
    PreconditionViolation,
    SetupError,
    UnauthenticatedError,
    UnavailableError,
    error_of,
)
from registry.client.http import get_small, tls_context, unreachable
from registry.client.workloads import Bearer, Exchanged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOMAIN = "hallmark"
SERVER_PATH = "/hallmark/v1/server"
MESSAGE_BYTES_MAX = 16_000_000
DEADLINE_S = 60.0
PATIENCE_S = 5.0

Reply = TypeVar("Reply", bound=Message)
Stub = TypeVar("Stub")


def new_request_id() -> str:
    """An id by which the server knows a repeat of this request from a new one."""
    return str(uuid.uuid4())


class Connection:
    """Lazy: nothing is sent before the first call. May be used by several threads."""

    def __init__(
        self,
        access: Access,
        *,
        patience_s: float = PATIENCE_S,
        exchanged_folder: Path | None = None,
    ) -> None:
        """`exchanged_folder`: see `registry.client.workloads`."""
        self.access = access
        self._bearer = Bearer(access, self._exchange, folder=exchanged_folder)
        self.patience_s = patience_s
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._http_base = access.url if access.url.startswith("http") else ""
        self._stubs: dict[Any, Any] = {}

    def close(self) -> None:
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            self._channel = None
            self._stubs.clear()

    def stub(self, kind: Callable[[grpc.Channel], Stub]) -> Stub:
        """The service's stub on this connection."""
        with self._lock:
            if kind not in self._stubs:
                if self._channel is None:
                    self._channel = self._open()
                self._stubs[kind] = kind(self._channel)
            found: Stub = self._stubs[kind]
            return found

    def call(
        self,
        method: Callable[..., Reply],
        request: Message,
        *,
        repeats: bool,
        deadline_s: float = DEADLINE_S,
        public: bool = False,
    ) -> Reply:
        """The reply, or one of our errors. `repeats`: sending it twice does no more than once.
        `public`: without the token."""
        secret = "" if public else self._bearer.secret()
        try:
            return self._send(method, request, secret, repeats=repeats, deadline_s=deadline_s)
        except UnauthenticatedError:
            # It may have been revoked, or our clock be wrong: once, a fresh one is tried.
            if not secret or not self._bearer.refused(secret):
                raise
        secret = self._bearer.secret()
        return self._send(method, request, secret, repeats=repeats, deadline_s=deadline_s)

    def _send(
        self,
        method: Callable[..., Reply],
        request: Message,
        secret: str,
        *,
        repeats: bool,
        deadline_s: float,
    ) -> Reply:
        metadata = _metadata(secret)
        give_up = time.monotonic() + self.patience_s
        for delay_s in backoff():
            try:
                return method(request, timeout=deadline_s, metadata=metadata)
            except grpc.RpcError as cause:
                error = from_rpc_error(cause, where=self.access.url)
                delay_s = max(delay_s, _told_to_wait_s(error))
                if not _may_retry(error, repeats=repeats) or time.monotonic() + delay_s > give_up:
                    raise error from cause
            time.sleep(delay_s)
        raise AssertionError("backoff never ends")

    def stream(
        self, method: Callable[..., Iterator[Reply]], request: Message, *, deadline_s: float
    ) -> Iterator[Reply]:
        """The replies of a call that answers with many, or one of our errors. Sent once: whoever
        asks knows how far it got."""
        # What the stubs return is a Call too, which the published types do not say.
        metadata = _metadata(self._bearer.secret())
        replies: Any = method(request, timeout=deadline_s, metadata=metadata)
        try:
            yield from replies
        except grpc.RpcError as cause:
            raise from_rpc_error(cause, where=self.access.url) from cause
        finally:
            # Whoever asks for no more lets go of the server's thread.
            replies.cancel()

    def address(self, url: str) -> str:
        """A byte address as the server gave it, made whole where it is only a path."""
        if urlsplit(url).scheme:
            return url
        if not self._http_base:
            from registry.v1 import server_pb2, server_pb2_grpc

            stub = self.stub(server_pb2_grpc.ServerServiceStub)
            request = server_pb2.GetServerInfoRequest()
            info = self.call(stub.GetServerInfo, request, repeats=True, public=True)
            self._http_base = info.http_url
        return urljoin(self._http_base, url)

    def _exchange(self, token: str) -> Exchanged:
        """One of ours for a platform's token."""
        from registry.v1 import workloads_pb2, workloads_pb2_grpc

        stub = self.stub(workloads_pb2_grpc.WorkloadServiceStub)
        request = workloads_pb2.ExchangeTokenRequest(jwt=token)
        reply = self.call(stub.ExchangeToken, request, repeats=True, public=True)
        return Exchanged(
            secret=reply.secret, expire_time_s=reply.expire_time.ToMicroseconds() / 1e6
        )

    def _open(self) -> grpc.Channel:
        scheme, _, target = self.access.url.partition("://")
        if scheme in ("http", "https"):
            target = self._discover()
        options = [
            # Addresses are reached directly, over HTTP as well.
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
            # A connection of its own, so that a server's processes share a program's clients.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.keepalive_time_ms", 60_000),
        ]
        if scheme in ("http", "grpc"):
            return grpc.insecure_channel(target, options=options)
        roots = None
        if self.access.ca_file is not None:
            # gRPC would take any file, and then only say that it cannot shake hands.
            tls_context(self.access.ca_file)
            roots = self.access.ca_file.read_bytes()
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(roots), options=options)

    def _discover(self) -> str:
        """Ask the HTTP side where the gRPC side is."""
        url = self.access.url + SERVER_PATH
        give_up = time.monotonic() + self.patience_s
        for delay_s in backoff():
            try:
                target = json.loads(get_small(url, ca_file=self.access.ca_file))["grpc_target"]
                if not isinstance(target, str) or not target:
                    raise ValueError(target)
                return target
            except UnavailableError:
                if time.monotonic() + delay_s > give_up:
                    raise
            except (ValueError, KeyError, TypeError) as cause:
                raise SetupError(
                    f"{url}: found no address of a registry there, expected one under grpc_target. "
                    "Is it the address of a Hallmark server?",
                    metadata={"url": self.access.url},
                ) from cause
            time.sleep(delay_s)
        raise AssertionError("backoff never ends")


def _metadata(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),) if secret else ()


def backoff() -> Iterator[float]:
    """Seconds to wait after each failure, for ever: doubling from 0.1 to 5, spread by a half."""
    delay_s = 0.1
    while True:
        yield delay_s * random.uniform(0.75, 1.25)
        delay_s = min(delay_s * 2, 5.0)


def _may_retry(error: ClientError, *, repeats: bool) -> bool:
    if error.status == "UNAVAILABLE":
        changed_nothing = "request_id" in error.metadata and error.reason != "OUTCOME_UNKNOWN"
        return repeats or changed_nothing
    return error.reason in ("CONFLICT", "RATE_LIMITED")


def _told_to_wait_s(error: ClientError) -> float:
    if error.reason != "RATE_LIMITED":
        return 0.0
    told = str(error.metadata.get("retry_after_s", ""))
    return float(told) if told.isdecimal() else 0.0


def from_rpc_error(cause: grpc.RpcError, *, where: str) -> ClientError:
    """Our error for a failed call, with what the server's details say."""
    # What the stubs raise is a Call too, which the published types do not say.
    failed: Any = cause
    status = failed.code().name
    reason, metadata, fields, conditions = _details(failed)
    if not reason:
        return _without_details(status, failed.details() or "", where)
    return error_of(
        status=status,
        reason=reason,
        message=failed.details() or status,
        metadata=metadata,
        field_violations=fields,
        precondition_violations=conditions,
    )


def _details(
    cause: Any,
) -> tuple[str, Mapping[str, str], list[FieldViolation], list[PreconditionViolation]]:
    reason = ""
    metadata: dict[str, str] = {}
    fields: list[FieldViolation] = []
    conditions: list[PreconditionViolation] = []
    try:
        status = rpc_status.from_call(cause)
    except ValueError:
        # Details that contradict the status come from something in between, not from the registry.
        status = None
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        failure = error_details_pb2.PreconditionFailure()
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields += [
                FieldViolation(field=each.field, description=each.description)
                for each in bad.field_violations
            ]
        elif detail.Unpack(failure):
            conditions += [_condition(each) for each in failure.violations]
    return reason, metadata, fields, conditions


def _condition(violation: Any) -> PreconditionViolation:
    """The server puts the mend below the description, as the message has no field for it."""
    description, _, fix = violation.description.partition("\n")
    return PreconditionViolation(
        type=violation.type, subject=violation.subject, description=description, fix=fix
    )


def _without_details(status: str, details: str, where: str) -> ClientError:
    """What comes from the network or from something in between, not from the registry."""
    if status == "UNAVAILABLE":
        return unreachable(where, details)
    messages = {
        "DEADLINE_EXCEEDED": f"{where} did not answer in time. Whether the call was carried out is "
        "not known: read and see before you repeat it.",
        "UNIMPLEMENTED": f"{where} does not know this call ({details}). "
        "Is it a Hallmark server, and not an older one than this client?",
        "RESOURCE_EXHAUSTED": f"{where} took no more ({details}). Retry later, or with less.",
    }
    message = messages.get(status, f"{where}: {details or status}")
    return error_of(status=status, reason=status, message=message, metadata={"url": where})
