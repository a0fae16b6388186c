"""Repeats: every call that makes something takes a request_id, and heeds it."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from registry.domain.access import Caller, Role
from registry.testing.api import Api, refusal
from registry.testing.needs import NEEDS
from registry.testing.policies import shipped_files
from registry.testing.world import World, grant
from registry.v1 import policies_pb2, webhooks_pb2

#: Verbs of calls that make something, and of those that do not. Every verb is in one of the two.
MAKING = {"Accept", "Add", "Create", "Cut", "Propose", "Replace", "Request", "Rollback", "Rotate"}
OTHER = {
    *("Clear", "Delete", "Unlike", "Revoke", "Withdraw", "Yank", "Unyank"),
    *("Decide", "Like", "Set", "Update"),
    *(
        "Diff",
        "Evaluate",
        "Explain",
        "Export",
        "Get",
        "List",
        "Prove",
        "Resolve",
        "Search",
        "Verify",
    ),
    # What was asked for is asked for once.
    "Assess",
    *("Exchange", "Login", "Replay", "Test"),
}
#: Why a call that makes something needs no request_id all the same.
WITHOUT = {
    "CreateDownloads": "addresses are worked out, and nothing is stored",
}
#: What sets something, and stores a new thing by that.
ALSO = {"SetModelTerms"}


def methods(api: Api) -> list[MethodDescriptor]:
    return [m for servicer in api.servicers for m in servicer.DESCRIPTOR.methods]


def verb_of(method: MethodDescriptor) -> str:
    found = re.match(r"[A-Z][a-z]+", method.name)
    assert found, method.name
    return found[0]


def makes(method: MethodDescriptor) -> bool:
    return method.name in ALSO or (verb_of(method) in MAKING and method.name not in WITHOUT)


def test_every_verb_is_known(api: Api) -> None:
    """Whoever adds a call with a new verb says here whether it makes something."""
    assert {verb_of(method) for method in methods(api)} == MAKING | OTHER


def test_what_makes_something_takes_a_request_id(api: Api) -> None:
    """And nothing else does."""
    for method in methods(api):
        assert ("request_id" in method.input_type.fields_by_name) == makes(method), method.name


def test_a_request_id_is_heeded(world: World, api: Api) -> None:
    """One that cannot be one is refused by each of these calls, by its name: so it is read."""
    everybody = world.login("all", *(grant(role) for role in Role))
    channel: Any = api.channel(everybody.secret)
    requests = _requests(world, everybody.caller)
    unheeded = {}
    for servicer in api.servicers:
        for method in servicer.DESCRIPTOR.methods:
            if not makes(method):
                continue
            service = servicer.DESCRIPTOR.name
            request: Any = requests.get(method.name)
            if request is None:
                request = _copy(NEEDS[service][method.name].request)
            request.request_id = "no id"
            call = partial(
                channel.unary_unary(f"/registry.v1.{service}/{method.name}"),
                request.SerializeToString(),
            )
            told = refusal(call).details()
            if "request_id" not in told:
                unheeded[method.name] = told
    assert not unheeded


def _requests(world: World, caller: Caller) -> dict[str, Message]:
    """Makes what the requests of the list are about, and requests for what cannot be made so."""
    world.model("gone/m")
    for number in (1, 2):
        world.version("gone/m", {"a": b"%d" % number})
    world.login("gone")
    webhook, _ = world.webhooks.create(
        caller,
        url="https://hooks.example/x",
        description="",
        actions=(),
        namespace_pattern="*",
        request_id="",
    )
    files = dict(shipped_files())
    files["settings.yaml"] = files["settings.yaml"].replace(b"2160h", b"24h")
    named = [policies_pb2.PolicyFile(name=name, content=files[name]) for name in files]
    return {
        "ProposePolicySet": policies_pb2.ProposePolicySetRequest(files=named, note="why"),
        "RotateWebhookSecret": webhooks_pb2.RotateWebhookSecretRequest(name=webhook.name),
    }


def _copy(request: Message) -> Message:
    made = type(request)()
    made.CopyFrom(request)
    return made
