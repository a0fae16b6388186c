"""The gRPC server: services, health, reflection, limits, on one address."""

from __future__ import annotations

import resource
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from registry.api.calls import Authenticator, Servicer, handlers_of
from registry.api.pool import CallThreads
from registry.api.reflection import reflection_of
from registry.cores import share_core, sharing_core
from registry.errors import StartError

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
THREADS = 24
#: For the calls in `calls.QUICK`.
QUICK_THREADS = 4
#: More calls than this at once are RESOURCE_EXHAUSTED rather than a queue without end.
CALLS_MAX = 1024
#: Further connections are cut. Never more than half of the files that may be open here: whoever
#: opens connections shall not keep it from its database and its blobs.
CONNECTIONS_MAX = 4096
#: Until a connection has begun to speak HTTP/2, and for one without a call.
HANDSHAKE_MS = 20_000
IDLE_MS = 300_000


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    certificate: bytes
    key: bytes = field(repr=False)


class ApiServer:
    """Serves until stopped. `port` is the one that was bound, also where 0 was asked for.

    `shared`: several processes of one server listen there, and each gets some of the connections.
    The `first` of them makes sure that nobody else does. Raises StartError where the address cannot
    be had.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        servicers: Sequence[Servicer],
        authenticator: Authenticator,
        tls: TlsFiles | None = None,
        shared: bool = False,
        first: bool = True,
    ) -> None:
        self._health = health.HealthServicer()
        self._names = [servicer.DESCRIPTOR.full_name for servicer in servicers]
        options = [
            # By default two servers may bind one port, and each gets some of the calls.
            ("grpc.so_reuseport", int(shared)),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", 2 * MESSAGE_BYTES_MAX),
            ("grpc.http2.max_ping_strikes", 10),
            ("grpc.max_allowed_incoming_connections", _connections_max()),
            ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
            ("grpc.max_connection_idle_ms", IDLE_MS),
        ]
        self._quick = CallThreads(QUICK_THREADS, "quick", initializer=share_core)
        self._server = grpc.server(
            CallThreads(THREADS, "call", initializer=share_core),
            handlers=[handlers_of(servicer, authenticator, self._quick) for servicer in servicers],
            options=options,
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection, self._reflection = reflection_of((*self._names, health.SERVICE_NAME))
        self._server.add_generic_rpc_handlers((reflection,))
        self.port = self._bind(host, port, tls, first)

    def _bind(self, host: str, port: int, tls: TlsFiles | None, first: bool) -> int:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if first:
                # gRPC tells no reason, but writes lines of its own to standard error.
                _try_to_bind(host, port)
            if tls is None:
                return self._server.add_insecure_port(address)
            credentials = grpc.ssl_server_credentials([(tls.key, tls.certificate)])
            return self._server.add_secure_port(address, credentials)
        except (OSError, RuntimeError) as error:
            reason = f": {error.strerror}" if isinstance(error, OSError) else ""
            raise StartError(
                what=f"gRPC address {address}",
                found=f"it cannot be bound{reason}",
                fix="Stop the program that listens there, or choose another address with "
                "HALLMARK_GRPC_ADDRESS.",
            ) from error

    def start(self) -> None:
        with sharing_core():
            self._server.start()
        for name in ("", *self._names):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those in progress finish, and end after the grace at the latest."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()
        self._quick.shutdown(wait=False)
        self._reflection.shutdown(wait=False)


def _connections_max() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if files == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, files // 2)


def _try_to_bind(host: str, port: int) -> None:
    """Raise OSError where the address cannot be had; it is free again afterwards."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
