"""Malformed input: messages with fields that nobody would send, broken bytes, crooked HTTP."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from registry.v1 import (
    audit_pb2,
    commits_pb2,
    events_pb2,
    lineage_pb2,
    models_pb2,
    namespaces_pb2,
    principals_pb2,
    promotions_pb2,
    references_pb2,
    server_pb2,
    transfers_pb2,
    usage_pb2,
    versions_pb2,
    workloads_pb2,
)

_FILES: Sequence[Any] = (
    audit_pb2,
    commits_pb2,
    events_pb2,
    lineage_pb2,
    models_pb2,
    namespaces_pb2,
    principals_pb2,
    promotions_pb2,
    references_pb2,
    server_pb2,
    transfers_pb2,
    usage_pb2,
    versions_pb2,
    workloads_pb2,
)
METHODS: tuple[MethodDescriptor, ...] = tuple(
    method
    for file in _FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)

_STRANGE = (
    "",
    " ",
    "\0",
    "a\0b",
    "../../etc/passwd",
    "models/../x",
    "models//versions/0",
    "models/soak/fuzzed/versions/999999999999999999999",
    "models/soak/fuzzed/versions/-1",
    "namespaces/-",
    "-",
    "*",
    "%s%n{0}{field}",
    "'; DROP TABLE models; --",
    "\u202e\u200b\ufeff",
    "é" * 300,
    "e\u0301",
    "\U0001f4a9",
    "\ud7ff\ue000\uffff",
    "a" * 5000,
    "sha256:" + "0" * 64,
    "0" * 64,
    "f" * 40,
    "NaN",
    "9" * 40,
    "-0",
    "1e309",
)
_NUMBERS = (0, 1, -1, 2, 7, 1000, 1001, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63 - 1, -(2**63))
_REALS = (0.0, -0.0, 1.5, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
_DEPTH_MAX = 4


class MessageFuzzer:
    """Requests from one seed. `names` has what is right in a field, or in a "Message.field", so
    that many calls get far."""

    def __init__(self, names: Mapping[str, Sequence[str]], seed: str) -> None:
        self._names = names
        self._all_names = [name for right in names.values() for name in right] or [""]
        self._random = random.Random(seed)
        self._strangeness = 0.0

    def request(self, method: MethodDescriptor) -> bytes:
        """A message of the method's type: nearly right, wholly strange, or with broken bytes."""
        message: Message = GetMessageClass(method.input_type)()
        self._strangeness = self._random.choice((0.0, 0.05, 0.05, 0.5))
        self._fill(message, method.input_type, 0)
        data = message.SerializeToString()
        return self.broken(data) if self._random.random() < 0.3 else data

    def broken(self, data: bytes) -> bytes:
        """The bytes, cut, doubled, changed, or others in their place."""
        chance = self._random
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(5):
                case 0:
                    data = data[:at]
                case 1:
                    data = data[:at] + chance.randbytes(chance.randint(1, 20)) + data[at:]
                case 2:
                    data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
                case 3:
                    data = data + data[at:]
                case _:
                    data = data[at:] + data[:at]
        return data

    def _fill(self, message: Any, descriptor: Descriptor, depth: int) -> None:
        for field in descriptor.fields:
            if self._random.random() < 0.1 + 0.4 * self._strangeness or depth > _DEPTH_MAX:
                continue
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                self._fill_map(getattr(message, field.name), field.message_type)
            elif field.is_repeated:
                for _ in range(self._random.randint(0, 3)):
                    self._add(getattr(message, field.name), field, depth)
            elif field.message_type is not None:
                inner = getattr(message, field.name)
                inner.SetInParent()
                self._fill(inner, field.message_type, depth + 1)
            else:
                setattr(message, field.name, self._value(field))

    def _add(self, into: Any, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None:
            self._fill(into.add(), field.message_type, depth + 1)
        else:
            into.append(self._value(field))

    def _fill_map(self, into: Any, entry: Descriptor) -> None:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        for _ in range(self._random.randint(0, 3)):
            into[self._value(key)] = self._value(value)

    def _value(self, field: FieldDescriptor) -> Any:
        chance = self._random
        strange = chance.random() < self._strangeness
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                return chance.randbytes(chance.randint(0, 40))
            case FieldDescriptor.CPPTYPE_STRING:
                return self._strange_text() if strange else self._text(field)
            case FieldDescriptor.CPPTYPE_BOOL:
                return chance.random() < 0.3
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return chance.choice(_REALS if strange else (0.5, 1.0))
            case FieldDescriptor.CPPTYPE_INT32:
                return max(-(2**31), min(2**31 - 1, self._number(strange=strange)))
            case FieldDescriptor.CPPTYPE_INT64:
                return self._number(strange=strange)
            case FieldDescriptor.CPPTYPE_ENUM:
                return chance.choice((0, 1, 2, 3, 99, -1) if strange else (1, 1, 2))
        raise AssertionError(f"{field.full_name} has a type that no request had before")

    def _number(self, *, strange: bool) -> int:
        return self._random.choice(_NUMBERS if strange else (0, 0, 1, 100))

    def _text(self, field: FieldDescriptor) -> str:
        whole = f"{field.containing_type.name}.{field.name}"
        right = self._names.get(whole) or self._names.get(field.name)
        return self._random.choice(right or ("", "text"))

    def _strange_text(self) -> str:
        chance = self._random
        text = chance.choice(chance.choice((_STRANGE, self._all_names)))
        if chance.random() < 0.3:
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(_STRANGE)[:20] + text[at:]
        return text


class HttpFuzzer:
    """Whole requests from one seed. `paths` are such that exist."""

    _METHODS = ("GET", "HEAD", "PATCH", "POST", "PUT", "OPTIONS", "TRACE", "get", "G" * 300, "")
    _VERSIONS = ("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "")
    _STRANGE = ("", "", "%00", "/../", "%2e%2e/", "%zz", "?", "#", " ", "\xe9")
    _HEADERS = (
        "Host: x",
        "Host: x\r\nHost: y",
        "Host:",
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding : chunked",
        "Upload-Offset: 0",
        "Upload-Offset: -1",
        "Upload-Offset: 18446744073709551616",
        "Content-Type: application/offset+octet-stream",
        "Content-Encoding: gzip",
        "Expect: 100-continue",
        "Range: bytes=0-0",
        "Range: bytes=-1",
        "Range: bytes=5-2,7-",
        "Range: bytes=99999999999999999999-",
        'If-Range: "x"',
        "If-None-Match: *",
        'If-Match: W/"x", "y"',
        "Connection: upgrade\r\nUpgrade: websocket",
        "Connection: close",
        "X-Forwarded-For: 192.0.2.1",
        "A: b\r\n folded",
        "Bad Header: x",
        "X: \x80\xff",
        "X: " + "y" * 20_000,
    )

    def __init__(self, paths: Sequence[str], seed: str) -> None:
        self._paths = paths
        self._random = random.Random(seed)
        self._bytes = MessageFuzzer({}, seed)

    def request(self) -> bytes:
        """Bytes that may be a request, with or without a body."""
        chance = self._random
        path = chance.choice(self._paths)
        if chance.random() < 0.5:
            lines = [f"{chance.choice(self._METHODS[:3])} {path} HTTP/1.1", "Host: x"]
            lines += chance.choices(self._HEADERS, k=chance.randint(0, 2))
        else:
            at = chance.randrange(len(path) + 1)
            path = path[:at] + chance.choice(self._STRANGE) + path[at:]
            lines = [f"{chance.choice(self._METHODS)} {path} {chance.choice(self._VERSIONS)}"]
            lines += chance.choices(self._HEADERS, k=chance.randint(0, 5))
        body = chance.choice(
            (b"", b"", b"", b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"\0" * 100)
        )
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        return self._bytes.broken(data) if chance.random() < 0.3 else data
