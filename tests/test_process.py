# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run real programs through the gateway: what it promises is about real ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tracing import eventually

from bench.host import process


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_output_and_code_are_kept_apart() -> None:
    done = process.run(["sh", "-c", "echo out; echo err >&2"], timeout_s=10)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_words_are_never_a_shell_s() -> None:
    assert process.run(["echo", "a; exit 3", "$HOME"], timeout_s=10).stdout == "a; exit 3 $HOME\n"


def test_failure_carries_code_output_and_last_line() -> None:
    with pytest.raises(process.ProgramFailed) as caught:
        process.run(["sh", "-c", "echo some; echo why >&2; exit 7"], timeout_s=10)
    completed = caught.value.completed
    assert completed is not None
    assert (completed.returncode, completed.stdout, completed.stderr) == (7, "some\n", "why\n")
    assert str(caught.value) == "sh returned 7: why"
    assert not caught.value.timed_out


def test_a_signal_is_named() -> None:
    with pytest.raises(process.ProgramFailed, match="sh was killed by SIGSEGV"):
        process.run(["sh", "-c", "kill -SEGV $$"], timeout_s=10)


def test_failure_may_be_asked_for() -> None:
    assert process.run(["sh", "-c", "exit 7"], timeout_s=10, check=False).returncode == 7


def test_a_missing_program_is_named() -> None:
    with pytest.raises(process.ProgramFailed, match="cannot run /no/such/program: No such file"):
        process.run(["/no/such/program"], timeout_s=10)


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(process.ProgramFailed, match="cannot run /etc/passwd: Permission denied"):
        process.run(["/etc/passwd"], timeout_s=10)
    script = tmp_path / "script"
    script.write_text("echo no interpreter is named\n")
    script.chmod(0o755)
    with pytest.raises(process.ProgramFailed, match=r"cannot run .*/script: Exec format error"):
        process.run([script], timeout_s=10)


def test_a_tied_program_does_not_outlive_us() -> None:
    source = (
        "import sys, time\nfrom bench.host import process\n"
        "with process.started(['sleep', '60'], tied=True) as child:\n"
        "    time.sleep(float(sys.argv[1]))\n    print(child.pid, flush=True)\n    time.sleep(60)\n"
    )
    for after_s in ("0", "0.5"):  # killed while the program begins, and later
        with subprocess.Popen(
            [sys.executable, "-P", "-c", source, after_s], stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            pid = int(holder.stdout.readline())
            holder.kill()
        assert eventually(lambda gone=pid: not alive(gone))


def test_a_time_out_ends_children_too_and_keeps_what_was_said() -> None:
    with pytest.raises(process.ProgramFailed, match="longer than 5 s") as caught:
        process.run(["sh", "-c", "sleep 60 & echo $!; wait"], timeout_s=5)
    completed = caught.value.completed
    assert caught.value.timed_out
    assert completed is not None
    assert eventually(lambda: not alive(int(completed.stdout)))


def test_who_left_the_session_cannot_hold_us() -> None:
    began = time.monotonic()
    with pytest.raises(process.ProgramFailed) as caught:
        process.run(["setsid", "-w", "sh", "-c", "echo $$; exec sleep 600"], timeout_s=5)
    assert time.monotonic() - began < 60
    completed = caught.value.completed
    assert completed is not None
    survivor = int(completed.stdout)
    assert alive(survivor)
    os.kill(survivor, 9)


def test_environment_is_added_to_the_callers() -> None:
    script = "import os; print(os.environ['ADDED'], 'PATH' in os.environ)"
    done = process.run([sys.executable, "-c", script], timeout_s=10, env={"ADDED": "yes"})
    assert done.stdout == "yes True\n"


def test_output_that_is_no_text_does_not_stop_us() -> None:
    assert process.run(["printf", r"\377x"], timeout_s=10).stdout == "\N{REPLACEMENT CHARACTER}x"


@pytest.mark.parametrize("leaves_s", [0.0, 0.3])
def test_what_a_child_that_ended_left_in_its_session_is_ended_too(leaves_s: float) -> None:
    words = ["sh", "-c", f"sleep 60 & echo $!; sleep {leaves_s}; exit 3"]
    with process.started(words) as child:
        assert child.stdout is not None
        left = int(child.stdout.readline())
        assert process.ended(child, 10.0) == 3
        assert process.ended(child) == 3
        assert alive(left)
    assert eventually(lambda: not alive(left))


def test_how_a_child_ended_is_none_while_it_runs_and_minus_the_signal() -> None:
    with process.started(["sleep", "60"]) as child:
        assert process.ended(child, 0.01) is None
        child.kill()
        assert process.ended(child, 10.0) == -9
    assert process.ended(child) == -9
