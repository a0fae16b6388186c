"""What a server's refusals mean: whose fault they are, the server's or the model's.

Triton tells clients a status and a text. Which texts go with which cause was tried on release 24.10
(tests/serving/test_probe.py, test_probe_servers.py), but for those of memory and disk, whose words
are those of the CUDA runtime, ONNX Runtime's arena, C++ and POSIX.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from dataclasses import replace
from enum import Enum

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule
from registry.jail.hearing import line_of
from registry.names.text import show
from registry.serving import probe_rules as rules
from registry.serving.points import point
from registry.serving.probe_target import ProbeTarget

TEXT_CHARS_MAX = 1000
#: What a fault is about where there is one model.
MODEL = "the model"
_LOOK_S = 2.0

_UNTRUSTED = re.compile(r"handshake failed", re.IGNORECASE)
_NO_ROOM = re.compile(
    r"out of memory|out_of_memory|bad_alloc|failed to allocate|cannot allocate memory|"
    r"cudaErrorMemoryAllocation|_STATUS_ALLOC_FAILED|no space left on device",
    re.IGNORECASE,
)
_NO_PART = re.compile(
    r"unable to find backend library|KIND_GPU but no GPUs are available|unsupported gpu id"
)
#: While it starts, and while it ends.
_NOT_LIVE = re.compile(r"Server not ready|Server is stopping")
_NOT_EXPLICIT = "explicit model load / unload is not allowed"
_RESTRICTED = "protocol is restricted"
_UNPOLLED = "failed to poll from model repository"
#: In front of the reason, behind it, and what changes from one time to the next.
_FRAME = re.compile(
    r"^\[request id: [^\]]*\] |load failed for model '[^']*': |"
    r"version \d+ is at UNAVAILABLE state: |\s+At:\s.*$|;\s*$|/\S*/folder\w{6}/",
    re.DOTALL,
)


class Stage(Enum):
    #: Whether it is there, what it is, what it has.
    ASK = "was asked what it is"
    LOAD = "was asked to load the model"
    INFER = "ran the model"
    UNLOAD = "was asked to unload the model"


class FaultError(Exception):
    """What keeps a probe from going on."""

    def __init__(self, found: Point, status: str = "") -> None:
        super().__init__(found.message)
        self.point = found
        #: gRPC's, by name; empty where the server did not answer with one.
        self.status = status

    def about(self, model: str) -> FaultError:
        """The same, of one of the models that are loaded, where it is of a model."""
        if self.point.subject != MODEL:
            return self
        return FaultError(replace(self.point, subject=f"model {show(model)}"), self.status)

    def saying(self, found: str) -> FaultError:
        return FaultError(replace(self.point, found=found), self.status)

    @property
    def is_refusal(self) -> bool:
        """The server is there, and said no to what it was asked to load."""
        return self.point.rule in (rules.CONFIG_TAKEN.id, rules.LOADS.id, rules.ROOM.id)


def server_fault(rule: Rule, found: str, expected: str = "", *, fix: str = "") -> FaultError:
    """A fault of the server, or of the way there."""
    return FaultError(point(rule, Weight.DOUBTS, "the server", found, expected, fix=fix))


def fault_of(
    stage: Stage, status: str, message: str, target: ProbeTarget, *, patience_s: float
) -> FaultError:
    """`status` is gRPC's, by name."""
    fault = _fault_of(stage, status, message, target, patience_s)
    return FaultError(fault.point, status)


def _fault_of(
    stage: Stage, status: str, message: str, target: ProbeTarget, patience_s: float
) -> FaultError:
    said = reason(message)
    if _RESTRICTED in message or status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return server_fault(rules.ALLOWED, f"it says: {said}")
    if _NOT_EXPLICIT in message:
        return server_fault(rules.EXPLICIT, f"it says: {said}")
    if status == "DEADLINE_EXCEEDED":
        return server_fault(
            rules.ANSWERS, f"no answer within {patience_s:g} s when it {stage.value}", "one"
        )
    if status == "UNIMPLEMENTED":
        return server_fault(
            rules.REACHED, f"it answers gRPC, but does not know the call: {said}", "Triton"
        )
    if status == "RESOURCE_EXHAUSTED" and "larger than max" in message:
        return server_fault(rules.HANDED_OVER, f"it says: {said}")
    if _NO_ROOM.search(message) or _NO_PART.search(message):
        return server_fault(rules.ROOM, f"when it {stage.value}, it says: {said}")
    if _NOT_LIVE.search(message):
        return server_fault(rules.LIVE, f"when it {stage.value}, it says: {said}", "live")
    if status in ("UNAVAILABLE", "CANCELLED"):
        return _not_there(stage, said, target)
    return _of_model(stage, said, is_config=_UNPOLLED in message)


def reason(message: str) -> str:
    """A server's text in one line, without what is known already or changes each time."""
    return line_of(" ".join(_FRAME.sub("", message).split())[:TEXT_CHARS_MAX])


def _of_model(stage: Stage, said: str, *, is_config: bool) -> FaultError:
    if stage is Stage.LOAD and is_config:
        rule, what = rules.CONFIG_TAKEN, MODEL
        found = "the server refuses its config, and tells clients no reason"
    elif stage is Stage.LOAD:
        rule, what, found = rules.LOADS, MODEL, f"the server says: {said}"
    elif stage is Stage.INFER:
        rule, what, found = rules.INFERS, MODEL, f"the server says: {said}"
    else:
        return server_fault(rules.ANSWERS, f"when it {stage.value}, it says: {said}")
    return FaultError(point(rule, Weight.BLOCKS, what, found))


def _not_there(stage: Stage, said: str, target: ProbeTarget) -> FaultError:
    """gRPC tells little of why it has no connection, so whoever is there is looked at."""
    if stage is not Stage.ASK:
        return server_fault(rules.ANSWERS, f"when it {stage.value}, it was gone: {said}")
    if target.is_tls:
        if _speaks_tls(target):
            return server_fault(rules.TRUSTED, said)
        if _UNTRUSTED.search(said):
            fix = "Probe it by grpc://HOST:PORT."
            return server_fault(rules.REACHED, "it does not speak TLS", "TLS", fix=fix)
    elif _speaks_http(target):
        return server_fault(rules.REACHED, f"{target.address} speaks HTTP/1", "gRPC")
    elif _speaks_tls(target):
        fix = "Probe it by grpcs://HOST:PORT."
        return server_fault(rules.REACHED, "it speaks TLS", "gRPC without", fix=fix)
    return server_fault(rules.REACHED, said)


def _speaks_http(target: ProbeTarget) -> bool:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=_LOOK_S)
    try:
        connection.request("GET", "/v2/health/live")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _speaks_tls(target: ProbeTarget) -> bool:
    """Whoever it is: nothing is told to it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((target.host, target.port), _LOOK_S) as plain,
            context.wrap_socket(plain, server_hostname=target.host),
        ):
            return True
    except ssl.SSLError as error:
        # One that asks for a certificate of ours says so within TLS; all else is no TLS.
        return "ALERT" in str(error).upper()
    except OSError:
        return False
