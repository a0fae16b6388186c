"""The frame around every call: parse, authenticate, run, translate errors, log one line.

It does what interceptors usually do, in one function per method built once at the start; a chain of
gRPC interceptors costs more than the whole of a read by alias. Requests are parsed here, so that a
malformed one gets an error of ours rather than gRPC's INTERNAL.
"""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from json.encoder import encode_basestring_ascii as _quoted
from logging import LogRecord
from typing import Any, ClassVar, Protocol

import grpc
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from registry.api.errors import status_of
from registry.api.peer import Peer, peer_of
from registry.domain.access import Caller
from registry.errors import (
    HallmarkError,
    InvalidFieldError,
    UnauthenticatedError,
    UnforeseenError,
)

logger = logging.getLogger("registry.calls")
failures = logging.getLogger("registry.failures")

#: Ids of calls in the log: unique across restarts by the random part.
_ID_PREFIX = secrets.token_hex(4)
_ids = itertools.count(1)


class Authenticator(Protocol):
    def authenticate(self, secret: str, peer: Callable[[], str]) -> Caller: ...


class Call:
    """One call in progress, as a servicer sees it."""

    __slots__ = ("_caller", "_context", "id")

    def __init__(self, id: str, caller: Caller | None, context: grpc.ServicerContext) -> None:
        self.id = id
        self._caller = caller
        self._context = context

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            raise UnauthenticatedError(problem="This call carries no credential.")
        return self._caller

    @property
    def peer(self) -> Peer:
        """The machine that this call comes from, as far as this one can see."""
        return peer_of(self._context)

    def is_active(self) -> bool:
        """False once the client has cancelled or gone."""
        return bool(self._context.is_active())


class Servicer(Protocol):
    """One service: a method per RPC, named in snake_case, (call, request) -> response."""

    DESCRIPTOR: ClassVar[ServiceDescriptor]


#: RPCs that need no credential, by their full names.
PUBLIC = frozenset(
    {
        "registry.v1.ServerService/GetServerInfo",
        # Their requests are the credential.
        "registry.v1.IdentityService/Login",
        "registry.v1.WorkloadService/ExchangeToken",
    }
)

#: RPCs that are asked for all the time and wait for nothing but one look into the database, by
#: their full names. They are run by few threads: each thread more that wants the interpreter's lock
#: makes all of them slower.
QUICK = frozenset(
    {
        "registry.v1.ReferenceService/ResolveReference",
        "registry.v1.VersionService/GetVersion",
    }
)


#: A call that answers with many messages is cut off after so long.
STREAM_S = 600.0


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def handlers_of(
    servicer: Servicer, authenticator: Authenticator, quick: ThreadPoolExecutor
) -> grpc.GenericRpcHandler:
    """gRPC handlers for all RPCs of a service. Raises AttributeError where one is not served.

    `quick` runs those in `QUICK`; the others are run by the server's own threads.
    """
    service = servicer.DESCRIPTOR
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            method.name: _handler(
                method, getattr(servicer, snake_case(method.name)), authenticator, quick
            )
            for method in service.methods
        },
    )


def _handler(
    method: MethodDescriptor,
    run: Callable[[Call, Any], Any],
    authenticator: Authenticator,
    quick: ThreadPoolExecutor,
) -> Any:
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_streamed(method, run, authenticator))
    return grpc.unary_unary_rpc_method_handler(_framed(method, run, authenticator, quick))


def _streamed(
    method: MethodDescriptor,
    run: Callable[[Call, Any], Iterator[Message]],
    authenticator: Authenticator,
) -> Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]:
    """As `_framed`, for calls that answer with many messages. Each holds a thread until it ends,
    so it is the service's to allow few of them, and it is cut off after STREAM_S."""
    name = f"{method.containing_service.full_name}/{method.name}"
    request_class: Any = GetMessageClass(method.input_type)
    naming = _naming(method.input_type)

    def frame(data: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        start = time.perf_counter()
        id = f"{_ID_PREFIX}-{next(_ids):x}"
        caller: Caller | None = None
        request: Any = None
        # What it is if the client goes away between two messages.
        outcome = "CANCELLED CALL_CANCELLED"
        # A client that reads no further would hold the thread for ever.
        watch = threading.Timer(STREAM_S, context.cancel)
        watch.daemon = True
        watch.start()
        try:
            caller = authenticator.authenticate(bearer(context), _address_of(context))
            request = _parse(request_class, data)
            for message in run(Call(id, caller, context), request):
                yield message.SerializeToString()
            outcome = "OK"
        except HallmarkError as error:
            outcome = f"{error.status} {error.reason}"
            if error.status in ("INTERNAL", "DATA_LOSS", "UNAVAILABLE"):
                failures.error("call %s: %s", id, error, exc_info=error)
            context.abort_with_status(rpc_status.to_status(status_of(error, id, method.input_type)))
        except Exception as error:  # noqa: BLE001 - the outermost frame: every call gets a status
            outcome = "INTERNAL INTERNAL"
            failures.exception("call %s of %s failed", id, name, exc_info=error)
            context.abort_with_status(
                rpc_status.to_status(status_of(UnforeseenError(incident=id), id))
            )
        finally:
            watch.cancel()
            about = "" if request is None else _about(request, naming)
            duration_ms = (time.perf_counter() - start) * 1e3
            logger.info(
                "%s", _line(id, name, about, caller.id if caller else "", outcome, duration_ms)
            )

    return frame


def _framed(
    method: MethodDescriptor,
    run: Callable[[Call, Any], Message],
    authenticator: Authenticator,
    quick: ThreadPoolExecutor,
) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    name = f"{method.containing_service.full_name}/{method.name}"
    public = name in PUBLIC
    request_class: Any = GetMessageClass(method.input_type)
    naming = _naming(method.input_type)

    def frame(data: bytes, context: grpc.ServicerContext) -> bytes:
        start = time.perf_counter()
        id = f"{_ID_PREFIX}-{next(_ids):x}"
        caller: Caller | None = None
        request: Any = None
        outcome = "OK"
        try:
            if not public:
                caller = authenticator.authenticate(bearer(context), _address_of(context))
            request = _parse(request_class, data)
            return run(Call(id, caller, context), request).SerializeToString()
        except HallmarkError as error:
            outcome = f"{error.status} {error.reason}"
            if error.status in ("INTERNAL", "DATA_LOSS", "UNAVAILABLE"):
                failures.error("call %s: %s", id, error, exc_info=error)
            context.abort_with_status(rpc_status.to_status(status_of(error, id, method.input_type)))
        except Exception as error:  # noqa: BLE001 - the outermost frame: every call gets a status
            outcome = "INTERNAL INTERNAL"
            failures.exception("call %s of %s failed", id, name, exc_info=error)
            context.abort_with_status(
                rpc_status.to_status(status_of(UnforeseenError(incident=id), id))
            )
        finally:
            if logger.isEnabledFor(logging.INFO):
                about = "" if request is None else _about(request, naming)
                duration_ms = (time.perf_counter() - start) * 1e3
                line = _line(id, name, about, caller.id if caller else "", outcome, duration_ms)
                # As logger.info, without looking for the line of code that called it.
                logger.handle(LogRecord(logger.name, logging.INFO, "", 0, line, None, None))
        raise AssertionError("abort_with_status returned")

    if name in QUICK:
        frame.experimental_thread_pool = quick  # type: ignore[attr-defined]
    return frame


def _address_of(context: grpc.ServicerContext) -> Callable[[], str]:
    return lambda: peer_of(context).address


def bearer(context: grpc.ServicerContext) -> str:
    """The credential in the call's metadata; UnauthenticatedError where there is none."""
    for key, value in context.invocation_metadata():
        if key == "authorization":
            text = value if isinstance(value, str) else value.decode("ascii", "replace")
            scheme, _, secret = text.partition(" ")
            if scheme.lower() == "bearer" and secret:
                return secret
            raise UnauthenticatedError(
                problem="The metadata 'authorization' is not of the form 'Bearer <token>'."
            )
    raise UnauthenticatedError(problem="This call carries no token.")


def _parse(request_class: Any, data: bytes) -> Any:
    try:
        return request_class.FromString(data)
    except DecodeError as error:
        raise InvalidFieldError(
            field="request",
            found=f"{len(data)} bytes that are no message of this type",
            expected=request_class.DESCRIPTOR.full_name,
            fix="Generate the client from proto/registry/v1.",
        ) from error


def _line(
    id: str, method: str, about: str, principal: str, outcome: str, duration_ms: float
) -> str:
    """One JSON object. Written by hand: an encoder takes as long as a read by alias."""
    return (
        f'{{"call": "{id}", "method": "{method}", "resource": {_quoted(about)}, '
        f'"principal": {_quoted(principal)}, "outcome": "{outcome}", '
        f'"duration_ms": {duration_ms:.2f}}}'
    )


def _naming(request: Descriptor) -> tuple[str, ...]:
    """The fields of a request that say what it is about, the most telling first."""
    texts = [f.name for f in request.fields if f.type == f.TYPE_STRING and not f.is_repeated]
    return tuple(name for name in ("name", "parent", "version", "model") if name in texts)


def _about(request: Any, naming: tuple[str, ...]) -> str:
    """What a request is about, cut to keep the line short."""
    for field in naming:
        value: str = getattr(request, field)
        if value:
            return value[:300]
    return ""
