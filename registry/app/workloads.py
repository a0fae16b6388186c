"""Whose workloads are trusted: from the file of the settings, if there is one."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from registry.config import Settings
from registry.errors import StartError
from registry.ports.clock import Clock
from registry.ports.workloads import WorkloadVerifier
from registry.services.workloads import NobodyTrusted

if TYPE_CHECKING:
    from registry.auth.keys import KeySource
    from registry.auth.trust import TrustedIssuer


def workload_verifier(settings: Settings, clock: Clock) -> WorkloadVerifier:
    """Raises StartError where the file, or one that it names, cannot be used.

    Keys behind an address are only fetched when the first token comes: an issuer that is down
    keeps nobody from starting.
    """
    if settings.workloads_file is None:
        return NobodyTrusted()
    # Half a second and some megabytes that most registries can do without.
    from registry.auth.keys import IssuerKeys, KeySourceError
    from registry.auth.oidc import OidcVerifier
    from registry.auth.trust_file import read_trust

    issuers = []
    for trusted in read_trust(settings.workloads_file):
        keys = IssuerKeys(trusted.issuer, _source_of(trusted))
        if trusted.jwks_file is not None:
            try:
                keys.load(clock.now_us())
            except (KeySourceError, ValueError) as error:
                raise StartError(
                    what=f"Key file {trusted.jwks_file} of issuer {trusted.issuer}",
                    found=str(error),
                    fix="It takes a JSON Web Key Set, as the issuer publishes it.",
                ) from error
        issuers.append((trusted, keys))
    return OidcVerifier(issuers)


def _source_of(trusted: TrustedIssuer) -> KeySource:
    from registry.auth.keys import KeyFile, KeyUrl

    if trusted.jwks_file is not None:
        return KeyFile(trusted.jwks_file)
    try:
        return KeyUrl(trusted.jwks_url, ssl.create_default_context(cafile=trusted.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            what=f"Certificate file {trusted.ca_file} of issuer {trusted.issuer}",
            found=f"no certificate to use ({error})",
            fix="It takes the authority that signed the certificate of jwks_url, in PEM.",
        ) from error
