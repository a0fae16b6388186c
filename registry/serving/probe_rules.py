"""What has to be true for a probe, and of the model that it loads.

The first rules are about the server and the way there: what breaks one is a doubt, since it tells
nothing of the model. Then come those that the model breaks.
"""

from __future__ import annotations

from registry.formats.look import Rule

REACHED = Rule(
    "PROBE-1",
    "A server answers gRPC at the address.",
    "Check host, port and network: Triton takes gRPC at port 8001 where nothing else is said.",
)
TRUSTED = Rule(
    "PROBE-2",
    "Server and probe trust each other's certificates.",
    "Give the authority that signed the server's certificate in PEM, reach it by a name that is in "
    "it, and bring a certificate of your own along where it asks for one.",
)
ALLOWED = Rule(
    "PROBE-3",
    "The server lets the probe load, run and unload models, and show statistics.",
    "Give the keys of the protocols that the server restricts; --grpc-restricted-protocol names "
    "them at its start.",
)
LIVE = Rule(
    "PROBE-4",
    "The server is live.",
    "Wait until it has started, then probe again; its log says what keeps it.",
)
EXPLICIT = Rule(
    "PROBE-5",
    "The server loads models when it is asked to.",
    "Start it with --model-control-mode=explicit, or probe another one.",
)
SAME_RELEASE = Rule(
    "PROBE-6",
    "The server is of the release that was asked about.",
    "Probe a server of that release, or ask about the release of this one.",
)
ROOM = Rule(
    "PROBE-7",
    "The server has the memory, the disk, the devices and the backend that the model takes.",
    "Probe a server that has as much as production, with nothing else on it.",
)
ANSWERS = Rule(
    "PROBE-8",
    "The server answers in time, and lives on.",
    "Look into its log; allow more time where it is slow.",
)
HANDED_OVER = Rule(
    "PROBE-9",
    "The model fits in a message, or lies in a folder that the server takes models from.",
    "Name a folder of the server's model repository that can be written to from here.",
)
ASKED = Rule(
    "PROBE-10",
    "There are inputs to ask the model with, and it is known what it should answer.",
    "Bring golden samples along that it runs on.",
)
CONFIG_TAKEN = Rule(
    "PROBE-11",
    "The server takes the model's config.",
    "Triton tells clients no reason: look for the model's name in the server's log.",
)
LOADS = Rule(
    "PROBE-12",
    "The server loads the model.",
    "Mend what the server says of it.",
)
INFERS = Rule(
    "PROBE-13",
    "The model answers on the server to what it answers here.",
    "Mend what the server says of it: config.pbtxt or the model's file.",
)
EQUAL = Rule(
    "PROBE-14",
    "Its answers are those of the dry run and the golden samples, as far as their types allow.",
    "Compare the ONNX Runtime of the release with the one here, and try golden samples that say "
    "what is right.",
)
LEFT_CLEAN = Rule(
    "PROBE-15",
    "The server is left as it was found.",
    "Unload the model by this name; where the server stays unready for it, restart it, or start it "
    "with --strict-readiness=false.",
)
RULES = (
    *(REACHED, TRUSTED, ALLOWED, LIVE, EXPLICIT, SAME_RELEASE, ROOM, ANSWERS, HANDED_OVER, ASKED),
    *(CONFIG_TAKEN, LOADS, INFERS, EQUAL, LEFT_CLEAN),
)
