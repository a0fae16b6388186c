"""The main job, played on a registry of its own: what `make demo` shows.

Two people register a base model and its fine-tune, decide on each other's, a robot deploys what was
decided on, and everything is rolled back; then half a gigabyte goes up, is cut, and goes on. Every
step is the command line that a user would type, run as its own process against a real server.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from registry.testing import digits
from registry.testing.server import ServerProcess

BIG_BYTES = 500_000_000


class Demo:
    """One run in a folder of its own. `show` prints a command before its output."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self._folder = folder
        self._server = server
        self._tokens = {"admin": server.admin_token}

    def run(self) -> None:
        self._people()
        self._register()
        self._decide()
        self._deploy()
        self._big()

    def _say(self, text: str) -> None:
        print(f"\n## {text}", flush=True)

    def _environment(self, who: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HALLMARK_")}
        return kept | {
            "HALLMARK_URL": self._server.http_url,
            "HALLMARK_TOKEN": self._tokens[who],
            "HALLMARK_CONFIG": str(self._folder / "config"),
        }

    def hallmark(self, who: str, line: str, *, code: int = 0) -> None:
        """Run a command as somebody and show it; fail unless it ends with the code expected."""
        print(f"\n{who}$ hallmark {line}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "registry.cli", *shlex.split(line)],
            env=self._environment(who),
            cwd=self._folder,
            check=False,
        )
        if done.returncode != code:
            raise SystemExit(f"the demonstration failed: exit code {done.returncode}, not {code}")

    def _people(self) -> None:
        self._say("An administrator claims a namespace and says who may do what in it")
        self.hallmark("admin", "namespace create digits --owner ml-vision")
        people = "--grant registrant:digits --grant reviewer:digits"
        self.hallmark("admin", f"principal create alice {people}")
        self.hallmark("admin", f"principal create bob {people}")
        self.hallmark("admin", "principal create deploy --kind robot --grant deployer:digits")
        for name in ("alice", "bob", "deploy"):
            made = subprocess.run(
                [sys.executable, "-m", "registry.cli", "token", "create", name, "--label", "demo"],
                env=self._environment("admin"),
                cwd=self._folder,
                check=True,
                capture_output=True,
                text=True,
            )
            self._tokens[name] = made.stdout.strip()
        print("\nadmin$ hallmark token create NAME --label demo > NAME.token     (three times)")

    def _register(self) -> None:
        self._say("Alice trains a base model; Bob fine-tunes it")
        base, finetune = self._folder / "base", self._folder / "finetune"
        for kind, out, start in (("base", base, None), ("finetune", finetune, base)):
            accuracy = digits.train(kind, out, start)["holdout.accuracy"]
            print(f"trained {out.name}: accuracy {accuracy:.4f} on {digits.HELD_BACK} held back")
        told = "--metrics {0}/metrics.json --params {0}/params.json"
        self.hallmark("alice", f"push base digits/classifier {told.format('base')}")
        self.hallmark(
            "bob",
            "push finetune digits/classifier --base digits/classifier@1 " + told.format("finetune"),
        )
        self.hallmark("bob", "diff digits/classifier@1 digits/classifier@2")
        self.hallmark("bob", "lineage digits/classifier@2")

    def _decide(self) -> None:
        self._say("Version 1 goes to production: whoever registered it cannot decide on it")
        self.hallmark("alice", "promote digits/classifier@1 production --note 'the first one'")
        self.hallmark("alice", "decide promotion/1 --approve", code=1)
        self.hallmark("bob", "decide promotion/1 --approve --comment 'card read, metrics checked'")
        self._say("Version 2 goes to staging, then to production")
        self.hallmark("bob", "promote digits/classifier@2 staging")
        self.hallmark("alice", "decide promotion/2 --approve")
        self.hallmark("bob", "promote digits/classifier@2 production --note 'fine-tuned'")
        self.hallmark("alice", "decide promotion/3 --approve")

    def _deploy(self) -> None:
        self._say("The pipeline knows a URL and a token, nothing else")
        self.hallmark("deploy", "resolve digits/classifier@production")
        self.hallmark("deploy", "pull digits/classifier@production served")
        accuracy = digits.predict(self._folder / "served")
        print(f"\npredicted {digits.HELD_BACK} held-back digits with it: accuracy {accuracy:.4f}")
        self._say("Roll back, in one call")
        self.hallmark("deploy", "rollback digits/classifier production --note 'latency went up'")
        self.hallmark("deploy", "history digits/classifier production")
        self.hallmark("admin", "audit verify")

    def _big(self) -> None:
        self._say("Half a gigabyte: a push that is cut, goes on, and a second that sends nothing")
        folder = self._folder / "big"
        write_safetensors(folder, BIG_BYTES)
        self._cut_push()
        self.hallmark("alice", "push big digits/big")
        self.hallmark("alice", "push big digits/big --new")
        self._wait_for_release("digits/big@1")
        self.hallmark("deploy", "pull digits/big@1 big-pulled")

    def _cut_push(self) -> None:
        print("\nalice$ hallmark push big digits/big          (killed in the middle)", flush=True)
        pushing = subprocess.Popen(
            [sys.executable, "-m", "registry.cli", "push", "big", "digits/big"],
            env=self._environment("alice"),
            cwd=self._folder,
        )
        staging = self._server.home / "blobs" / "staging"
        until = time.monotonic() + 60
        while pushing.poll() is None and time.monotonic() < until:
            if (
                staging.is_dir()
                and sum(f.stat().st_size for f in staging.iterdir()) > BIG_BYTES / 5
            ):
                pushing.send_signal(signal.SIGINT)
                break
            time.sleep(0.005)
        pushing.wait()

    def _wait_for_release(self, reference: str) -> None:
        with self._server.client(self._tokens["alice"]) as client:
            until = time.monotonic() + 60
            while client.versions.get(reference).state != "released":
                if time.monotonic() > until:
                    raise SystemExit(f"{reference} was not vetted within a minute")
                time.sleep(0.1)


def write_safetensors(folder: Path, size_bytes: int) -> None:
    """A folder with one float32 tensor of about so many bytes, and a card."""
    folder.mkdir()
    count = size_bytes // 4
    tensor = {"dtype": "F32", "shape": [count], "data_offsets": [0, count * 4]}
    header = json.dumps({"weights": tensor}).encode()
    block = os.urandom(1_000_000)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        left = count * 4
        while left:
            # Blocks differ in their first bytes, so that no part of the file equals another.
            piece = (left.to_bytes(8, "little") + block[8:])[:left]
            file.write(piece)
            left -= len(piece)
    (folder / "README.md").write_text(
        "---\nlicense: mit\nlibrary_name: safetensors\n---\n# Half a gigabyte of weights\n"
    )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hallmark-demo-") as name:
        folder = Path(name)
        with ServerProcess(folder / "home") as server:
            print(f"a registry of its own serves at {server.http_url}")
            Demo(folder, server).run()
    print("\nDone. Start one that stays with: make run")


if __name__ == "__main__":
    main()
