"""Which services there are, for tools that ask for them (grpcurl); gRPC's own service for that.

Nobody needs a credential for it, and a client may keep silent for as long as it likes. So it has
threads of its own, few wait for them, and each call ends after a while.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from registry.api.pool import CallThreads

SERVICE_NAME: str = reflection.SERVICE_NAME
THREADS = 2
WAITING_MAX = 16
#: Tools ask for all that they want to know at once.
CALL_S = 10.0


def reflection_of(names: Sequence[str]) -> tuple[grpc.GenericRpcHandler, CallThreads]:
    """A handler, and its threads, to be shut down at the end."""
    threads = CallThreads(THREADS, "reflection", streams_waiting_max=WAITING_MAX)
    servicer = reflection.ReflectionServicer([*names, SERVICE_NAME])

    def answer(requests: Iterable[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        watch = threading.Timer(CALL_S, context.cancel)
        watch.daemon = True
        watch.start()
        try:
            yield from servicer.ServerReflectionInfo(requests, context)
        finally:
            watch.cancel()

    answer.experimental_thread_pool = threads  # type: ignore[attr-defined]
    method = grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(SERVICE_NAME, {"ServerReflectionInfo": method})
    return handler, threads
