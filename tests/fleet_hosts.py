# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A scheduler and workers as processes, on loopback or on hosts of their own joined by veth."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tracing import BUFBENCH, bufbench, reaches

from bench.host import process

STAND_IN = Path(__file__).with_name("fleet_stand_in.py")


class Fleet:
    """What runs; everything is killed at the end."""

    def __init__(self, folder: Path, address: str, certificates: Path | None) -> None:
        self.folder = folder
        self.address = address
        self._security = [f"--certificates={certificates}"] if certificates else []
        self._running: list[subprocess.Popen[str]] = []

    def scheduler(self) -> subprocess.Popen[str]:
        words = [*BUFBENCH, "fleet", "scheduler", f"--bind={self.address}", *self._security]
        return self._started("scheduler", "dashboard", words)

    def worker(
        self, name: str, *before: str, real: bool = False, **changed: str
    ) -> subprocess.Popen[str]:
        program = BUFBENCH if real else [sys.executable, "-P", str(STAND_IN), json.dumps(changed)]
        words = ["fleet", "worker", self.address, f"--name={name}", f"--spool={self.spool(name)}"]
        return self._started(name, "works for", [*before, *program, *words, *self._security])

    def run(self, output: str, *words: str, timeout_s: float = 100) -> process.Completed:
        return bufbench(*self.words(output, *words), timeout_s=timeout_s)

    def words(self, output: str, *words: str) -> list[str]:
        where = [f"--scheduler={self.address}", f"--output={self.folder / output}"]
        return ["fleet", "run", *where, *self._security, *words]

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Start a run into the folder "out"; wait until machine a has measured some trials."""
        command = [*BUFBENCH, *self.words("out", *words)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            assert reaches(running, lambda: len(self.measured("a")) > 5)
            yield running

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Let a worker's task go on after this."""
        hold = self.spool(name) / "hold"
        hold.touch()
        yield
        hold.unlink()

    def spool(self, name: str) -> Path:
        return self.folder / f"spool-{name}"

    def said(self, name: str) -> str:
        """All that the processes of this name have said."""
        return "".join(each.read_text() for each in sorted(self.folder.glob(f"{name}-*.log")))

    def trials(self, name: str) -> int:
        """How many trials are in the journals that a worker keeps."""
        found = self.spool(name).glob("*.jsonl")
        return sum(each.read_bytes().count(b'"kind":"trial"') for each in found)

    def kept(self, name: str) -> list[str]:
        """Names of the files that a worker keeps for its tasks."""
        return [each.name for each in self.spool(name).iterdir() if each.name != "measured"]

    def measured(self, name: str) -> list[str]:
        path = self.spool(name) / "measured"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def end(self) -> None:
        for each in self._running:
            each.kill()
            each.wait()

    def _started(self, name: str, ready: str, words: list[str]) -> subprocess.Popen[str]:
        log = self.folder / f"{name}-{len(self._running)}.log"
        with log.open("w") as file:
            started = subprocess.Popen(words, stderr=file, stdout=file, text=True)
        self._running.append(started)
        assert reaches(started, lambda: ready in log.read_text()), log.read_text()
        return started


@contextmanager
def fleet(folder: Path, address: str, certificates: Path | None = None) -> Iterator[Fleet]:
    made = Fleet(folder, address, certificates)
    try:
        yield made
    finally:
        made.end()


def row(place: Path, name: str) -> dict[str, object]:
    """What fleet.json says of a machine."""
    machines = json.loads((place / "fleet.json").read_text())["machines"]
    return next(each for each in machines if each["name"] == name)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


@contextmanager
def joined(*names: str, tap: bool = False) -> Iterator[str]:
    """Network namespaces of these names on one bridge; gives this host's address there.

    With ``tap`` the bridge has one more link, of its name and "tap", for a guest.
    """
    if os.geteuid() != 0:
        pytest.skip("network namespaces take root")
    bridge = f"bb{os.getpid() % 10**6}"
    net = f"10.{os.getpid() // 250 % 250}.{os.getpid() % 250}"

    def ip(words: str) -> None:
        process.run(["ip", *words.split()], timeout_s=10)

    with ExitStack() as stack:

        def undo(words: str) -> None:
            stack.callback(process.run, ["ip", *words.split()], timeout_s=10, check=False)

        ip(f"link add {bridge} type bridge")
        undo(f"link del {bridge}")
        ip(f"addr add {net}.1/24 dev {bridge}")
        ip(f"link set {bridge} up")
        for number, name in enumerate(names, 2):
            space, link = f"{bridge}-{name}", f"{bridge}v{number}"
            ip(f"netns add {space}")
            undo(f"netns del {space}")
            ip(f"link add {link} type veth peer name eth0 netns {space}")
            ip(f"link set {link} master {bridge} up")
            ip(f"-n {space} addr add {net}.{number}/24 dev eth0")
            ip(f"-n {space} link set eth0 up")
            ip(f"-n {space} link set lo up")
        if tap:
            ip(f"tuntap add dev {bridge}tap mode tap")
            undo(f"link del {bridge}tap")
            ip(f"link set {bridge}tap master {bridge} up")
        yield f"{net}.1:8786 {bridge}"
