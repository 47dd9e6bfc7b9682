# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What cannot end well is refused in one short line, before anybody waits or measures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tracing import bufbench

from bench import errors
from bench.errors import BufbenchError, UsageError

LONG = "x" * 10_060
LONGEST_LINE = 1_400

# Holds the machine's lock, so that whatever comes as far as asking for it is refused with 3.
HOLDER = (
    "import sys\nfrom bench.host import lock\n"
    "with lock.held(wait=True):\n print('held', flush=True)\n sys.stdin.read()"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        [LONG],
        ["run", "--profile", LONG],
        ["run", "--transport", LONG],
        ["run", "--budget", LONG],
        ["run", "--workload", LONG],
        ["run", "--cpus", LONG],
        ["run", "--storm-user", LONG],
        ["run", "--fail-on", LONG],
        ["run", "--count", "9" * 4_000],
        ["run", f"--{LONG}"],
        ["run", "--output", f"/tmp/{LONG}"],
        ["run", "--budget", "a " * 5_000],
        ["trace", "--transport", LONG],
        ["trace", "--budget", LONG],
        ["claims", "--only", LONG],
        ["claims", "--expect", LONG],
        ["claims", "--expect-file", LONG],
        ["report", LONG],
        ["compare", LONG, LONG],
        ["size", "--transport", LONG],
        ["kernels", "run", LONG],
        ["kernels", "report", LONG],
    ],
    ids=lambda words: " ".join(words)[:24],
)
def test_long_words_are_not_echoed_whole(words: list[str]) -> None:
    done = bufbench(*words)
    assert done.returncode in (2, 3)
    (line,) = done.stderr.splitlines()
    assert line.startswith("bufbench: ")
    assert len(line) < LONGEST_LINE
    assert line.isprintable()


def test_errors_are_one_printable_line_however_long() -> None:
    for text in (LONG, "a\nb\rc\x1b[2J\u202e\x00", "\n" * 10_000, "\udcff" * 3_000):
        line = str(UsageError(f"no file {text}", remedy=f"name another than {text}"))
        assert line.isprintable()
        assert len(line) < LONGEST_LINE
        assert line.startswith("no file ")
        assert "; name another than " in line


def test_what_is_short_stands_as_it_is() -> None:
    assert str(BufbenchError("what", remedy="do")) == "what; do"
    whole = "y" * errors._LONGEST
    assert errors.in_a_line(whole) == whole
    assert str(errors.MachineUnfit(whole)) == whole
    assert " ... " in errors.in_a_line(whole + "y")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--blocks", "0"], "--blocks 0"),
        (["run", "--count", "0"], "count 0"),
        (["run", "--seconds", "0"], "seconds 0"),
        (["run", "--seconds", "nan"], "seconds nan"),
        (["run", "--rate", "nan"], "rate nan"),
        (["run", "--stall", "nan"], "--stall nan"),
        (["size", "--seconds", "0"], "--seconds 0"),
        (["size", "--storms", "0"], "--storms 0"),
        (["size", "--margin", "nan"], "--margin nan"),
        (["size", "--tolerate", "nan"], "--tolerate nan"),
        (["claims", "--until-settled", "nan"], "--until-settled nan"),
        (["claims", "--blocks", "-1"], "--blocks -1"),
        (["trace", "--duration", "0"], "--duration 0"),
        (["trace", "--duration", "nan"], "--duration nan"),
        (["trace", "--pid", "0"], "--pid 0"),
        (["kernels", "run", "6.12", "--time-limit", "0"], "--time-limit 0"),
        (["kernels", "run", "6.12", "--time-limit", "nan"], "--time-limit nan"),
        (["kernels", "run", "6.12", "--jobs", "0"], "--jobs 0"),
        (["kernels", "run", "6.12", "--cpus", "0"], "--cpus 0"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_nothing_runs_for_no_time_or_no_number_of_times(words: list[str], said: str) -> None:
    done = bufbench(*words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line


@pytest.mark.parametrize("command", ["trace", "size"])
@pytest.mark.parametrize("name", ["noop", "none"])
def test_choices_are_those_of_the_command(command: str, name: str) -> None:
    done = bufbench(command, "--transport", name)
    assert done.returncode == 2
    choices = done.stderr.partition("choose from")[2]
    assert "ringbuf" in choices
    assert name not in choices
    assert "noop" in bufbench("run", "--transport", "nosuch").stderr


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("command", ["run", "size", "claims"])
def test_an_output_that_cannot_be_written_is_told_before_the_lock(
    command: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    places = {
        str(tmp_path): "Is a directory",
        str(file / "x.jsonl"): "cannot make the folder",
        str(file): "is no journal",
        str(tmp_path / ("n" * 300)): "File name too long",
        "/proc/x.jsonl": "No such file",
        os.devnull: "is not a regular file",
        str(pipe): "is not a regular file",
    }
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        for place, words in places.items():
            done = bufbench(command, "--output", place, "--wait", timeout_s=20)
            assert done.returncode == 2, place
            (line,) = done.stderr.splitlines()
            assert words in line
        good = bufbench(command, "--output", str(tmp_path / "new" / "good.jsonl"))
        assert good.returncode == 3
        assert "another measurement is running" in good.stderr
        assert list((tmp_path / "new").iterdir()) == []
        assert holder.stdin
        holder.stdin.close()
    assert file.read_text() == "precious"
