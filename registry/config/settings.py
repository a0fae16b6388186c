"""What the server is told at its start, as one frozen value."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from registry.domain.directory import LdapSettings
from registry.names.addresses import Network


@dataclass(frozen=True, kw_only=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, kw_only=True)
class Settings:
    home: Path
    grpc_address: Address
    http_address: Address
    #: Where clients reach the HTTP side and the gRPC side; empty: the addresses above.
    http_url: str
    grpc_target: str
    #: SQLAlchemy URL; may hold a password, so it is not shown.
    database_url: str = field(repr=False)
    blob_dir: Path
    ticket_key_file: Path
    audit_key_file: Path
    audit_checkpoint_minutes: int
    audit_export_dir: Path | None
    tls_certificate_file: Path | None
    tls_key_file: Path | None
    accel_prefix: str
    #: None: those that come with Hallmark.
    policy_dir: Path | None
    processes: int
    calls_per_minute: int
    upload_bytes: int
    #: None: not used.
    clamav_socket: Path | None
    yara_dir: Path | None
    bare_vetting: bool
    log_level: str
    workloads_file: Path | None
    #: How long a token lives that a workload gets, at most.
    workload_token_minutes: int
    triton_probes_file: Path | None
    webhook_networks: tuple[Network, ...]
    webhook_ca_file: Path | None
    ldap: LdapSettings
    roles_file: Path | None
    login_token_h: int
    login_failures_max: int
    login_failures_per_user_max: int
    login_failures_per_address_max: int

    @property
    def is_development(self) -> bool:
        """Embedded database and loopback only: fit to try things out, not for a company."""
        return (
            self.database_url.startswith("sqlite")
            and self.grpc_address.is_loopback
            and self.http_address.is_loopback
        )
