"""The frame around every call: parse, authenticate, run, translate errors, log one line.

It does what interceptors usually do, in one function per method built once at the start; a chain of
gRPC interceptors costs more than the whole of a read by alias. Requests are parsed here, so that a
malformed one gets an error of ours rather than gRPC's INTERNAL.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from registry.api.errors import status_of
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
    def authenticate(self, secret: str) -> Caller: ...


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

    def is_active(self) -> bool:
        """False once the client has cancelled or gone."""
        return bool(self._context.is_active())


class Servicer(Protocol):
    """One service: a method per RPC, named in snake_case, (call, request) -> response."""

    DESCRIPTOR: ClassVar[ServiceDescriptor]


#: RPCs that need no credential, by their full names.
PUBLIC = frozenset({"registry.v1.ServerService/GetServerInfo"})


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def handlers_of(servicer: Servicer, authenticator: Authenticator) -> grpc.GenericRpcHandler:
    """gRPC handlers for all RPCs of a service. Raises AttributeError where one is not served."""
    service = servicer.DESCRIPTOR
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            method.name: grpc.unary_unary_rpc_method_handler(
                _framed(
                    method,
                    getattr(servicer, snake_case(method.name)),
                    authenticator,
                )
            )
            for method in service.methods
        },
    )


def _framed(
    method: MethodDescriptor,
    run: Callable[[Call, Any], Message],
    authenticator: Authenticator,
) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    name = f"{method.containing_service.full_name}/{method.name}"
    public = name in PUBLIC
    request_class: Any = GetMessageClass(method.input_type)

    def frame(data: bytes, context: grpc.ServicerContext) -> bytes:
        start = time.perf_counter()
        id = f"{_ID_PREFIX}-{next(_ids):x}"
        caller: Caller | None = None
        request: Any = None
        outcome = "OK"
        try:
            if not public:
                caller = authenticator.authenticate(bearer(context))
            request = _parse(request_class, data)
            return run(Call(id, caller, context), request).SerializeToString()
        except HallmarkError as error:
            outcome = f"{error.status} {error.reason}"
            if error.status in ("INTERNAL", "DATA_LOSS", "UNAVAILABLE"):
                failures.error("call %s: %s", id, error, exc_info=error)
            context.abort_with_status(rpc_status.to_status(status_of(error, id)))
        except Exception as error:  # noqa: BLE001 - the outermost frame: every call gets a status
            outcome = "INTERNAL INTERNAL"
            failures.exception("call %s of %s failed", id, name, exc_info=error)
            context.abort_with_status(
                rpc_status.to_status(status_of(UnforeseenError(incident=id), id))
            )
        finally:
            if logger.isEnabledFor(logging.INFO):
                duration_ms = (time.perf_counter() - start) * 1e3
                logger.info(_line(id, name, request, caller, outcome, duration_ms))
        raise AssertionError("abort_with_status returned")

    return frame


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
    id: str,
    name: str,
    request: Any,
    caller: Caller | None,
    outcome: str,
    duration_ms: float,
) -> str:
    return json.dumps(
        {
            "call": id,
            "method": name,
            "resource": _resource(request),
            "principal": caller.id if caller else "",
            "outcome": outcome,
            "duration_ms": round(duration_ms, 2),
        }
    )


def _resource(request: Any) -> str:
    """What the request is about, by the fields that name it, cut to keep the line short."""
    for field in ("name", "parent", "version", "model"):
        value = getattr(request, field, "")
        if isinstance(value, str) and value:
            return value[:300]
    return ""
