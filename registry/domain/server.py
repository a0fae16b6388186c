"""What the registry tells anybody about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    version: str
    http_url: str
    #: host:port
    grpc_target: str
    exclusive_stages: tuple[str, ...]
    policy_digest: str
    database: str
    schema_revision: str
    development: bool
    file_size_bytes_max: int
    #: Whether there is a directory in which people have passwords.
    password_login: bool = False
