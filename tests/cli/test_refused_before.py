# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a command that cannot end well is refused in one line, before it waits or measures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tracing import bufbench, side_by_side, within

from bench import errors
from bench.doctor import least_privilege
from bench.errors import BufbenchError, UsageError

LONG = "x" * 10_060
LONGEST_LINE = 1_400

NONSENSE: dict[str, list[tuple[list[str], str]]] = {
    "size": [
        (["--rate", "5", "--burst", "5"], "leave --rate or --burst out"),
        (["--record-size", "8"], "--record-size 8 is out of range; take 72 to 4168"),
        (["--storms", "19"], "--storms 19 is out of range; take 20 to 1000"),
        (["--margin", "0.5"], "--margin 0.5 is out of range"),
        (["--burst", "9" * 400], "is out of range; take 0 to 1000000"),
        (["--tolerate", "1"], "--tolerate 1 is not a share"),
        (["--tolerate", "nan"], "--tolerate nan is not a share"),
        (["--transport", "pigeon"], "pigeon"),
    ],
    "tune": [
        (["--rate", "5", "--burst", "5"], "leave --rate or --burst out"),
        (["--record-size", "8"], "--record-size 8 is out of range; take 72 to 4168"),
        (["--blocks", "7"], "--blocks 7 is out of range; take 8 to 1000"),
        (["--within", "0"], "--within 0 is out of range"),
        (["--within", "nan"], "--within nan is out of range"),
        (["--within", "5ms", "--for", "cpu"], "--within has no effect with --for cpu"),
        (["--budget", "5000"], "5,000 bytes is not a power of two times 4 KiB"),
        (["--budget", "4KiB", "--record-size", "4000"], "take a larger --budget"),
        (["--for", "fun"], "fun"),
        (["--buffer", "x"], "--buffer has no effect without --from"),
        (["--from", "/nowhere", "--rate", "5"], "--rate has no effect with --from"),
        (["--from", "/nowhere"], "/nowhere cannot be read: No such file or directory"),
        (["--transport", "pigeon"], "pigeon"),
        (["--transport", "ringbuf", "--transport", "ringbuf"], "--transport names one twice"),
    ],
    "duet": [
        (["ringbuf"], "a duet has two arms"),
        (["ringbuf", "pigeon"], "no transport 'pigeon'"),
        (["ringbuf:fast", "perfbuf"], "no arm has 'fast'"),
        (["perfbuf:output", "ringbuf"], "perfbuf has no output"),
        (["ringbuf", "perfbuf", "--assign", "100us"], "a window of 100us does not serve"),
        (["ringbuf", "perfbuf", "--assign", "banana"], "'banana' is not an assignment"),
        (["ringbuf", "perfbuf", "--precision", "0"], "--precision 0 is not a share"),
        (["ringbuf", "perfbuf", "--precision", "nan"], "--precision nan is not a share"),
        (["ringbuf", "perfbuf", "--precision", "-2%"], "--precision -2% is not a share"),
        (["ringbuf", "perfbuf", "--precision", "inf"], "--precision inf is not a share"),
        (["ringbuf", "perfbuf", "--margin", "nan%"], "--margin nan% is not a share"),
        (["ringbuf", "perfbuf", "--assign", "-1ms"], "'-1ms' is not an assignment"),
        (["ringbuf", "perfbuf", "--assign", "0ms"], "a window of 0ms does not serve"),
        (["ringbuf", "perfbuf", "--assign", "2s"], "a window of 2s does not serve"),
        (["ringbuf", "perfbuf", "--count", "0"], "count 0 is out of range; take 1 to"),
        (["ringbuf", "perfbuf", "--seconds", "nan"], "--seconds nan is out of range"),
        (["ringbuf", "perfbuf", "--rate", "nan"], "rate nan is out of range; take 0 to"),
        (["ringbuf", "perfbuf", "--rate", "-1"], "rate -1 is out of range; take 0 to"),
        (["ringbuf", "perfbuf", "--workload", "burst", "--rate", "9"], "a burst has no rate"),
        (["ringbuf", "perfbuf", "--budget", "0"], "--budget: '0' is not a size"),
        (
            ["ringbuf", "perfbuf", "--budget", "3000"],
            "3,000 bytes is not a power of two times 4 KiB",
        ),
        (["ringbuf", "perfbuf", "--budget", "1TiB"], "is more than a ring buffer can have"),
        (["ringbuf:checked", "perfbuf"], "two programs of one kind"),
        (["ringbuf", "perfbuf", "--budget", "4KiB"], "the arms of a duet have 4,096 and"),
        (["ringbuf:delay=500:records=2", "perfbuf"], "a delayed arm sends one record per exit"),
        (["ringbuf:delay=500:delay-cpu=8191", "perfbuf"], "CPU 8191 is not usable"),
        (["ringbuf:wakeup=0", "perfbuf"], "wakeup=0 is out of range; take 1 to 1000000"),
        (["Ringbuf", "ringbuf"], "no transport 'Ringbuf'"),
        (["ringbuf", "perfbuf", "--assign", "10s"], "hardly two fit into a storm"),
        (["ringbuf", "perfbuf", "--precision", "101%"], "--precision 101% is not a share"),
        (["ringbuf", "perfbuf", "--precision", "2%", "--storms", "9"], "--storms has no effect"),
        (["ringbuf:records=1001", "perfbuf"], "records=1001"),
        (["ringbuf", "perfbuf", "--storms", "7"], "--storms 7 is out of range"),
        (["ringbuf", "perfbuf", "--seconds", "0"], "--seconds 0 is out of range"),
        (["ringbuf", "perfbuf", "--workload", "chain"], "a duet of chain"),
        (["ringbuf", "perfbuf", "--workload", "trickle"], "a trickle is paced"),
    ],
    "check": [
        ([], "missing argument"),
        (["mytracer"], "bufbench does not know how to read this tool's lines"),
        (["--pid-pattern", "(", "mytracer"], "not a regular expression"),
        (["--rates", "5,3", "bpftrace"], "do not rise"),
        (["--rates", "0,3", "bpftrace"], "do not rise"),
        (["--rates", "nan", "bpftrace"], "--rates nan is out of range; take 0 to 1000000"),
        (["--rates", "100,nan", "bpftrace"], "--rates nan is out of range; take 0 to 1000000"),
        (["--rates", "1,2000000", "bpftrace"], "--rates 2e+06 is out of range"),
        (["--rates", "x", "bpftrace"], "is not a list of numbers"),
        (["--seconds", "0", "bpftrace"], "--seconds 0 is out of range"),
        (["--fail-on", "loud", "bpftrace"], "no gate 'loud'"),
        (["--fail-on", "", "bpftrace"], "no gate ''"),
        (["--preset", "dtrace", "bpftrace"], "no preset dtrace"),
    ],
}

# Holds the machine's lock, so that whatever comes as far as asking for it is refused with 3.
HOLDER = (
    "import sys\nfrom bench.host import lock\n"
    "with lock.held(wait=True):\n print('held', flush=True)\n sys.stdin.read()"
)


@pytest.mark.parametrize(
    ("command", "arguments", "complaint"),
    [(command, *each) for command, cases in NONSENSE.items() for each in cases],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    command: str,
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = within(command, *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]


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
    done = within(*words)
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


def test_what_is_short_is_kept() -> None:
    assert str(BufbenchError("what", remedy="do")) == "what; do"
    whole = "y" * errors._LONGEST
    assert errors.in_a_line(whole) == whole
    assert str(errors.MachineUnfit(whole)) == whole
    assert " ... " in errors.in_a_line(whole + "y")


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
        (
            ["kernels", "run", "6.12", "./nowhere", "--dry-run"],
            "kernel image ./nowhere: No such file",
        ),
        (["kernels", "run", "6.12", "--time-limit", "0"], "--time-limit 0"),
        (["kernels", "run", "6.12", "--time-limit", "nan"], "--time-limit nan"),
        (["kernels", "run", "6.12", "--jobs", "0"], "--jobs 0"),
        (["kernels", "run", "6.12", "--cpus", "0"], "--cpus 0"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_nothing_runs_for_no_time_or_no_number_of_times(words: list[str], said: str) -> None:
    done = within(*words)
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


def test_what_is_refused_has_tried_no_capabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes BPF programs and processes, which another measurement beside it would see."""
    monkeypatch.setattr(least_privilege, "examine", lambda: pytest.fail("it tries them"))
    assert within("claims", "--output", str(tmp_path)).returncode == 2


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("command", ["run", "size", "claims"])
def test_an_output_that_cannot_be_written_is_reported_before_the_lock(
    command: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    places = {
        str(tmp_path): "Is a directory",
        str(file / "x.jsonl"): "cannot make the folder",
        str(file): "is not a journal",
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
        ended = side_by_side(lambda place: bufbench(command, "--output", place, "--wait"), places)
        for place, words in places.items():
            assert ended[place].returncode == 2, place
            (line,) = ended[place].stderr.splitlines()
            assert words in line
        good = bufbench(command, "--output", str(tmp_path / "new" / "good.jsonl"))
        assert good.returncode == 3
        assert "another measurement is running" in good.stderr
        assert list((tmp_path / "new").iterdir()) == []
        assert holder.stdin
        holder.stdin.close()
    assert file.read_text() == "precious"
