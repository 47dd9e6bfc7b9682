# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Trace processes that others made: each one, with parent, status and name."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from kernel_events import Unavailable, listening
from tracing import (
    BUFBENCH,
    Tracing,
    alive,
    answers_signals,
    bpf_ids,
    bufbench,
    eventually,
    tracing,
)
from truth import Truth, teller

pytestmark = [pytest.mark.live, pytest.mark.slow]

TRANSPORTS = ("ringbuf", "perfbuf")


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Tracing]]:
    """Yield a tracer on each transport, both watching the same machine."""
    with ExitStack() as stack:
        tracers = [
            stack.enter_context(tracing(tmp_path, "--json", "--transport", name))
            for name in TRANSPORTS
        ]
        for tracer in tracers:
            tracer.await_probe()
        yield tracers


def finished(tracer: Tracing) -> list[dict[str, Any]]:
    """Return what a tracer showed until Ctrl-C, nothing lost or missed."""
    with subprocess.Popen(["true"]) as last:
        pass
    tracer.await_exit_of(last.pid)
    assert tracer.interrupt() == 130
    documents = tracer.documents()
    assert tracer.said.read_text() == f"{len(documents)} delivered, 0 lost, 0 missed\n"
    return documents


def as_shown(truth: Truth) -> tuple[object, ...]:
    killer = truth.status & 0x7F
    try:
        name = signal.Signals(killer).name
    except ValueError:
        name = f"SIG{killer}"
    return (
        truth.pid,
        truth.parent_pid,
        None if killer else truth.status >> 8,
        name if killer else None,
        bool(truth.status & 0x80),
        truth.comm.decode(),
    )


def shown(line: dict[str, Any]) -> tuple[object, ...]:
    return tuple(
        line[name] for name in ("pid", "ppid", "exit_code", "signal", "core_dumped", "comm")
    )


def status(line: dict[str, Any]) -> int:
    if line["signal"] is None:
        return int(line["exit_code"]) << 8
    name = line["signal"]
    number = int(signal.Signals[name] if name in signal.Signals.__members__ else name[3:])
    return number | (0x80 if line["core_dumped"] else 0)


def test_every_process_of_every_kind(both: list[Tracing], truths: Path, tmp_path: Path) -> None:
    with teller(truths, "all", 1_400, tmp_path) as process:
        made = process.go()
    assert len(made) == 1_600
    makers = {process.pid, *(truth.parent_pid for truth in made)}
    names = {truth.comm.decode() for truth in made}
    for tracer in both:
        # Others may be given one of these pids, but not these names and parents as well.
        own = [
            line for line in finished(tracer) if line["ppid"] in makers and line["comm"] in names
        ]
        assert Counter(map(shown, own)) == Counter(map(as_shown, made))


@pytest.mark.parametrize(("stressor", "count"), [("vfork", 20_000), ("fork", 3_000)])
def test_every_process_of_a_storm_of_another_program(
    stressor: str, count: int, both: list[Tracing]
) -> None:
    words = ["stress-ng", f"--{stressor}", "2", f"--{stressor}-ops", str(count), "--quiet"]
    try:
        with listening() as kernel:
            with subprocess.Popen([*words, "--timeout", "60"]) as storm:
                pass
            events = kernel.of_session(storm.pid)
    except Unavailable as why:
        pytest.skip(f"cannot listen to the kernel's process events ({why})")
    assert storm.returncode == 0
    ended = [(e.process, e.status) for e in events if e.status is not None and not e.of_thread]
    expected = Counter(
        (process.pid, process.parent.pid, status)
        for process, status in ended
        if process.parent is not None  # only the leader, which is left out, has none
    )
    parents = {parent for _, parent, _ in expected}
    assert expected.total() >= count
    for tracer in both:
        lines = finished(tracer)
        seen = Counter((line["pid"], line["ppid"], status(line)) for line in lines)
        assert expected - seen == Counter()
        names = Counter(line["comm"] for line in lines if line["ppid"] in parents)
        assert names[f"stress-ng-{stressor}"] >= count


def test_both_transports_print_the_same(tmp_path: Path, truths: Path) -> None:
    with ExitStack() as stack:
        tracers = [
            stack.enter_context(tracing(tmp_path, "--transport", name)) for name in TRANSPORTS
        ]
        for tracer in tracers:
            tracer.await_heading()
        made = stack.enter_context(teller(truths, "all", 280, tmp_path)).go()
        pids = {str(truth.pid) for truth in made}
        printed = []
        for tracer in tracers:
            assert eventually(lambda t=tracer: str(made[-1].pid) in t.shown.read_text())
            assert tracer.interrupt() == 130
            heading, *lines = tracer.shown.read_text().splitlines()
            assert heading.split() == ["TIME", "PID", "PPID", "EXIT_CODE", "DURATION", "COMM"]
            printed.append({_without_times(line) for line in lines if line.split()[1] in pids})
    assert printed[0] == printed[1]
    assert len(printed[0]) >= len(made)


def _without_times(line: str) -> str:
    """Leave out times: each tracer takes its own of an exit."""
    left, _, comm = line.partition(" ms ")
    _, *words, _ = left.split()
    return f"{words} {comm}"


def test_killed_processes_show_their_signal(tmp_path: Path) -> None:
    with tracing(tmp_path) as tracer:
        tracer.await_heading()
        with subprocess.Popen(["sleep", "60"]) as victim:
            victim.terminate()
        assert eventually(lambda: str(victim.pid) in tracer.shown.read_text())
        assert tracer.interrupt() == 130
    lines = tracer.shown.read_text().splitlines()
    line = next(line for line in lines if f" {victim.pid} " in line)
    assert line.split()[2:4] == [str(os.getpid()), "SIGTERM"]
    assert line.endswith(" sleep")


def test_only_one_process(tmp_path: Path) -> None:
    with (
        subprocess.Popen(["sleep", "60"]) as wanted,
        tracing(tmp_path, "--pid", str(wanted.pid)) as tracer,
    ):
        tracer.await_heading()
        subprocess.run(["true"], check=True)
        wanted.kill()
        wanted.wait()
        assert eventually(lambda: str(wanted.pid) in tracer.shown.read_text())
        assert tracer.interrupt() == 130
    assert len(tracer.shown.read_text().splitlines()) == 2


def test_only_one_name_as_the_kernel_cuts_it(tmp_path: Path) -> None:
    program = tmp_path / "a-name-of-more-than-15"
    program.symlink_to("/bin/sleep")
    with tracing(tmp_path, "--json", "--comm", program.name) as tracer:
        probe = tmp_path / "probe" / program.name
        probe.parent.mkdir()
        probe.symlink_to("/bin/true")
        tracer.await_probe(str(probe))
        subprocess.run([program, "0"], check=True)
        subprocess.run(["true"], check=True)
        assert tracer.interrupt() == 130
    assert {line["comm"] for line in tracer.documents()} == {program.name[:15]}


def test_for_some_seconds(tmp_path: Path) -> None:
    with tracing(tmp_path, "--duration", "0.5") as tracer:
        tracer.await_heading()
        assert tracer.process.wait(timeout=30) == 0
    assert " lost, " in tracer.said.read_text()


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    name = b"a\n\x1b[2J\xff\xc2\x9b"
    rename = "import sys; open('/proc/self/comm', 'wb').write(bytes.fromhex(sys.argv[1]))"
    with tracing(tmp_path) as text, tracing(tmp_path, "--json") as document:
        text.await_heading()
        document.await_probe()
        with subprocess.Popen([BUFBENCH[0], "-c", rename, name.hex()]) as odd:
            pass
        document.await_exit_of(odd.pid)
        assert eventually(lambda: f" {odd.pid} " in text.shown.read_text())
        assert (text.interrupt(), document.interrupt()) == (130, 130)
    assert b"\x1b" not in text.shown.read_bytes()
    assert r"a\n\x1b[2J\xff\xc2\x9b" in text.shown.read_text()
    line = next(line for line in document.documents() if line["pid"] == odd.pid)
    assert line["comm"] == r"a\n\x1b[2J\xff\xc2\x9b"


def test_a_reader_that_leaves_ends_it() -> None:
    with subprocess.Popen(
        [*BUFBENCH, "trace"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as tracer:
        assert tracer.stdout
        assert tracer.stderr
        assert tracer.stdout.readline().startswith(b"TIME")
        ids = bpf_ids(tracer.pid)
        tracer.stdout.close()

        def ended() -> bool:
            subprocess.run(["true"], check=True)  # something to print
            return tracer.poll() is not None

        assert eventually(ended)
        said = tracer.stderr.read()
    assert (tracer.returncode, said) == (0, b"")
    assert eventually(lambda: not alive(ids))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ctrl_c_under_load_leaves_nothing_behind(transport: str, tmp_path: Path) -> None:
    words = ["stress-ng", "--vfork", "2", "--quiet", "--timeout", "60"]
    with (
        tracing(tmp_path, "--json", "--transport", transport) as tracer,
        subprocess.Popen(words) as storm,
    ):
        try:
            assert eventually(lambda: len(tracer.shown.read_bytes()) > 100_000)
            ids = bpf_ids(tracer.process.pid)
            assert {kind for kind, _ in ids} == {"prog", "map"}
            assert ids == alive(ids)
            assert tracer.interrupt() == 130
        finally:
            storm.terminate()
    assert tracer.documents()
    assert "Traceback" not in tracer.said.read_text()
    assert eventually(lambda: not alive(ids))


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.2, 0.3, 0.4, 0.6])
def test_ctrl_c_at_any_moment_of_the_start(delay_s: float, tmp_path: Path) -> None:
    with tracing(tmp_path) as tracer:
        assert eventually(lambda: answers_signals(tracer.process.pid))
        seen: set[tuple[str, int]] = set()
        stop = threading.Event()

        def watch() -> None:
            while not stop.is_set() and tracer.process.poll() is None:
                try:
                    seen.update(bpf_ids(tracer.process.pid))
                except OSError:
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        time.sleep(delay_s)
        code = tracer.interrupt()
        stop.set()
        watcher.join()
    assert (code, "Traceback" in tracer.said.read_text()) == (130, False), tracer.said.read_text()
    assert eventually(lambda: not alive(seen))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--transport", "pipe"], "pipe"),
        (["--budget", "lots"], "lots"),
        (["--budget", "12KiB"], "power of two"),
        (["--pid", "one"], "--pid"),
        (["--duration", "long"], "--duration"),
        (["--duration", "nan"], "--duration"),
        (["--duration", "-1"], "--duration"),
        (["--pid", "0"], "--pid"),
    ],
)
def test_nonsense_is_reported_in_a_line(arguments: list[str], word: str) -> None:
    done = bufbench("trace", *arguments)
    assert done.returncode == 2, done
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_budget_beyond_all_memory_is_reported_in_a_line(transport: str) -> None:
    done = bufbench("trace", "--transport", transport, "--budget", "4096GiB")
    assert done.returncode in {2, 3}
    assert len(done.stderr.splitlines()) == 1
    assert "take a smaller" in done.stderr
