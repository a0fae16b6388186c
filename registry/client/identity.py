"""Logging in with a password of the company's directory."""

from __future__ import annotations

from typing import ClassVar

from registry.client.service import Service
from registry.client.values import NewLogin
from registry.v1 import identity_pb2 as pb
from registry.v1.identity_pb2_grpc import IdentityServiceStub


class Identity(Service):
    STUB: ClassVar = IdentityServiceStub

    def login(self, user: str, password: str, *, label: str = "") -> NewLogin:
        """A new token, good for some hours. Whether the connection is fit for a password is the
        caller's to know; see `registry.client.credentials.keeps_secrets`."""
        request = pb.LoginRequest(user=user, password=password, label=label)
        return self._once(self._stub.Login, request, NewLogin)
