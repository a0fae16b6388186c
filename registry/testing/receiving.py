"""How a receiver checks a webhook's request: the example of registry/jobs/README.md, word by word
(a test compares), and on purpose without a line of ours in it."""

# example
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping


def verified(secret: str, headers: Mapping[str, str], body: bytes, tolerance_s: int = 300) -> bool:
    """Whether a request is from the registry, and fresh. `body`: the bytes as they came."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > tolerance_s:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = headers["webhook-signature"].encode().split(b" ")
    return any(hmac.compare_digest(wanted, one) for one in given)


# end
