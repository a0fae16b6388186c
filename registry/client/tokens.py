"""Tokens: what proves a principal to the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import timestamp
from registry.client.names import principal_name
from registry.client.service import Service
from registry.client.values import NewToken, Scope, Token
from registry.v1 import principals_pb2 as pb
from registry.v1.principals_pb2_grpc import PrincipalServiceStub


class Tokens(Service):
    STUB: ClassVar = PrincipalServiceStub

    def create(
        self,
        principal: str,
        *,
        label: str = "",
        expire_time: datetime,
        scopes: Sequence[Scope] = (),
    ) -> NewToken:
        """The only reply that ever holds the secret.

        It is empty where the first reply was lost on its way and the call was repeated: revoke the
        token then and create another.
        """
        request = pb.CreateTokenRequest(
            parent=principal_name(principal),
            token=pb.Token(
                label=label,
                expire_time=timestamp(expire_time),
                scopes=[
                    pb.Scope(action=each.action, model=each.model, stage=each.stage)
                    for each in scopes
                ],
            ),
            request_id=new_request_id(),
        )
        return self._read(self._stub.CreateToken, request, NewToken)

    def list(self, principal: str) -> Iterator[Token]:
        """Newest first; expired and revoked ones for 30 days more."""
        request = pb.ListTokensRequest(parent=principal_name(principal))
        return self._pages(self._stub.ListTokens, request, "tokens", Token)

    def revoke(self, token: str) -> Token:
        """For good, by its whole name `principals/.../tokens/...`. Repeats safely."""
        return self._read(self._stub.RevokeToken, pb.RevokeTokenRequest(name=token), Token)

    def rotate(
        self, token: str, *, overlap: timedelta, expire_time: datetime | None = None
    ) -> NewToken:
        """A successor with the same owner, label and scopes; the old one ends after the overlap.

        The secret may be empty, as for `create`.
        """
        request = pb.RotateTokenRequest(
            name=token, expire_time=timestamp(expire_time), request_id=new_request_id()
        )
        request.overlap.FromTimedelta(overlap)
        return self._read(self._stub.RotateToken, request, NewToken)

    def revoke_all(self, principal: str, *, except_current: bool = False) -> int:
        """How many were revoked, of all that had not ended. Repeats safely."""
        request = pb.RevokeAllTokensRequest(
            parent=principal_name(principal), except_current=except_current
        )
        reply: pb.RevokeAllTokensResponse = self._call(
            self._stub.RevokeAllTokens, request, repeats=True
        )
        return reply.revoked_count
