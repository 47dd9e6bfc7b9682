# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test real kernels in real guests: one from fetch to report, and each way to lose one.

Debian's cloud flavour is the smallest download and boots as quickly as any.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from real_kernels import provided
from tracing import BUFBENCH, bufbench, eventually

from bench.guests import boot
from bench.guests.boot import CONSOLE, EMULATION, EXIT, Guest, booted
from bench.guests.sources import Image
from bench.guests.watch import End, Ended
from bench.host import process
from bench.journal.reader import read_journal
from bench.questions.kernels import outcome, run
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.outcome import Status
from bench.trial.result import State

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="shares the root file system, which takes root"),
]

LABEL = "6.1-cloud"
GUEST = Guest(cpus=1, memory_mib=1024, time_limit_s=600.0, kvm=False)
"""Of two emulated CPUs one may run code that the other is patching, and the kernel panics."""


@pytest.fixture(scope="module")
def image() -> Image:
    return provided(LABEL)


def lost(
    image: Image, folder: Path, command: Sequence[str], guest: Guest = GUEST
) -> tuple[Status, str]:
    """Return what is said of a guest that ran ``command`` and left no whole result."""
    with booted(image, guest, folder, command) as watch:
        assert watch.stdout is not None
        ended = Ended.parse(watch.stdout.read())
    ran = outcome.judge(folder, ended, guest.time_limit_s)
    assert not isinstance(ran, outcome.GuestResult)
    return ran.status, ran.reason


def of_run(folder: Path) -> set[int]:
    """Return processes that serve a guest of this folder, those that name it and their sessions."""
    named = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:  # it ended while we looked
                continue
            if os.fsencode(folder) in words:
                named.add(int(entry.name))
    return named.union(*(process.members(pid) for pid in named))


def qemu(pids: set[int]) -> int | None:
    """Return the child that is QEMU."""
    for pid in pids:
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("qemu-system"):
                return pid
    return None


def alive(pids: set[int]) -> set[int]:
    """Return those that still run; zombies only wait for their parent."""
    running = set()
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            running |= {pid} if state not in "ZX" else set()
    return running


def test_a_panic(image: Image, tmp_path: Path) -> None:
    status, reason = lost(image, tmp_path, ["/bin/sh", "-c", "echo c >/proc/sysrq-trigger"])
    assert status is Status.PANICKED
    assert reason.startswith("Kernel panic - not syncing: sysrq triggered crash")


def test_a_panic_while_it_boots_is_tried_once_more(image: Image, tmp_path: Path) -> None:
    """Forgive the emulator's panics; the kernel's come again, and are reported then."""
    said: list[str] = []
    request = run.Request(
        folder=tmp_path,
        guest=replace(GUEST, append=("rdinit=/nothing", "root=/dev/nothing")),
        accelerator=EMULATION,
        jobs=1,
        seed=1,
        command_line=("bufbench",),
    )
    (found,) = run.run(request, [image], said.append)
    assert found.status is Status.PANICKED
    assert found.reason.startswith("Kernel panic - not syncing: VFS"), found
    assert found.lost_boot == found.reason
    assert [line for line in said if "once more" in line] == [
        f"{LABEL}: {found.reason}; booting it once more"
    ]
    for name in (CONSOLE, run.LOST_CONSOLE):
        assert b"VFS" in (tmp_path / LABEL / name).read_bytes()
    (entry,) = read_matrix([tmp_path])
    assert entry.notes == (f"booted twice: {found.reason}",)


def test_a_torn_result_and_what_a_guest_may_write(image: Image, tmp_path: Path) -> None:
    """Share the host's files read-only, whatever the guest does about that."""
    evil = Path(__file__).resolve().with_name("written-by-a-guest")
    words = f'mount -o remount,rw /; touch {evil}; printf \'{{"status": "do\' >{tmp_path}/'
    # What a kernel does not know it hands to the first process, and all that follows "--".
    unknown = ("nokaslr", "foo", "foo=bar", 'dyndbg="file a.c +p"', "a b", "--", "-c")
    guest = replace(GUEST, append=unknown)
    status, _ = lost(image, tmp_path, ["/bin/sh", "-c", words + outcome.RESULT], guest)
    assert status is Status.TORN
    assert json.loads((tmp_path / EXIT).read_text()) == {"code": 0}
    assert (tmp_path / CONSOLE).stat().st_size
    assert not evil.exists()


def test_a_hang(image: Image, tmp_path: Path) -> None:
    guest = replace(GUEST, time_limit_s=6.0)
    assert lost(image, tmp_path, ["/bin/sleep", "3600"], guest)[0] is Status.HUNG


def test_a_guest_that_is_killed(image: Image, tmp_path: Path) -> None:
    with booted(image, GUEST, tmp_path, ["/bin/sleep", "3600"]) as watch:
        assert watch.stdout is not None
        console = tmp_path / CONSOLE
        assert eventually(lambda: console.exists() and console.stat().st_size > 0)
        pid = qemu(process.members(watch.pid))
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        ended = Ended.parse(watch.stdout.read())
    assert ended.end is End.GONE
    assert outcome.judge(tmp_path, ended, GUEST.time_limit_s).status is Status.KILLED


@pytest.mark.live
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_guest_outlives_its_run(image: Image, number: signal.Signals, tmp_path: Path) -> None:
    words = ["kernels", "run", image.label, "--emulate", "--output", str(tmp_path / "run")]
    started = subprocess.Popen([*BUFBENCH, *words], stderr=subprocess.DEVNULL)
    try:
        console = tmp_path / "run" / LABEL / CONSOLE
        assert eventually(lambda: console.exists() and console.stat().st_size > 0)
        guest = of_run(tmp_path) - {started.pid}
        assert qemu(guest)
        started.send_signal(number)
        started.wait()
        assert eventually(lambda: not alive(guest))
    finally:
        started.kill()
        started.wait()
    assert started.returncode == (-number if number is signal.SIGKILL else 128 + number)


@pytest.mark.guests
@pytest.mark.live
def test_from_fetch_to_report(image: Image, tmp_path: Path) -> None:
    """Treat a run cut short by its time limit as a whole run, with less in it."""
    folder = tmp_path / "run"
    words = ("kernels", "run", image.label, "--output", str(folder), "--time-limit", "90")
    done = bufbench(*words, timeout_s=180)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / LABEL / outcome.OUTCOME).read_text())
    assert found["status"] == "done", found
    assert found["release"] == image.release
    journal = read_journal(folder / LABEL / outcome.JOURNAL, strict=True)
    (measured,) = journal.runs
    assert measured.header.machine.kernel_release == image.release
    assert {trial.experiment for trial in measured.trials} >= {"calibration", "storm"}
    for trial in measured.trials:
        assert trial.state is not State.INVALID, trial.reasons
        if trial.ledger:
            assert trial.ledger.residues == ()
    again = bufbench(*words, "--resume")
    assert again.returncode == 0, again.stderr
    assert "trials in" not in again.stderr  # nothing was left to run


def test_whether_kvm_serves_is_found_out_at_once(image: Image, tmp_path: Path) -> None:
    """Say in QEMU's or the kernel's words why KVM does not serve, where it does not."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("no KVM")
    found = boot.probe(image, GUEST, tmp_path)
    assert found.kvm or re.search(r"did not boot with it: \S.*[a-z]", found.why)
    assert "not over after" not in found.why  # not by its time limit
    assert not list(tmp_path.iterdir())
