"""What every noun of the client is made of: one connection, one stub, and how lists are paged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

from google.protobuf.message import Message

from registry.client.connection import DEADLINE_S, Connection
from registry.client.decode import decode

Reply = TypeVar("Reply", bound=Message)
Value = TypeVar("Value")

PAGE_SIZE = 200


class Service:
    """One noun's calls. Errors are those of `registry.client.errors`."""

    #: The generated stub's class.
    STUB: ClassVar[Any]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> Any:
        return self._connection.stub(self.STUB)

    def _call(
        self,
        method: Callable[..., Reply],
        request: Message,
        *,
        repeats: bool,
        deadline_s: float = DEADLINE_S,
    ) -> Reply:
        return self._connection.call(method, request, repeats=repeats, deadline_s=deadline_s)

    def _read(self, method: Callable[..., Message], request: Message, kind: type[Value]) -> Value:
        """A call that repeats safely, and its reply's value."""
        return decode(kind, self._call(method, request, repeats=True))

    def _once(self, method: Callable[..., Message], request: Message, kind: type[Value]) -> Value:
        """A call that must not be sent twice, and its reply's value."""
        return decode(kind, self._call(method, request, repeats=False))

    def _pages(
        self, method: Callable[..., Any], request: Any, field: str, kind: type[Value]
    ) -> Iterator[Value]:
        """The values of all pages; the next page is asked for when the one before is used up."""
        if not request.page_size:
            request.page_size = PAGE_SIZE
        while True:
            reply = self._call(method, request, repeats=True)
            for each in getattr(reply, field):
                yield decode(kind, each)
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token
