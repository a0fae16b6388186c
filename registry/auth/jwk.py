"""Public keys out of a JSON Web Key Set (RFC 7517). What cannot check a token is left out."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from registry.auth.strict_json import parse_object
from registry.auth.trust import (
    ALGORITHMS,
    ED25519_ALGORITHMS,
    P256_ALGORITHMS,
    P384_ALGORITHMS,
    RSA_ALGORITHMS,
)

logger = logging.getLogger(__name__)

KEYS_MAX = 100
RSA_BITS_MIN = 2048
#: A larger one makes a check so slow that it can be used against us.
RSA_BITS_MAX = 8192
#: A key id is only ever looked up. Whoever writes one of other characters wants something else.
KID = re.compile(r"[A-Za-z0-9._~:=+-]{1,256}")
#: Members that a private or a shared key has.
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

_Public = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    key: _Public
    #: What it may check: what its kind can, and its "alg" allows.
    algorithms: frozenset[str]


def read_key_set(data: bytes) -> dict[str, PublicKey]:
    """The usable keys of a set, by id. ValueError where it is none, or names an id twice."""
    keys = parse_object(data).get("keys")
    if not isinstance(keys, list) or len(keys) > KEYS_MAX:
        raise ValueError(f"it has no list 'keys' of at most {KEYS_MAX}")
    found: dict[str, PublicKey] = {}
    for jwk in keys:
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or not KID.fullmatch(kid):
            logger.warning("a key without a usable id is left out")
            continue
        if kid in found:
            raise ValueError(f"two keys have the id {kid}")
        try:
            found[kid] = read_jwk(jwk)
        except ValueError as error:
            logger.warning("key %s is left out: %s", kid, error)
    if not found:
        raise ValueError("it holds no key that could check a token")
    return found


def read_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """ValueError where the key may not, or cannot, check any signature that we take."""
    uses = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(uses, list) or "verify" not in uses:
        raise ValueError("it is not for checking signatures")
    if _SECRET_MEMBERS & jwk.keys():
        raise ValueError("it is a private or a shared key")
    stated = jwk.get("alg")
    if stated is not None and (not isinstance(stated, str) or stated not in ALGORITHMS):
        raise ValueError("its algorithm is none that is taken here")
    try:
        key = PyJWK({name: jwk[name] for name in jwk if name != "alg"}).key
    except (PyJWTError, ValueError, TypeError, KeyError) as error:
        raise ValueError("it is no key of a kind that is taken here") from error
    possible = _algorithms_of(key)
    usable = possible if stated is None else possible & {stated}
    if not usable:
        raise ValueError("its algorithm is not one of its kind")
    return PublicKey(key=key, algorithms=usable)


def _algorithms_of(key: object) -> frozenset[str]:
    if isinstance(key, RSAPublicKey):
        if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
            raise ValueError(f"RSA of {key.key_size} bits, expected {RSA_BITS_MIN} or more")
        return RSA_ALGORITHMS
    if isinstance(key, EllipticCurvePublicKey):
        curves = {"secp256r1": P256_ALGORITHMS, "secp384r1": P384_ALGORITHMS}
        return curves.get(key.curve.name, frozenset())
    return ED25519_ALGORITHMS if isinstance(key, Ed25519PublicKey) else frozenset()
