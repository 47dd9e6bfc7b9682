# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Check rows of readers in separate processes against the ledger; their faults are named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from trials import KIB, STORMS, assert_balanced, budget, run

from bench.errors import MachineUnfit
from bench.plan import mix
from bench.plan.config import Consumer, Producer, Reader, TrialConfig
from bench.trial.rig import Rig
from workloads.storm import Shape

pytestmark = [pytest.mark.live, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples/reader"
COMPILERS = {
    "reader.c": ("cc", "-O2", "-Wall", "-Wextra", "-Werror"),
    "reader.rs": ("rustc", "-O", "-D", "warnings"),
}
PROTOCOL = """
import array, mmap, os, socket, struct, sys
connection = socket.socket(fileno=int(os.environ["BUFBENCH_READER"]))
header, memory, *_ = socket.recv_fds(connection, 64, 1)
socket.recv_fds(connection, 64, 250)
"""


@pytest.fixture(scope="module", params=COMPILERS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = COMPILERS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]} here")
    built: Path = tmp_path_factory.mktemp("reader") / "reader"
    subprocess.run([*words, "-o", built, EXAMPLES / request.param], check=True)
    return built


def config(transport: str, *command: str | Path, **given: object) -> TrialConfig:
    plain = TrialConfig(
        transport=transport,
        budget_bytes=16_384 * KIB,
        storm=STORMS[Shape.STORM],
        consumer=Consumer(reader=Reader.COMMAND, command=tuple(map(str, command))),
    )
    return replace(plain, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf", "sharded"])
@pytest.mark.parametrize("mixed", [False, True], ids=["plain", "mixed"])
def test_all_records_come_whole(rig: Rig, program: Path, transport: str, *, mixed: bool) -> None:
    producer = Producer(records_per_exit=4)
    if mixed:
        producer = mix.padded(producer, mix.turns({72: 5, 300: 5, 4_168: 2}))
    room = budget(rig, transport, 8192 * KIB)  # for all of them, on either CPU
    trial = run(rig, config(transport, program, producer=producer, budget_bytes=room))
    assert_balanced(trial)
    assert trial.ledger is not None
    assert trial.ledger.dropped == 0
    assert trial.latency is not None
    assert 0 < trial.latency.p50_ns < 1_000_000_000
    assert trial.cost is not None
    assert trial.cost.consumer_cpu_ns > 0
    assert trial.cost.wakeups_taken > 0


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_a_small_buffer_balances_whatever_is_lost(rig: Rig, program: Path, transport: str) -> None:
    small = config(transport, program, budget_bytes=8 * KIB, storm=STORMS[Shape.BURST])
    trial = run(rig, replace(small, producer=Producer(records_per_exit=20)))
    assert_balanced(trial)


@pytest.mark.parametrize(
    ("program_text", "complaint", "shorter"),
    [
        ("import sys; sys.exit(7)", "it ended with 7", {}),
        ("import time; time.sleep(60)", "did not say 'ready' within", {"_READY_S": 1.0}),
        (PROTOCOL + "connection.send(b'hello')\nconnection.recv(9)", "did not say 'ready'", {}),
        (
            PROTOCOL + "print('x' * 100_000, flush=True)\nconnection.send(b'ready')\nos._exit(0)",
            "ended before the storm did: it ended with 0",
            {},
        ),
        (
            PROTOCOL + "connection.send(b'ready')\nos.kill(os.getpid(), 9)",
            "was killed by SIGKILL",
            {},
        ),
        (
            PROTOCOL + "connection.send(b'ready')\nconnection.recv(9)\nconnection.send(b'no')",
            "did not say 'done'",
            {},
        ),
        (
            PROTOCOL + "connection.send(b'ready')\nos.kill(os.getpid(), 19)",
            "sleeps, and did not say 'done'",
            {"_ASLEEP_S": 0.5},
        ),
        (
            PROTOCOL + "connection.send(b'ready')\nconnection.recv(9)\nwhile True: pass",
            "did not say 'done' within",
            {"_DONE_S": 1.0},
        ),
        (
            PROTOCOL + "connection.send(b'ready')\nconnection.shutdown(2)\nsys.stdin.read()",
            "no longer listens",
            {},
        ),
        (
            PROTOCOL
            + "m = mmap.mmap(memory[0], 4096)\nconnection.send(b'ready')\nconnection.recv(9)\n"
            + "m[:8] = struct.pack('=Q', 1 << 60)\nconnection.send(b'done')\nconnection.recv(9)",
            "rows 1,152,921,504,606,846,976 were filled",
            {},
        ),
    ],
    ids=[
        *("ends", "silent", "wrong word", "leaves", "killed", "not done", "stopped", "spins"),
        *("deaf", "claims too much"),
    ],
)
def test_what_goes_wrong_is_named(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    program_text: str,
    complaint: str,
    shorter: dict[str, float],
) -> None:
    """Only the patience that runs out is shortened: a busy machine is slow at all the rest."""
    for name, seconds in shorter.items():
        monkeypatch.setattr(f"bench.tracer.outside.{name}", seconds)
    with pytest.raises(MachineUnfit) as caught:
        run(rig, config("ringbuf", sys.executable, "-I", "-c", program_text))
    assert complaint in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_rows_without_records_do_not_balance(rig: Rig) -> None:
    """Try a reader that says nothing of what came, and one row of zeros."""
    liar = (
        PROTOCOL + "m = mmap.mmap(memory[0], 4096)\nconnection.send(b'ready')\nconnection.recv(9)\n"
        "m[:8] = struct.pack('=Q', 1)\nconnection.send(b'done')\nconnection.recv(9)"
    )
    trial = run(rig, config("ringbuf", sys.executable, "-I", "-c", liar))
    assert trial.ledger is not None
    assert trial.ledger.residues


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    before = psutil.Process().children()  # of other tests
    yield
    assert psutil.Process().children() == before
