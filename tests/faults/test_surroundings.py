# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Disturb the machine during trials: what is measured is right, or a line says why not.

What a test changes for the whole machine is put back, whatever happens.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hotplug import last_cpu
from moments import Faults
from tracing import BUFBENCH, reaches
from victim import Victim, await_storm, generator, victim

from bench.host import memory_group
from bench.journal.reader import read_journal
from bench.linux import procfs
from bench.linux.cgroup import own
from bench.trial.result import State, TrialResult
from workloads import cgroup

pytestmark = [pytest.mark.live, pytest.mark.slow]

CHAINS = ("run", "--workload", "chain", "--count", "2000", "--quiet", "--wait")
LONG = ("run", "--workload", "trickle", "--rate", "2000", "--count", "4000", "--quiet", "--wait")


def run(
    folder: Path, *arguments: str, before: Sequence[str] = (), **environment: str
) -> tuple[subprocess.CompletedProcess[str], tuple[TrialResult, ...]]:
    """Run to the end, and return its trials. ``before``: words that start the command."""
    journal = folder / "run.jsonl"
    done = subprocess.run(
        [*before, *BUFBENCH, *arguments, "--output", str(journal)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return done, read_journal(journal).trials if journal.exists() else ()


def in_order(trials: Sequence[TrialResult]) -> None:
    """Check that every trial balances, nothing was missed, and the ring never reversed a pair."""
    for trial in trials:
        assert trial.state is not State.INVALID, trial.reasons
        assert trial.ledger is not None
        assert trial.ledger.own_exits + trial.ledger.missed == trial.ledger.reaped
        if trial.config.transport == "ringbuf" and trial.ordering is not None:
            assert trial.ordering.causal_violations == 0


@contextmanager
def set_to(path: Path, text: str) -> Iterator[None]:
    """Change a setting of the kernel for as long as the context lasts."""
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


# -- files ------------------------------------------------------------------------------------


def test_a_results_folder_that_goes_costs_no_trial(tmp_path: Path) -> None:
    place, rescue = tmp_path / "results", tmp_path / "rescue"
    place.mkdir()
    rescue.mkdir()
    words = [*CHAINS, "--blocks", "6", "--output", str(place / "run.jsonl")]
    command = ["env", f"TMPDIR={rescue}", *BUFBENCH]
    with victim(tmp_path, words, command) as hit:
        while hit.running() and lines(place / "run.jsonl") < 3:
            time.sleep(0.001)
        shutil.rmtree(place)
        hit.ended_after_s()
        assert hit.process.returncode == 2
        (said,) = [line for line in hit.stderr().splitlines() if line.startswith("bufbench: ")]
    (saved,) = rescue.glob("bufbench-*.jsonl")
    assert str(saved) in said
    assert "was removed while it was written" in said
    safe = read_journal(saved, strict=True).trials
    assert len(safe) >= 2
    # What it says to do works: the same file, and only the trials that were still to come.
    resumed = [*BUFBENCH, *CHAINS, "--blocks", "6", "--resume", "--output", str(saved)]
    assert subprocess.run(resumed, capture_output=True, timeout=120, check=False).returncode == 0
    trials = read_journal(saved, strict=True).trials
    assert trials[: len(safe)] == safe
    assert len({(each.arm, each.block) for each in trials}) == len(trials) == 12


def test_spaces_quotes_and_no_home(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a "folder" $(of) results'
    folder.mkdir()
    done, trials = run(folder, *CHAINS, "--blocks", "1", before=["env", "-u", "HOME"])
    assert done.returncode == 0, done.stderr
    assert len(trials) == 2
    in_order(trials)
    report = [*BUFBENCH, "report", str(folder / "run.jsonl")]
    assert subprocess.run(report, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("locale", ["C", "tr_TR.UTF-8", "POSIX"])
def test_locales(locale: str, tmp_path: Path) -> None:
    done, trials = run(tmp_path, *CHAINS, "--blocks", "1", LC_ALL=locale, LANG=locale)
    assert done.returncode == 0, done.stderr
    in_order(trials)
    report = [*BUFBENCH, "report", str(tmp_path / "run.jsonl")]
    shown = subprocess.run(
        report, capture_output=True, check=False, timeout=60, env={**os.environ, "LC_ALL": locale}
    )
    assert shown.returncode == 0
    assert b"Traceback" not in shown.stderr


def test_nobody_reads_the_output(tmp_path: Path) -> None:
    command = [*BUFBENCH, *CHAINS[:-2], "--blocks", "1", "--output", str(tmp_path / "run.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as going:
        assert going.stdout is not None
        assert going.stderr is not None
        going.stdout.close()
        said = going.stderr.read()
        assert going.wait(60) == 0, said
    assert b"Traceback" not in said
    assert len(read_journal(tmp_path / "run.jsonl", strict=True).trials) == 2


# -- memory and processes ----------------------------------------------------------------------


@pytest.fixture
def memory_cgroup() -> Iterator[tuple[Path, Path]]:
    """Yield a memory cgroup of the test's own, and the file in it that bounds it."""
    place = memory_group.place(own("memory"))
    if place is None:
        pytest.skip("no memory cgroup can be made here")
    folder = place.root / f"bufbench-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    limit = folder / ("memory.max" if place.usage == "memory.current" else "memory.limit_in_bytes")
    if not limit.exists():
        folder.rmdir()
        pytest.skip("the memory controller is not handed down here")
    try:
        yield folder, limit
    finally:
        _emptied(folder)


def _emptied(folder: Path) -> None:
    for _ in range(200):
        with suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.02)


def within(folder: Path) -> list[str]:
    """Return words that put what they start into a cgroup."""
    enter = (
        "import os,sys; open(sys.argv[1], 'w').write(str(os.getpid())); "
        "os.execvp(sys.argv[2], sys.argv[2:])"
    )
    return [sys.executable, "-c", enter, str(folder / "cgroup.procs")]


def test_a_buffer_that_memory_is_too_short_for_is_named(
    memory_cgroup: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, limit = memory_cgroup
    limit.write_text(str(300 << 20))
    words = ("--transport", "ringbuf", "--blocks", "1", "--budget")
    done, _ = run(tmp_path, *CHAINS, *words, "512MiB", before=within(folder))
    assert done.returncode == 3, done.stderr
    said = done.stderr.splitlines()[-1]
    assert "512 MiB" in said
    assert "take a smaller budget" in said
    small = tmp_path / "small"
    small.mkdir()
    done, trials = run(small, *CHAINS, *words, "64KiB", before=within(folder))
    assert done.returncode == 0, done.stderr
    in_order(trials)


@pytest.fixture
def pids_cgroup() -> Iterator[Path]:
    """Yield a cgroup of the test's own that bounds processes."""
    place = cgroup.place()
    if place is None:
        pytest.skip("no cgroup that bounds processes here")
    folder = place / f"bufbench-test-{os.getpid()}"
    folder.mkdir()
    try:
        if not (folder / "pids.max").exists():
            pytest.skip("the pids controller is not handed down here")
        yield folder
    finally:
        _emptied(folder)


def refused(folder: Path) -> bool:
    """Return whether a process could not be made, in this cgroup or one within it."""
    return any(each.read_text() != "max 0\n" for each in folder.rglob("pids.events"))


def test_pids_max_reached_by_another_process_within_a_storm(
    pids_cgroup: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    command = [*within(pids_cgroup), *BUFBENCH]
    words = [*LONG, "--blocks", "1", "--transport", "ringbuf", "--output", str(journal)]
    with victim(tmp_path, words, command) as hit:
        await_storm(hit, journal)
        time.sleep(0.5)
        # As if other processes had used up the limit, until a fork has been refused.
        (pids_cgroup / "pids.max").write_text("1")
        assert reaches(hit.process, lambda: refused(pids_cgroup)), hit.stderr()
        (pids_cgroup / "pids.max").write_text("max")
        hit.ended_after_s()
        assert hit.process.returncode == 0, hit.stderr()
    (trial,) = read_journal(journal, strict=True).trials
    in_order([trial])
    assert trial.storm.failed.get("EAGAIN", 0) > 0, trial.storm


@pytest.mark.parametrize("kind", ["left alone", "SIGINT", "SIGTERM"])
def test_pids_max_reached_for_good_at_any_moment(
    kind: str, pids_cgroup: Path, tmp_path: Path, faults: Faults
) -> None:
    moments = faults.moments("pids.max", kind)
    for number in range(faults.times(1, of=3)):
        journal = tmp_path / f"{number}.jsonl"
        words = [*CHAINS, "--seconds", "1", "--blocks", "4", "--output", str(journal)]
        (pids_cgroup / "pids.max").write_text("max")
        with victim(tmp_path, words, [*within(pids_cgroup), *BUFBENCH]) as hit:
            hit.await_handlers()
            hit.wait_for(moments.uniform(0, 4))
            (pids_cgroup / "pids.max").write_text("1")
            if kind != "left alone":
                hit.wait_for(moments.uniform(0, 0.2))
                hit.process.send_signal(getattr(signal, kind))
                assert hit.ended_after_s() < faults.soon_s
            hit.ended_after_s()
            assert hit.gone_after_s() < faults.soon_s
            said = hit.stderr()
        assert "Traceback" not in said
        if hit.process.returncode not in (0, 130, 143):
            assert hit.process.returncode in (3, 4)
            assert said.splitlines()[-1].startswith("bufbench: ")
        if journal.exists():
            in_order(read_journal(journal).trials)


def test_pids_that_are_used_again_within_a_storm(tmp_path: Path) -> None:
    tasks = (procfs.PROC / "loadavg").read_text().split()[3]  # "runnable/all"
    running = int(tasks.split("/")[1])
    if running > 3_000:
        pytest.skip("too much runs here to make pids short")
    with set_to(Path("/proc/sys/kernel/pid_max"), str(running + 1_000)):
        for shape in ("storm", "chain", "burst"):
            folder = tmp_path / shape
            folder.mkdir()
            size = ("--burst", "300") if shape == "burst" else ()
            words = ("--workload", shape, "--count", "6000", *size, "--budget", "1MiB")
            done, trials = run(folder, "run", *words, "--blocks", "1", "--quiet", "--wait")
            assert done.returncode == 0, done.stderr
            in_order(trials)
            assert all(each.storm.reaped >= 5_000 for each in trials)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
def test_a_pid_namespace_of_its_own(tmp_path: Path) -> None:
    inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    done, trials = run(tmp_path, *CHAINS, "--blocks", "1", "--budget", "1MiB", before=inside)
    assert done.returncode == 0, done.stderr
    in_order(trials)
    assert [each.ordering.causal_pairs for each in trials if each.ordering] == [2_000] * 2


# -- clocks, tracefs, statistics, CPUs ----------------------------------------------------------


def test_the_wall_clock_set_back_by_a_day(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    words = [*LONG, "--blocks", "1", "--output", str(journal)]
    with victim(tmp_path, words) as hit:
        await_storm(hit, journal)
        began_s, day_s = time.monotonic(), 86_400
        time.clock_settime(time.CLOCK_REALTIME, time.time() - day_s)
        try:
            hit.ended_after_s()
        finally:
            time.clock_settime(time.CLOCK_REALTIME, time.time() + day_s)
        assert time.monotonic() - began_s < 60
        assert hit.process.returncode == 0, hit.stderr()
    trials = read_journal(journal, strict=True).trials
    in_order(trials)
    for trial in trials:
        assert 0.5 < trial.storm.seconds < 30
        assert trial.latency is not None
        assert trial.latency.max_ns is not None
        assert 0 <= trial.latency.max_ns < 30e9


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
def test_tracefs_is_mounted_where_it_is_missing(tmp_path: Path) -> None:
    script = 'umount -l /sys/kernel/tracing /sys/kernel/debug/tracing 2>/dev/null; exec "$@"'
    apart = ["unshare", "--mount", "sh", "-c", script, "sh"]
    done, trials = run(tmp_path, *CHAINS, "--blocks", "1", before=apart)
    assert done.returncode == 0, done.stderr
    in_order(trials)


def test_statistics_that_another_process_switches(tmp_path: Path) -> None:
    """kernel.bpf_stats_enabled on and off within trials: counts and order are not touched."""
    setting = Path("/proc/sys/kernel/bpf_stats_enabled")
    journal = tmp_path / "run.jsonl"
    before = setting.read_text()
    words = [*CHAINS, "--blocks", "4", "--budget", "1MiB", "--output", str(journal)]
    switched = 0
    try:
        with victim(tmp_path, words) as hit:
            while hit.running():
                setting.write_text(str(switched % 2))
                switched += 1
                time.sleep(0.01)
            assert hit.process.returncode == 0, hit.stderr()
    finally:
        setting.write_text(before)
    trials = read_journal(journal, strict=True).trials
    assert switched > 10
    assert len(trials) == 8
    in_order(trials)


def test_a_cpu_that_goes_and_comes_back(tmp_path: Path) -> None:
    """Perf buffers are those of the CPUs at the start: exits elsewhere are dropped, and counted."""
    last, switch = last_cpu()
    journal = tmp_path / "run.jsonl"
    words = [*LONG, "--blocks", "2", "--output", str(journal)]
    with victim(tmp_path, words) as hit:
        await_storm(hit, journal)
        try:
            while hit.running():
                switch.write_text("0")
                time.sleep(0.2)
                switch.write_text("1")
                _pin_storm(hit, last)
                time.sleep(0.4)
        finally:
            switch.write_text("1")
        assert hit.process.returncode == 0, hit.stderr()
    trials = read_journal(journal, strict=True).trials
    assert len(trials) == 4
    in_order(trials)
    causes = 0
    for trial in trials:
        assert trial.ledger is not None
        lost = {"ENOENT", "EOPNOTSUPP"} & set(trial.ledger.dropped_by_cause)
        said = [each for each in trial.reasons if f"of CPU {last} dropped" in each]
        assert len(said) == len(lost), (trial.reasons, trial.ledger.dropped_by_cause)
        causes += len(lost)
    assert causes


def test_a_cpu_that_was_away_at_the_start_is_named(tmp_path: Path) -> None:
    last, switch = last_cpu()
    journal = tmp_path / "run.jsonl"
    words = [*LONG, "--transport", "perfbuf", "--blocks", "1", "--output", str(journal)]
    switch.write_text("0")
    try:
        with victim(tmp_path, words) as hit:
            await_storm(hit, journal)
            switch.write_text("1")
            _pin_storm(hit, last)
            hit.ended_after_s()
            assert hit.process.returncode == 0, hit.stderr()
    finally:
        switch.write_text("1")
    (trial,) = read_journal(journal, strict=True).trials
    in_order([trial])
    assert trial.ledger is not None
    assert trial.ledger.dropped > 100
    assert set(trial.ledger.dropped_by_cause) == {"ENOENT"}
    assert any(f"CPU {last}" in reason for reason in trial.reasons), trial.reasons


def _pin_storm(hit: Victim, cpu: int) -> None:
    """Keep the storm on one CPU: left alone, it may or may not spread to one that comes back."""
    if (leader := generator(hit)) is not None:
        for child in (leader, *_workers(leader)):
            with suppress(OSError):
                os.sched_setaffinity(child, {cpu})


def _workers(leader: int) -> list[int]:
    with suppress(OSError):
        text = Path(f"/proc/{leader}/task/{leader}/children").read_text()
        return [int(word) for word in text.split()]
    return []
