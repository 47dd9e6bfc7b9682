# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench run as people run it: what it leaves, and how it refuses nonsense."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tracing import BUFBENCH, alive, bpf_ids, bufbench, eventually, reaches, within

from bench.host import process
from bench.journal.reader import read_journal
from bench.tracer import loader

SMALL = ["--count", "300", "--blocks", "2", "--budget", "64KiB", "--wait"]


def complaint(done: process.Completed, code: int) -> str:
    """Return the one line that reports a failure."""
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("bufbench: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workload", "earthquake"], "earthquake"),
        (["--profile", "endless"], "endless"),
        (["--profile", ""], "no profile ''"),
        (["--transport", "pipe"], "pipe"),
        (["--budget", "12KiB"], "power of two"),
        (["--budget", "100"], "power of two"),
        (["--budget", "0"], "size"),
        (["--budget", "-4KiB"], "size"),
        (["--budget", "much"], "size"),
        (["--budget", "1024GiB"], "more than a ring buffer can have"),
        (["--cpus", "99999"], "99999"),
        (["--cpus", "first"], "CPUs"),
        (["--cpus", "1-"], "CPUs"),
        (["--cpus", "0,0"], "twice"),
        (["--payload", "7"], "payload"),
        (["--payload", "8192"], "payload"),
        (["--payload", "heavy"], "payload"),
        (["--wakeup", "sometimes"], "wake-up"),
        (["--wakeup", "0"], "--wakeup 0 is out of range"),
        (["--records", "0"], "records"),
        (["--records", "1001"], "records"),
        (["--blocks", "0"], "blocks"),
        (["--count", "0"], "count"),
        (["--workers", "10000"], "workers"),
        (["--rate", "nan"], "rate"),
        (["--seconds", "0"], "seconds"),
        (["--workload", "trickle"], "rate"),
        (["--workload", "burst", "--rate", "5"], "rate"),
        (["--fail-on", "boredom"], "boredom"),
        (["--resume"], "--output"),
        (["--poll", "never-ever"], "never-ever"),
        (["--reader", "eyes"], "eyes"),
        (["--interval", "-1"], "interval"),
        (["--flush", "-1"], "--flush"),
        (["--flush", "5", "--poll", "busy"], "--flush has no effect without --poll epoll"),
        (["--flush", "5", "--reader", "bcc"], "--flush has no effect on --reader bcc"),
        (["--wakeup", "4KiB", "--reader", "bcc"], "counts records, not bytes"),
        (
            ["--wakeup", "none", "--reader", "bcc"],
            "perfbuf counts records, not bytes, and is always",
        ),
        (["--wakeup", "9T"], "--wakeup 9T is out of range"),
        (["--stall", "-1"], "stall"),
        (["--consumer-cpu", "99999"], "99999"),
        (["--seed", "x"], "seed"),
    ],
)
def test_nonsense_is_reported_in_a_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    where = [] if "--resume" in arguments else ["--output", str(journal)]
    assert said in complaint(within("run", *where, *arguments), 2)
    assert not journal.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"not a journal\n", "line 1"),
        (b'{"schema":999,"kind":"machine"}\n', "999|newer"),
    ],
)
@pytest.mark.live
def test_what_is_no_journal_is_not_resumed(text: bytes, said: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    journal.write_bytes(text)
    line = complaint(bufbench("run", *SMALL, "--resume", "--output", str(journal)), 2)
    assert any(word in line for word in said.split("|")), line
    assert journal.read_bytes() == text


@pytest.mark.live
def test_nowhere_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "run.jsonl", tmp_path, Path("/proc/run.jsonl")):
        assert "--output" in complaint(bufbench("run", *SMALL, "--output", str(place)), 2)


@pytest.mark.slow
@pytest.mark.live
def test_a_run_leaves_its_trials_and_a_summary(tmp_path: Path) -> None:
    journal = tmp_path / "new" / "run.jsonl"
    done = bufbench(
        "run", *SMALL, "--transport", "ringbuf", "--transport", "perfbuf", "--output", str(journal)
    )
    assert done.returncode == 0, done
    assert {"ringbuf", "perfbuf"} <= set(done.stdout.replace("@", " ").split())
    assert f"journal: {journal}" in done.stderr
    content = read_journal(journal, strict=True)
    (run,) = content.runs
    assert Counter(trial.config.transport for trial in run.trials) == {"ringbuf": 2, "perfbuf": 2}
    assert Counter(trial.block for trial in run.trials) == {0: 2, 1: 2}
    assert all(trial.ledger and trial.ledger.balanced for trial in run.trials)


@pytest.mark.slow
@pytest.mark.live
def test_gates_decide_about_the_exit_code(tmp_path: Path) -> None:
    # Nothing is read within a storm: what does not fit is lost.
    arguments = ["run", "--count", "2400", "--poll", "stopped", "--blocks", "1", "--quiet"]
    few = ["--wait", "--budget", "64KiB", "--output", str(tmp_path / "few.jsonl")]
    failed = bufbench(*arguments, *few, "--fail-on", "perfbuf:drops")
    assert failed.returncode == 1, failed
    assert failed.stderr.splitlines()[-1].startswith("bufbench: gate failed: perfbuf:drops")
    reordered = [
        *("run", "--workload", "pingpong", "--count", "2400", "--workers", "1", "--spawn", "fork"),
        *("--poll", "timed", "--blocks", "1", "--budget", "256KiB", "--quiet", "--wait"),
    ]
    output = ["--output", str(tmp_path / "reordered.jsonl")]
    failed = bufbench(*reordered, *output, "--fail-on", "perfbuf:causal")
    assert failed.returncode == 1, failed
    assert failed.stderr.splitlines()[-1].startswith("bufbench: gate failed: perfbuf:causal")
    all_ = ["--wait", "--budget", "16MiB", "--output", str(tmp_path / "all.jsonl")]
    assert bufbench(*arguments, *all_, "--fail-on", "ringbuf:causal,drops").returncode == 0


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("setpriv --bounding-set=-all --inh-caps=-all --", "root"),
        ("unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec \"$@\"' --", "BTF"),
    ],
)
@pytest.mark.parametrize("what", ["run", "trace"])
def test_an_unfit_machine_is_reported_in_a_line(
    what: str, command: str, said: str, tmp_path: Path
) -> None:
    extra = [*SMALL, "--output", str(tmp_path / "run.jsonl")] if what == "run" else []
    done = process.run([*shlex.split(command), *BUFBENCH, what, *extra], timeout_s=60, check=False)
    assert done.returncode == 3, done
    assert "Traceback" not in done.stderr
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("what", ["run", "trace"])
def test_a_machine_without_the_tracepoint(what: str, tmp_path: Path) -> None:
    hidden = (
        "mount -t tmpfs none /sys/kernel/tracing; mkdir -p /sys/kernel/tracing/events;"
        ' exec setpriv --bounding-set=-sys_admin --inh-caps=-all -- "$@"'
    )
    extra = [*SMALL, "--output", str(tmp_path / "run.jsonl")] if what == "run" else []
    words = ["unshare", "-m", "sh", "-c", hidden, "--", *BUFBENCH, what, *extra]
    done = process.run(words, timeout_s=60, check=False)
    assert done.returncode == 3, done
    assert "Traceback" not in done.stderr
    assert "tracefs" in done.stderr.splitlines()[-1]


@pytest.fixture
def lattice(tmp_path: Path) -> str:
    """Make a folder with the other module named bcc."""
    (tmp_path / "bcc.py").write_text("lattice = 'body-centred cubic'\n")
    return str(tmp_path)


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("what", ["run", "trace"])
def test_the_wrong_bcc(
    what: str, lattice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    extra = [*SMALL, "--output", str(tmp_path / "run.jsonl")] if what == "run" else []
    script = f"import sys; sys.path.insert(0, {lattice!r}); from bench.cli import main; main()"
    done = process.run([sys.executable, "-c", script, what, *extra], timeout_s=60, check=False)
    assert done.returncode == 3, done
    assert "lattice" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("delay_lines", [0, 3, 5])
def test_ctrl_c_leaves_whole_lines_and_nothing_else(delay_lines: int, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    words = [*BUFBENCH, "run", "--wait", "--count", "2000", "--blocks", "1000"]
    words += ["--output", str(journal)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert reaches(
            run, lambda: journal.exists() and journal.read_bytes().count(b"\n") >= delay_lines
        )
        ids = bpf_ids(run.pid)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in said
    if delay_lines or journal.exists():  # Ctrl-C may come before the first line
        content = read_journal(journal, strict=True)
        assert journal.read_bytes().endswith(b"\n")
        assert len(content.trials) >= delay_lines - 1
    assert eventually(lambda: not alive(ids))
    assert not [pid for pid in children if Path(f"/proc/{pid}/exe").is_file()]


@pytest.mark.slow
@pytest.mark.live
def test_a_killed_run_is_resumed_to_the_same_set(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    arguments = ["run", "--wait", "--count", "1000", "--blocks", "6", "--quiet"]
    arguments += ["--output", str(journal)]
    with subprocess.Popen([*BUFBENCH, *arguments], stderr=subprocess.DEVNULL) as run:
        assert reaches(run, lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 4)
        run.kill()
    left = read_journal(journal).trials
    assert 3 <= len(left) < 6 * 2
    done = bufbench(*arguments, "--resume")
    assert done.returncode == 0, done
    content = read_journal(journal, strict=True)
    places = [(trial.experiment, trial.arm, trial.block) for trial in content.trials]
    arms = {arm for _, arm, _ in places}
    assert sorted(places) == sorted(("storm", arm, block) for arm in arms for block in range(6))
    assert content.trials[: len(left)] == left
    again = bufbench(*arguments, "--resume")
    assert again.returncode == 0, again
    assert len(read_journal(journal).trials) == len(places)


@pytest.mark.slow
@pytest.mark.live
def test_a_full_disk_keeps_the_trials_before_it(tmp_path: Path) -> None:
    script = f'mount -t tmpfs -o size=64k none {tmp_path}; "$@"; code=$?; cat "$0"; exit $code'
    journal = tmp_path / "run.jsonl"
    words = [*BUFBENCH, "run", "--wait", "--count", "500", "--blocks", "50"]
    words += ["--output", str(journal)]
    done = process.run(
        ["unshare", "-m", "sh", "-c", script, str(journal), *words], timeout_s=120, check=False
    )
    assert done.returncode == 2, done
    last = done.stderr.splitlines()[-1]
    assert "No space left on device" in last
    assert "--resume" in last
    assert "Traceback" not in done.stderr
    copy = tmp_path / "copy.jsonl"
    copy.write_text(done.stdout)
    content = read_journal(copy, strict=True)
    assert f"{len(content.trials)} trial" in last
    assert len(content.trials) > 1
