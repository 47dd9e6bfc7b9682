# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The JUnit file of the suite, completed by what pytest does not know of: gates and exit codes.

A file that says nothing failed must mean exit code 0, however the suite ended: so one that says
that it did not end is written first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from bench.errors import UsageError
from bench.host import ownership

_OPTIONS: Final = ("--junitxml", "--junit-xml")
_NOTHING_RUNS: Final = frozenset(("-h", "--help", "--version", "-V"))
_CLASS: Final = "bufbench"
_UNENDED: Final = "the suite did not end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One more test case. ``failure`` and ``error`` are "" where there is none."""

    name: str
    seconds: float = 0.0
    failure: str = ""
    error: str = ""


def place(arguments: Sequence[str]) -> Path | None:
    """Return the file that a command line asks for; the last one counts."""
    found = None
    if not _NOTHING_RUNS & {*arguments}:
        for at, word in enumerate(arguments):
            name, equals, value = word.partition("=")
            if name in _OPTIONS:
                found = value if equals else "".join(arguments[at + 1 : at + 2])
    # As pytest does.
    return Path(os.path.expanduser(os.path.expandvars(found))) if found else None  # noqa: PTH111


def begin(path: Path) -> None:
    """Write the file of a suite that did not end. UsageError where it cannot be written."""
    try:
        ownership.make_folder(path.parent)
    except OSError as error:
        raise UsageError(f"--junitxml: cannot make {path.parent}: {error.strerror}") from error
    _write(path, _suites([Case(name="suite", error=_UNENDED)]))


def complete(path: Path, cases: Iterable[Case], *, code: int, why: str) -> None:
    """Add ``cases``, and an error ``why`` if no case stands for the exit code."""
    root = _read(path)
    suite = root.find("testsuite")
    more = [*cases]
    if suite is None:
        root = _suites(more)
    else:
        _add(suite, more)
    if code and root.find(".//failure") is None and root.find(".//error") is None:
        _add(root[0], [Case(name=f"exit code {code}", error=why)])
    _write(path, root)


def _read(path: Path) -> ET.Element:
    """Read what pytest wrote; an element without a suite if it wrote nothing."""
    empty = ET.Element("testsuites")
    try:
        root = ET.parse(path).getroot()  # noqa: S314  this process wrote it
    except (OSError, ET.ParseError):
        return empty
    unended = root.find(f".//error[@message='{_UNENDED}']")
    return root if unended is None and root.tag == "testsuites" else empty


def _suites(cases: Sequence[Case]) -> ET.Element:
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", name="pytest")
    _add(suite, cases)
    return root


def _add(suite: ET.Element, cases: Sequence[Case]) -> None:
    for case in cases:
        seconds = f"{case.seconds:.3f}"
        element = ET.SubElement(suite, "testcase", classname=_CLASS, name=case.name, time=seconds)
        for kind, message in (("failure", case.failure), ("error", case.error)):
            if message:
                ET.SubElement(element, kind, message=message).text = message
    for name, found in (
        ("tests", len(cases)),
        ("failures", sum(bool(case.failure) for case in cases)),
        ("errors", sum(bool(case.error) for case in cases)),
        ("skipped", 0),
    ):
        suite.set(name, str(int(suite.get(name, "0")) + found))


def _write(path: Path, root: ET.Element) -> None:
    try:
        ownership.write(path, ET.tostring(root, encoding="utf-8", xml_declaration=True))
    except OSError as error:
        raise UsageError(f"--junitxml: cannot write {path}: {error.strerror}") from error
