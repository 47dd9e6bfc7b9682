# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test two kernels in one fleet: an emulated guest as a worker, and kernels that a worker boots."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Timer
from typing import Final

import pytest
from fleet_hosts import Fleet, Network, fleet, network, row
from real_kernels import load_prebuilt, provided
from tracing import BUFBENCH, bufbench, reaches

from bench.guests.boot import Guest, booted
from bench.guests.sources import Image
from bench.journal.reader import read_journal
from bench.trial.result import State, TrialResult

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

LABEL: Final = "6.1-cloud"
GUEST: Final = Guest(cpus=2, memory_mib=2048, time_limit_s=1200.0, kvm=False)
BLOCKS: Final = 8
PLAN: Final = ("--set=workload=storm", "--set=count=150", f"--set=blocks={BLOCKS}")


def cut(joined: Network, link: str, seconds: float) -> None:
    """Cut a link; it is there again some seconds later."""
    joined.ip(f"link set {link} down")
    Timer(seconds, partial(joined.ip, f"link set {link} up")).start()


@contextmanager
def guest(made: Fleet, image: Image, joined: Network, tap: str) -> Iterator[None]:
    """Run a worker in a guest, its clock a day ahead; yield once it works for the scheduler.

    Not behind its emulator's NAT: the scheduler connects to its workers.
    """
    folder = made.spool("guest")
    folder.mkdir()
    command = shlex.join([*BUFBENCH, *made.joining("guest")])
    netdev = f"tap,id=card,ifname={tap},script=no,downscript=no"
    devices = ("-netdev", netdev, "-device", "virtio-net-pci,netdev=card")
    assert image.modules is not None
    script = f"""
        modprobe -d {image.modules.parents[2]} virtio_net
        ip link set lo up
        ip addr add {joined.net}.99/24 dev eth0
        ip link set eth0 up
        date -s tomorrow
        {command} > {folder}/said.txt 2>&1
    """
    said = folder / "said.txt"
    said.touch()
    shell = ["/bin/sh", "-c", script]
    with booted(image, GUEST, folder, shell, devices=devices) as watch:
        joins = reaches(watch, lambda: "works for" in said.read_text())
        assert joins, [each.read_text()[-3000:] for each in (said, folder / "console.log")]
        yield


def whole(journal: Path, kernel: str) -> tuple[TrialResult, ...]:
    """Return the trials of a machine's journal: each of the plan once, valid and balanced."""
    content = read_journal(journal, strict=True)
    assert {each.header.machine.kernel_release for each in content.runs} == {kernel}
    assert not content.repeated
    for trial in content.trials:
        assert trial.state is not State.INVALID, trial.reasons
        assert trial.ledger is None or trial.ledger.residues == ()
    return content.trials


@pytest.fixture(autouse=True)
def prebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    load_prebuilt(monkeypatch)


def test_four_hosts_two_kernels_one_unfit_killed_and_cut(tmp_path: Path) -> None:
    image = provided(LABEL)
    with network() as joined, fleet(tmp_path, joined) as made:
        made.scheduler()
        victim = made.worker("a", real=True)
        made.worker("b", real=True)
        made.worker("c", "setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon", real=True)
        tap = joined.tap()
        with guest(made, image, joined, tap):

            def kill_and_start_again() -> None:
                victim.kill()
                victim.wait()
                made.worker("a", real=True)

            moments: dict[str, Callable[[], None]] = {
                "a": kill_and_start_again,
                "b": partial(cut, joined, joined.link("b"), 3),
                "guest": partial(cut, joined, tap, 40),
            }
            said = tmp_path / "said"
            command = [*BUFBENCH, *made.words("out", "--machines=4", *PLAN)]
            with said.open("w") as file, subprocess.Popen(command, stderr=file) as running:

                def over() -> bool:
                    for name in [each for each in moments if made.trials(each) >= 3]:
                        moments.pop(name)()
                    return running.poll() is not None

                reaches(running, over)
            assert running.returncode == 3, said.read_text()  # for the one that is unfit
            assert not moments
        assert made.kept("a") == made.kept("b") == []
        assert not [*made.spool("guest").glob("*.jsonl")]
    out = tmp_path / "out"
    assert "privileges: lacks" in str(row(out, "c")["reason"])
    # More where the host is busy: an emulated clock may run fast.
    assert re.fullmatch(
        r"\['its clock is 24 h( \d+ min)? ahead'\]", str(row(out, "guest")["notes"])
    )
    for name in ("a", "b", "guest"):
        journal = out / f"{name}.jsonl"
        assert row(out, name)["sha256"] == sha256(journal.read_bytes()).hexdigest()
        kernel = image.release if name == "guest" else os.uname().release
        assert len(whole(journal, kernel)) == 2 * BLOCKS
    report = bufbench("fleet", "report", str(out), "--format=json")
    assert report.returncode == 0, report.stderr
    found = json.loads(report.stdout)
    # Two of the hosts are one machine, measured twice.
    assert len({each["facts"]["kernel"] for each in found["members"]}) == 2
    assert len(found["members"]) == 2
    assert any(len(each["machines"]) == 2 for each in found["numbers"])


def test_a_kernel_is_booted_on_a_worker(tmp_path: Path) -> None:
    image = provided(LABEL)
    with fleet(tmp_path) as made:
        made.scheduler()
        made.worker("a", real=True)
        words = (f"--only={LABEL}", "--set=accelerator=emulated", "--set=time-limit=240")
        done = made.run("out", "--profile=kernels", *words, timeout_s=600)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{tmp_path}/out/a+{LABEL}.jsonl\n"
        assert made.kept("a") == []
    trials = whole(tmp_path / f"out/a+{LABEL}.jsonl", image.release)
    assert {each.experiment for each in trials} >= {"calibration", "storm"}
