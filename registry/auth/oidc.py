"""Checks a platform's token (RFC 7519, RFC 8725), and finds the robot that it stands for.

In this order: its form; its header; issuer, algorithm and key, which only select; the signature;
then what it claims. Nothing but our own settings says where keys come from: "jku", "x5u" and "jwk"
are refused, never followed. Signatures are PyJWT's part; claims are judged here, by the time that
is given, since PyJWT asks the system's clock.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jwt import PyJWS
from jwt.exceptions import InvalidTokenError

from registry.auth.jwk import KID, PublicKey
from registry.auth.keys import IssuerKeys
from registry.auth.strict_json import parse_object
from registry.auth.trust import ALGORITHMS, TrustedIssuer
from registry.domain.times import show_time
from registry.domain.workloads import TEXT_LENGTH_MAX, Cause, Workload
from registry.errors import WorkloadRefusedError
from registry.names.text import show, visible

LENGTH_MAX = 16_384
_PART = re.compile(r"[A-Za-z0-9_-]+")
_S = 1_000_000
#: Beyond the year 9999 no time is meant.
_TIME_MAX = 253_402_300_800
#: Each names a key, or says that the token is to be read in another way. GitHub's "x5t" is neither.
_REFUSED_HEADERS = ("crit", "b64", "zip", "enc", "cty", "jku", "jwk", "x5u", "x5c")

_JWS = PyJWS(algorithms=sorted(ALGORITHMS))


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """A token taken apart; nothing in it is proven."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


class OidcVerifier:
    """Threads share one."""

    def __init__(self, issuers: Sequence[tuple[TrustedIssuer, IssuerKeys]]) -> None:
        self._issuers = {trusted.issuer: (trusted, keys) for trusted, keys in issuers}

    def verify(self, jwt: str, now_us: int) -> Workload:
        """See the port."""
        parts = _take_apart(jwt)
        try:
            return self._verify(jwt, parts, now_us)
        except WorkloadRefusedError as refused:
            refused.issuer = _shortened(parts.claims.get("iss"))
            refused.subject = _shortened(parts.claims.get("sub"))
            raise

    def _verify(self, jwt: str, parts: _Parts, now_us: int) -> Workload:
        kid = _check_header(parts.header)
        issuer = parts.claims.get("iss")
        found = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if found is None:
            raise _refused(
                Cause.ISSUER,
                f"found issuer {_shown(issuer)}, which is not trusted here, by the letter",
                "An administrator adds it to the file of HALLMARK_WORKLOADS_FILE.",
            )
        trusted, keys = found
        algorithm = _check_algorithm(parts.header.get("alg"), trusted)
        key = keys.find(kid, now_us)
        if key is None:
            raise _refused(
                Cause.KEY,
                f"found key id {show(kid)}, which {visible(trusted.issuer)} does not publish",
                "Get a fresh token; if its keys have just changed, try again in 15 s.",
            )
        _check_signature(jwt, key, algorithm)
        expire_s = _check_times(parts.claims, trusted, now_us)
        _check_audience(parts.claims.get("aud"), trusted)
        subject = _check_subject(parts.claims.get("sub"))
        number = _rule_for(subject, parts.claims, trusted)
        return Workload(
            issuer=trusted.issuer,
            subject=subject,
            principal=trusted.rules[number].principal,
            rule=number + 1,
            expire_time_us=(expire_s + trusted.leeway_s) * _S,
        )


# --- Form -----------------------------------------------------------------------------------------


def _take_apart(jwt: str) -> _Parts:
    if len(jwt) > LENGTH_MAX:
        raise _malformed(f"found {len(jwt)} characters, expected at most {LENGTH_MAX}")
    parts = jwt.split(".")
    if len(parts) == 5:
        raise _malformed("it is encrypted, expected one that is signed")
    if len(parts) != 3:
        raise _malformed(f"found {len(parts)} part(s), expected 3 with '.' between them")
    header, claims, _ = (_decoded(part) for part in parts)
    try:
        return _Parts(header=parse_object(header), claims=parse_object(claims))
    except ValueError as error:
        raise _malformed("header or claims are not one JSON object with each name once") from error


def _decoded(part: str) -> bytes:
    """The bytes of a part, which has one spelling: without padding, unused bits zero."""
    if not _PART.fullmatch(part):
        raise _malformed("a part is empty, or has other characters than base64url without padding")
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise _malformed("a part is cut off") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        raise _malformed("a part is not in its canonical spelling")
    return data


def _check_header(header: Mapping[str, Any]) -> str:
    """The key id."""
    odd = [name for name in _REFUSED_HEADERS if name in header]
    if odd:
        raise _refused(
            Cause.HEADER,
            f"its header has {odd[0]!r}, which is never followed",
            "Have the platform sign it without.",
        )
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise _refused(
            Cause.HEADER,
            f"found type {_shown(kind)}, expected JWT",
            "Send the platform's identity token, not one for another purpose.",
        )
    kid = header.get("kid")
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        raise _refused(
            Cause.HEADER,
            f"found key id {_shown(kid)}, expected 1 to 256 of letters, digits and ._~:=+-",
            "Have the platform name the key that it signs with.",
        )
    return kid


# --- Signature ------------------------------------------------------------------------------------


def _check_algorithm(found: object, trusted: TrustedIssuer) -> str:
    if isinstance(found, str) and found in trusted.algorithms:
        return found
    raise _refused(
        Cause.ALGORITHM,
        f"found algorithm {_shown(found)}, expected {', '.join(sorted(trusted.algorithms))}",
        "An administrator says which ones this issuer may use.",
    )


def _check_signature(jwt: str, key: PublicKey, algorithm: str) -> None:
    if algorithm not in key.algorithms:
        raise _refused(
            Cause.ALGORITHM,
            f"found algorithm {algorithm}, its key is for {', '.join(sorted(key.algorithms))}",
            "Get a fresh token from the platform.",
        )
    try:
        _JWS.decode_complete(jwt, key=key.key, algorithms=[algorithm])
    except InvalidTokenError as error:
        raise _refused(
            Cause.SIGNATURE,
            "its signature is not by the issuer's key",
            "Get a fresh token, and check that it was copied whole.",
        ) from error


# --- Claims ---------------------------------------------------------------------------------------


def _check_times(claims: Mapping[str, Any], trusted: TrustedIssuer, now_us: int) -> int:
    """When it ends, in seconds."""
    end, start = _time(claims, "exp"), _time(claims, "iat")
    valid_from = start
    if "nbf" in claims or trusted.nbf_required:
        valid_from = max(start, _time(claims, "nbf"))
    leeway_us = trusted.leeway_s * _S
    if now_us >= end * _S + leeway_us:
        raise _refused(
            Cause.EXPIRED,
            f"it ended at {show_time(end * _S)}",
            "Get a fresh one from the platform; Kubernetes renews the file, so read it again.",
        )
    if now_us < valid_from * _S - leeway_us:
        raise _refused(
            Cause.NOT_YET_VALID,
            f"it begins at {show_time(valid_from * _S)}, here it is {show_time(now_us)}",
            "Set the clocks of platform and registry.",
        )
    if not 0 < end - start <= trusted.max_lifetime_s:
        raise _refused(
            Cause.LIFETIME,
            f"found a life of {end - start} s, expected at most {trusted.max_lifetime_s} s",
            "Ask the platform for a shorter one (expirationSeconds in Kubernetes).",
        )
    return end


def _time(claims: Mapping[str, Any], name: str) -> int:
    found = claims.get(name)
    # A bool is an int to Python, and a float is a time to RFC 7519, but to no platform we know.
    if type(found) is int and 0 < found < _TIME_MAX:
        return found
    raise _refused(
        Cause.CLAIMS,
        f"found {name} {_shown(found)}, expected a time in whole seconds",
        "Use the token as the platform made it.",
    )


def _check_audience(found: object, trusted: TrustedIssuer) -> None:
    audiences = found if isinstance(found, list) else [found]
    foreign = [
        each
        for each in audiences
        if not isinstance(each, str)
        or (each != trusted.audience and each not in trusted.other_audiences)
    ]
    if trusted.audience in audiences and not foreign:
        return
    shown = ", ".join(_shown(each) for each in audiences[:4]) or "nobody"
    raise _refused(
        Cause.AUDIENCE,
        f"it is for {shown}, expected {show(trusted.audience)} alone",
        "Ask the platform for a token with this audience.",
    )


def _check_subject(found: object) -> str:
    if isinstance(found, str) and 1 <= len(found) <= TEXT_LENGTH_MAX and visible(found) == found:
        return found
    raise _refused(
        Cause.SUBJECT,
        f"found subject {_shown(found)}, expected 1 to {TEXT_LENGTH_MAX} visible characters",
        "Use the token as the platform made it.",
    )


def _rule_for(subject: str, claims: Mapping[str, Any], trusted: TrustedIssuer) -> int:
    """The place of the one rule that matches."""
    found = [n for n, rule in enumerate(trusted.rules) if rule.matches(subject, claims)]
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(number + 1) for number in found)
        raise _refused(
            Cause.AMBIGUOUS,
            f"rules {numbers} of its issuer all match subject {show(subject)}",
            "An administrator narrows them, so that one does.",
        )
    raise _refused(
        Cause.RULE,
        f"no rule matches subject {show(subject)} with its claims",
        "An administrator adds one to the file of HALLMARK_WORKLOADS_FILE.",
    )


def _shown(value: object) -> str:
    """A value of a token, safe to print."""
    if isinstance(value, str):
        return show(value)
    if value is None:
        return "none"
    return str(value) if type(value) is int and abs(value) < 10**18 else f"a {_kind(value)}"


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "huge number", float: "fraction", list: "list", dict: "object"}
    return kinds.get(type(value), "value")


def _shortened(value: object) -> str:
    return visible(value[:200]) if isinstance(value, str) else ""


def _refused(cause: Cause, problem: str, fix: str) -> WorkloadRefusedError:
    return WorkloadRefusedError(cause=cause.value, problem=problem, fix=fix)


def _malformed(problem: str) -> WorkloadRefusedError:
    return _refused(
        Cause.MALFORMED, problem, "Send the platform's signed token, as it is, in one piece."
    )
