# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Watch another process's buffers: exact bytes of a reader that stands still, and a load."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from tracing import bpf_ids, eventually
from watching import watching

from bench.host import process
from bench.linux import bpf, procfs
from bench.plan.config import Poll, Producer, TrialConfig
from bench.tracer import settings, transports
from bench.tracer.capture import Capture
from bench.tracer.transport import BufferRequest
from bench.trial.rig import Rig
from workloads.generator import EXECUTABLE, Generator
from workloads.storm import Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

WATCH = [sys.executable, "-c", "from bench.cli import main; main()", "watch"]
BUDGET_BYTES = 1 << 20
MOST_S = 1.5  # of a storm, on a busy machine: it is over before watching is
ON_BUFFER = {"ringbuf": 72 + 8, "perfbuf": 88}  # perf: header and size, to a multiple of 8


class Filled:
    """Hold buffers of this process that storms fill and nobody reads."""

    def __init__(self, rig: Rig, name: str, stack: ExitStack) -> None:
        self._way = transports.find(name)
        self._rings = self._way.rings(rig.cpus)
        config = TrialConfig(transport=name, budget_bytes=BUDGET_BYTES, producer=Producer())
        self.program = rig.program_for(self._way, config)
        self.program.configure(settings.encode(Producer(), session=0, rings=self._rings))
        self.program.zero_counters()
        request = BufferRequest(config=config, cpus=rig.cpus)
        self.capture = Capture(100_000)
        stack.enter_context(self._way.open(self.program, self.capture, request))

    def fill(self, exits: int, rate_per_s: float = 0.0) -> None:
        with Generator(Storm(count=exits, rate_per_s=rate_per_s, seconds=MOST_S)) as generator:
            session = generator.session
            self.program.configure(settings.encode(Producer(), session=session, rings=self._rings))
            with self.program.attached():
                generator.go()
                generator.wait(30)

    def delivered(self) -> int:
        return sum(
            each.attempted - sum(each.dropped.values()) for each in self.program.read_counters()
        )


@contextmanager
def filled(name: str) -> Iterator[Filled]:
    with ExitStack() as stack:
        yield Filled(stack.enter_context(Rig()), name, stack)


def own(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the buffers of this process, of this kind and size."""
    (buffer,) = [
        each
        for each in found["buffers"]
        if each["kind"] == kind
        and os.getpid() in {owner["pid"] for owner in each["owners"]}
        and each["size_bytes"] * each["buffers"] == BUDGET_BYTES
    ]
    return dict(buffer)


def watch(*words: str) -> dict[str, Any]:
    done = process.run([*WATCH, "--json", *words], timeout_s=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def children_hold_a_program() -> bool:
    """Return whether one of this process's children holds a BPF program."""
    held = (each for child in psutil.Process().children() for each in bpf_ids(child.pid))
    return any(kind == "prog" for kind, _ in held)


@pytest.mark.parametrize("name", ON_BUFFER)
def test_what_nobody_reads_is_seen_to_the_byte(name: str) -> None:
    kind = "ring" if name == "ringbuf" else "perf"
    with filled(name) as buffers:
        before = own(watch(str(os.getpid()), "--seconds", "0.3"), kind)
        assert (before["used_bytes"], before["peak_bytes"]) == (0, 0)
        buffers.fill(500)
        after = own(watch(str(os.getpid()), "--seconds", "3"), kind)
        assert buffers.delivered() > 100
        assert after["used_bytes"] == buffers.delivered() * ON_BUFFER[name]
        assert after["bytes_per_s"] == 0
        # Where the kernel's samples are rare, sampling may begin only after the first second.
        assert after["absence_ms"] > 1_000
        buffers.capture.stop()
        buffers.capture.run(poll=Poll.BUSY)
        assert buffers.capture.count == buffers.delivered()  # nothing was moved, nothing taken


@pytest.mark.parametrize("name", ON_BUFFER)
def test_a_load_is_counted_record_by_record(name: str, tmp_path: Path) -> None:
    kind, path = "ring" if name == "ringbuf" else "perf", tmp_path / "load.json"
    with filled(name) as buffers:
        words = (str(os.getpid()), "--seconds", "6", "--output", str(path))
        with watching(*words, buffers=len(procfs.online_cpus()) if kind == "perf" else 1) as seen:
            buffers.fill(1_000, rate_per_s=1_000.0)
        found = own(json.loads(seen[0]), kind)
        profile = json.loads(path.read_text())
        (load,) = [
            each for each in profile["loads"] if each["buffer"]["size_bytes"] == found["size_bytes"]
        ]
        assert sum(load["records"]) == buffers.delivered() > 100
        assert sum(load["bytes"]) == buffers.delivered() * ON_BUFFER[name]
        assert found["uncounted_bytes"] == 0
        assert len(found["lengths"]) == 1
        assert found["full_in_s"] > 0
        assert load["bin_s"] == 0.01
        assert sum(map(bool, load["records"])) > 10  # of 100 or more, unless the machine is busy


def test_watching_takes_less_than_a_hundredth_of_a_cpu() -> None:
    with filled("ringbuf"), watching(str(os.getpid()), "--seconds", "5") as seen:
        assert eventually(children_hold_a_program)  # by which the kernel samples
    found = json.loads(seen[0])
    assert found["cpu_share"] < 0.01
    # A thread that is woken for each sample takes 10 us or more: the kernel took these. Where the
    # hypervisor takes the CPU away for half a second, its samples are rare: the thread then does.
    rare = found["interval_ms"] > 1.1
    assert rare or found["cpu_share"] * found["interval_ms"] < 0.003


def test_a_table_that_refreshes_takes_no_more() -> None:
    with filled("ringbuf"):
        words = shlex.join([*WATCH, str(os.getpid()), "--seconds", "12"])
        shown = process.run(["script", "-qec", words, "/dev/null"], timeout_s=60).stdout
    *_, share = re.findall(r"which took ([\d.]+) % of one CPU", " ".join(shown.split()))
    assert float(share) < 1


class Own:
    """Run a generator of a unique name, whose processes bpftrace prints."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / f"storm{os.getpid()}"
        shutil.copy(EXECUTABLE, self.program)

    def storm(self, **wanted: Any) -> int:
        """Run a storm; return how many processes of this name have exited when this returns."""
        with Generator(Storm(**wanted), executable=self.program) as generator:
            generator.go()
            reaped = generator.wait(30).reaped
        return reaped + 1  # the generator itself

    @contextmanager
    def bpftrace(self) -> Iterator[int]:
        """Yield the PID of bpftrace once it prints these processes, and no others."""
        which = f'/comm == "{self.program.name}" && tid == pid/'
        source = f'tracepoint:sched:sched_process_exit {which} {{ printf("%d\\n", pid); }}'
        with process.started(["bpftrace", "-e", source]) as tracer:
            assert tracer.stdout is not None
            shown: list[bytes] = []
            thread = Thread(target=shown.extend, args=(tracer.stdout,))  # a full pipe would stop it
            thread.start()
            assert eventually(lambda: bool(self.storm(count=1)) and len(shown) > 1)
            yield tracer.pid
            tracer.kill()
            thread.join()


def test_a_known_load_on_another_s_perf_buffers_is_counted(tmp_path: Path) -> None:
    if shutil.which("bpftrace") is None:
        pytest.skip("bpftrace is not installed")
    named = Own(tmp_path)
    with named.bpftrace() as pid:
        cpus = len(procfs.online_cpus())
        with watching(str(pid), "--seconds", "5", buffers=cpus) as seen:
            processes = named.storm(count=1_000, rate_per_s=2_000.0, seconds=MOST_S)
        (buffer,) = json.loads(seen[0])["buffers"]
    assert (buffer["kind"], buffer["buffers"]) == ("perf", cpus)
    assert buffer["owners"] == [{"pid": pid, "command": "bpftrace"}]
    assert sum(buffer["lengths"].values()) == processes > 100
    assert (buffer["uncounted_bytes"], buffer["lost_told"]) == (0, 0)


def test_what_is_not_there_is_named_in_one_line() -> None:
    done = process.run([*WATCH, "no-such-buffer"], timeout_s=30, check=False)
    assert done.returncode == 2
    assert "no buffer no-such-buffer" in done.stderr
    assert done.stderr.count("\n") == 1


def test_maps_are_listed_with_names_and_sizes() -> None:
    descriptor = bpf.create_map(
        bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=8_192, name="watched"
    )
    try:
        info = bpf.map_info(descriptor)
        assert (info.kind, info.entries, info.name) == (bpf.RINGBUF, 8_192, "watched")
        assert info in set(bpf.maps())
    finally:
        os.close(descriptor)
