# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the suite's JUnit file: whatever the exit code is but 0, something in it failed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.errors import UsageError
from bench.suite import junit

PASSED = (
    '<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="0" '
    'skipped="0" tests="1" time="3.1"><testcase classname="a" name="b" time="3.0" />'
    "</testsuite></testsuites>"
)


def counts(path: Path) -> tuple[int, int, int]:
    """Return tests, failures and errors as the attributes say; fail where the elements differ."""
    root = ET.parse(path).getroot()
    (suite,) = root
    found = tuple(len([*suite.iter(name)]) for name in ("testcase", "failure", "error"))
    assert tuple(int(suite.attrib[name]) for name in ("tests", "failures", "errors")) == found
    return found[0], found[1], found[2]


def test_a_suite_that_is_killed_leaves_an_error(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.xml"
    junit.begin(path)
    assert counts(path) == (1, 0, 1)
    assert "the suite did not end" in path.read_text()


@pytest.mark.parametrize("code", [1, 2, 3, 4, 130, 143])
def test_no_exit_code_without_a_cause(code: int, tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    junit.begin(path)
    junit.complete(path, [], code=code, why='the <lock> is "held"')
    assert counts(path) == (1, 0, 1)
    error = ET.parse(path).getroot().find(".//error")
    assert error is not None
    assert error.attrib["message"] == 'the <lock> is "held"'
    path.write_text(PASSED)
    junit.complete(path, [], code=code, why="it")
    assert counts(path) == (2, 0, 1)


def test_gates_are_cases(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(PASSED)
    cases = [
        junit.Case(name="gate drops", failure="drops happened 5 times"),
        junit.Case(name="gate causal"),
        junit.Case(name="set-up", seconds=2.5),
    ]
    junit.complete(path, cases, code=1, why="not said: a gate says it")
    assert counts(path) == (4, 1, 0)
    times = {each.attrib["name"]: each.attrib["time"] for each in ET.parse(path).iter("testcase")}
    assert times == {"b": "3.0", "gate drops": "0.000", "gate causal": "0.000", "set-up": "2.500"}


def test_what_went_well_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(PASSED)
    junit.complete(path, [junit.Case(name="gate drops")], code=0, why="")
    assert counts(path) == (2, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--junitxml=a.xml"], "a.xml"),
        (["--junit-xml", "a.xml"], "a.xml"),
        (["--junitxml=a.xml", "-q", "--junitxml", "b.xml"], "b.xml"),
        (["--junitxml"], None),
        (["--junitxml=a.xml", "--help"], None),
        (["-q"], None),
    ],
)
def test_which_file(arguments: list[str], expected: str | None) -> None:
    assert junit.place(arguments) == (Path(expected) if expected else None)


def test_a_file_that_cannot_be_written_is_reported_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "x.xml", Path("/proc/x.xml")):
        with pytest.raises(UsageError, match="--junitxml"):
            junit.begin(path)
