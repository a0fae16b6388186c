"""The company's directory and what its groups may do here, from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from registry.auth.remembered import RememberingDirectory
from registry.config import Settings
from registry.domain.group_roles import NO_GROUP_ROLES, GroupRoles
from registry.errors import StartError
from registry.formats.group_roles import parse_group_roles
from registry.ports.clock import Clock
from registry.ports.directory import Directory


@dataclass(frozen=True, kw_only=True)
class People:
    """How people log in, and what they then may do."""

    directory: Directory | None = None
    group_roles: GroupRoles = NO_GROUP_ROLES
    login_failures_max: int = 4
    login_failures_per_user_max: int = 8
    login_failures_per_address_max: int = 100
    login_token_h: int = 12


def people_of(settings: Settings, *, clock: Clock) -> People:
    """Raises StartError where a file cannot be used. Asks no server: one that is down must not
    keep a registry from starting."""
    return People(
        directory=_directory(settings, clock),
        group_roles=_group_roles(settings),
        login_failures_max=settings.login_failures_max,
        login_failures_per_user_max=settings.login_failures_per_user_max,
        login_failures_per_address_max=settings.login_failures_per_address_max,
        login_token_h=settings.login_token_h,
    )


def _directory(settings: Settings, clock: Clock) -> Directory | None:
    if not settings.ldap.urls:
        return None
    # A quarter of the time that a server takes to start, so only loaded where there is one.
    from registry.auth.ldap import LdapDirectory

    directory = LdapDirectory(settings.ldap, clock=clock)
    return RememberingDirectory(directory, clock=clock, ttl_s=settings.ldap.cache_s)


def _group_roles(settings: Settings) -> GroupRoles:
    path = settings.roles_file
    if path is None:
        return NO_GROUP_ROLES
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StartError(
            what=f"Roles file {path}",
            found=f"it cannot be read: {error.strerror}",
            fix="Check it, or set HALLMARK_ROLES_FILE to another.",
        ) from error
    return parse_group_roles(data, path=str(path))
