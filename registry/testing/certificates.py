"""A private authority and certificates of servers, made with the openssl command."""

from __future__ import annotations

import ipaddress
import itertools
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

#: Of our own, since the system's differs from one to the next. Extensions as RFC 5280 wants them,
#: which Python checks strictly from 3.13 on.
_CONFIG = """
[req]
distinguished_name = subject
prompt = no
[subject]
CN = {name}
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {host}
"""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """Two files in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates that are good for two days. `certificate` is the file to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._own = self._make("authority", "DNS:authority.example")

    @property
    def certificate(self) -> Path:
        return self._own.certificate

    def issue(self, host: str) -> Issued:
        """For a server that is reached under this address or name, and no other; or for a client
        that shows who it is."""
        signer = ("-CA", str(self._own.certificate), "-CAkey", str(self._own.key))
        return self._make("server", _alternative(host), *signer)

    def issue_expired(self, host: str) -> Issued:
        """The same, but good until yesterday alone, which the command cannot do by itself."""
        made = self.issue(host)
        good = x509.load_pem_x509_certificate(made.certificate.read_bytes())
        signer = load_pem_private_key(self._own.key.read_bytes(), None)
        assert isinstance(signer, EllipticCurvePrivateKey)
        ends = datetime.now(UTC) - timedelta(days=1)
        expired = (
            x509.CertificateBuilder()
            .subject_name(good.subject)
            .issuer_name(good.issuer)
            .public_key(good.public_key())
            .serial_number(good.serial_number)
            .not_valid_before(ends - timedelta(days=2))
            .not_valid_after(ends)
        )
        for extension in good.extensions:
            expired = expired.add_extension(extension.value, critical=extension.critical)
        signed = expired.sign(signer, SHA256())
        made.certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        return made

    def _make(self, kind: str, host: str, *signer: str) -> Issued:
        stem = self._folder / f"{kind}-{next(self._numbers)}"
        config = stem.with_suffix(".cnf")
        config.write_text(_CONFIG.format(name=f"Test {kind}", host=host))
        made = Issued(certificate=stem.with_suffix(".pem"), key=stem.with_suffix(".key"))
        command = ["openssl", "req", "-x509", "-days", "2", "-nodes"]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        command += ["-config", str(config), "-extensions", kind, *signer]
        command += ["-keyout", str(made.key), "-out", str(made.certificate)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return made


def _alternative(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"
