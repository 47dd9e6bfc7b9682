# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the frame of the command line, as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from tracing import BUFBENCH, bufbench, unread, within

from bench.cli import COMMANDS
from bench.host import process


def test_version_names_the_program() -> None:
    assert bufbench("--version").stdout.startswith("bufbench ")


def test_nothing_asked_shows_the_commands() -> None:
    done = bufbench()
    assert done.returncode == 2
    assert all(command in done.stdout + done.stderr for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    done = within(command, "--help")
    assert done.returncode == 0
    assert f"Example: bufbench {command}" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["--no-such-option"],
        ["doctor", "--no-such-option"],
        ["doctor", "surplus"],
        ["run", "--count"],
    ],
)
def test_wrong_usage_is_reported_in_a_line(arguments: list[str]) -> None:
    done = within(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert arguments[-1] in line
    assert line.startswith("bufbench: ")
    assert line.endswith("--help")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("reprot x", "no such command 'reprot'. Did you mean 'report'?; see bufbench --help"),
        (
            "kernels repport",
            "no such command 'repport'. Did you mean 'report'?; see bufbench kernels --help",
        ),
        ("frobnicate", "no such command 'frobnicate'; see bufbench --help"),
        ("size --rate", "option '--rate' requires an argument; see bufbench size --help"),
        ("report x --format json --output .", ". is a folder; name a file with --output"),
    ],
)
def test_wrong_usage_says_what_was_meant_and_where_to_read_on(typed: str, said: str) -> None:
    done = within(*typed.split())
    assert (done.returncode, done.stderr) == (2, f"bufbench: {said}\n")


def test_doctor_reports_the_same_in_both_forms() -> None:
    lines, document = bufbench("doctor"), bufbench("doctor", "--json")
    found = json.loads(document.stdout)
    assert lines.returncode == document.returncode == (0 if found["fit"] else 3)
    for finding in found["findings"]:
        assert finding["name"] in lines.stdout
        assert finding["status"] in {"ok", "warn", "fail"}
    assert max(map(len, lines.stdout.splitlines())) <= 80


@pytest.mark.live
def test_doctor_without_capabilities_is_unfit() -> None:
    # Not another user: that one may not be allowed to read this checkout.
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    done = process.run([*without, *BUFBENCH, "doctor"], timeout_s=30, check=False)
    assert done.returncode == 3
    assert "lacks CAP_BPF and CAP_PERFMON" in done.stdout
    assert done.stderr == ""
    nobody_reads = unread(*without, *BUFBENCH, "doctor")
    assert (nobody_reads.returncode, nobody_reads.stderr) == (3, "")


def test_an_error_is_one_line_and_its_exit_code() -> None:
    script = (
        "from bench import cli, errors\nfrom bench.doctor import doctor\n"
        "def examine(): raise errors.MachineUnfit('it is missing', remedy='install it')\n"
        "doctor.examine = examine\n"
        "import sys; sys.argv[1:] = ['doctor']\n"
        "cli.main()"
    )
    done = process.run([sys.executable, "-c", script], timeout_s=30, check=False)
    assert (done.returncode, done.stderr) == (3, "bufbench: it is missing; install it\n")


def test_ctrl_c_is_130_and_reported_in_a_line() -> None:
    script = (
        "import sys, time\nfrom bench import cli\nfrom bench.doctor import doctor\n"
        "all_ = doctor.examine\n"
        "def examine():\n yield next(all_())\n time.sleep(60)\n"
        "doctor.examine = examine\nsys.argv[1:] = ['doctor']\ncli.main()"
    )
    words = [sys.executable, "-c", script]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, complaint = child.communicate(timeout=30)
    assert (child.returncode, complaint) == (130, "bufbench: interrupted\n")


def test_a_reader_that_leaves_is_no_error() -> None:
    with subprocess.Popen(
        [*BUFBENCH, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        child.stdout.close()
        complaint = child.stderr.read()
    assert (child.returncode, complaint) == (0, "")


def test_nothing_heavy_is_imported_at_the_start() -> None:
    script = "import bench.cli, bench.cli.doctor, sys; print(*sys.modules)"
    loaded = process.run([sys.executable, "-c", script], timeout_s=30).stdout.split()
    assert not {"bcc", "numpy", "scipy", "pydantic", "polars", "rich", "pytest"} & {*loaded}


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">/dev/full", 2, "bufbench: the output cannot be written: No space left on device"),
        (">&-", 0, ""),
        (">/dev/null 2>&-", 0, ""),
    ],
)
def test_output_that_goes_nowhere(redirection: str, code: int, said: str) -> None:
    done = process.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *BUFBENCH, "run", "--help"],
        timeout_s=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == bool(said)
