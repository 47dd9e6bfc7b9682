# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a scheduler and workers as processes, on loopback or on hosts joined by veth."""

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

from bench.fleet import certificates
from bench.host import process

STAND_IN = Path(__file__).with_name("fleet_stand_in.py")


class Network:
    """Make hosts as network namespaces, joined by veth to one bridge, each once it is named."""

    def __init__(self, stack: ExitStack) -> None:
        if os.geteuid() != 0:
            pytest.skip("network namespaces take root")
        self.bridge = f"bb{os.getpid() % 10**6}"
        self.net = f"10.{os.getpid() // 250 % 250}.{os.getpid() % 250}"
        self._stack = stack
        self._numbers: dict[str, int] = {}
        self.ip(f"link add {self.bridge} type bridge", undo=f"link del {self.bridge}")
        self.ip(f"addr add {self.net}.1/24 dev {self.bridge}")
        self.ip(f"link set {self.bridge} up")

    def space(self, host: str) -> Path:
        return Path(f"/run/netns/{self.bridge}-{host}")

    def on(self, host: str) -> list[str]:
        """Return words that let a command run on a host, with mounts and processes of its own."""
        space = self.space(host).name
        if host not in self._numbers:
            number = self._numbers[host] = len(self._numbers) + 2
            self.ip(f"netns add {space}", undo=f"netns del {space}")
            end = self.link(host)
            # Without its own undo it would stay until the kernel has torn the namespace down.
            pair = f"{end} type veth peer name eth0 netns {space}"
            self.ip(f"link add {pair}", undo=f"link del {end}")
            self.ip(f"link set {end} master {self.bridge} up")
            self.ip(f"-n {space} addr add {self.net}.{number}/24 dev eth0")
            self.ip(f"-n {space} link set eth0 up")
            self.ip(f"-n {space} link set lo up")
        separate = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        return ["nsenter", f"--net={self.space(host)}", *separate]

    def link(self, host: str) -> str:
        """Return the bridge's end of a host's link."""
        return f"{self.bridge}v{self._numbers[host]}"

    def set_link(self, host: str, state: str) -> None:
        self.ip(f"link set {self.link(host)} {state}")

    def tap(self) -> str:
        """Make one more link, for a guest."""
        tap = f"{self.bridge}tap"
        self.ip(f"tuntap add dev {tap} mode tap", undo=f"link del {tap}")
        self.ip(f"link set {tap} master {self.bridge} up")
        return tap

    def ip(self, words: str, *, undo: str = "") -> None:
        process.run(["ip", *words.split()], timeout_s=10)
        if undo:
            self._stack.callback(process.run, ["ip", *undo.split()], timeout_s=10, check=False)


class Fleet:
    """Run processes on loopback or on hosts of a network; kill everything at the end."""

    def __init__(self, folder: Path, network: Network | None, loopback: str) -> None:
        self.folder = folder
        self._network = network
        self._running: list[subprocess.Popen[str]] = []
        self._security = []
        if network is None:
            self.address = f"{loopback}:{unused_port(loopback)}"
        else:
            self.address = f"{network.net}.1:8786"
            certificates.make(folder / "certificates", days=5)
            self._security = [f"--certificates={folder}/certificates"]

    def scheduler(self) -> subprocess.Popen[str]:
        words = [*BUFBENCH, "fleet", "scheduler", f"--bind={self.address}", *self._security]
        return self._started("scheduler", "dashboard", words)

    def worker(
        self, name: str, *before: str, real: bool = False, **changed: str
    ) -> subprocess.Popen[str]:
        program = BUFBENCH if real else [sys.executable, "-P", str(STAND_IN), json.dumps(changed)]
        on = self._network.on(name) if self._network is not None else []
        return self._started(name, "works for", [*on, *before, *program, *self.joining(name)])

    def joining(self, name: str) -> list[str]:
        words = ["fleet", "worker", self.address, f"--name={name}", f"--spool={self.spool(name)}"]
        return [*words, *self._security]

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
        """Return all that the processes of this name have said."""
        return "".join(each.read_text() for each in sorted(self.folder.glob(f"{name}-*.log")))

    def trials(self, name: str) -> int:
        """Return how many trials are in the journals that a worker keeps."""
        found = self.spool(name).glob("*.jsonl")
        return sum(each.read_bytes().count(b'"kind":"trial"') for each in found)

    def kept(self, name: str) -> list[str]:
        """Return the names of the files that a worker keeps for its tasks."""
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
def fleet(
    folder: Path, network: Network | None = None, *, loopback: str = "127.0.0.1"
) -> Iterator[Fleet]:
    made = Fleet(folder, network, loopback)
    try:
        yield made
    finally:
        made.end()


def row(place: Path, name: str) -> dict[str, object]:
    """Return what fleet.json says of a machine."""
    machines = json.loads((place / "fleet.json").read_text())["machines"]
    return next(each for each in machines if each["name"] == name)


def unused_port(loopback: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    try:
        with socket.create_server((loopback.strip("[]"), 0), family=family) as unused:
            return int(unused.getsockname()[1])
    except OSError as error:
        pytest.skip(f"{loopback} cannot be used: {error}")


@contextmanager
def network() -> Iterator[Network]:
    with ExitStack() as stack:
        yield Network(stack)
