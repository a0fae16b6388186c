"""The Python client of a registry: typed, blocking, and in three lines of a training script

    from registry.client import Client
    client = Client()
    client.push("out/", "fraud/scorer", metrics={"auc": 0.93}, base="fraud/base@3")

`Client` says what it can do; results are the frozen values of `registry.client.values`, failures
the errors of `registry.client.errors`.
"""

from registry.client.client import Client
from registry.client.errors import ClientError
from registry.client.progress import Progress
from registry.client.pull import PullResult
from registry.client.push import PushResult
from registry.client.values import Base, CodeRevision, Dataset, File, Grant, VersionSpec

__all__ = [
    "Base",
    "Client",
    "ClientError",
    "CodeRevision",
    "Dataset",
    "File",
    "Grant",
    "Progress",
    "PullResult",
    "PushResult",
    "VersionSpec",
]
