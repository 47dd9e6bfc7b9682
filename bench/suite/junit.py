# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Add to the JUnit file of the suite what pytest does not know: gates and exit codes.

A file without failures must mean exit code 0, however the suite ended: so one that says that the
suite did not end is written first.
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
_UNENDED: Final = "the suite did not end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Hold one more test case. ``failure`` and ``error`` are "" where there is none."""

    name: str
    seconds: float = 0.0
    failure: str = ""
    error: str = ""


def place(arguments: Sequence[str]) -> Path | None:
    """Return the file that a command line requests; the last one counts."""
    found = None
    if not _NOTHING_RUNS & {*arguments}:
        for at, word in enumerate(arguments):
            name, equals, value = word.partition("=")
            if name in _OPTIONS:
                found = value if equals else "".join(arguments[at + 1 : at + 2])
    # As pytest does.
    return Path(os.path.expanduser(os.path.expandvars(found))) if found else None  # noqa: PTH111


def begin(path: Path) -> None:
    """Write the file of a suite that did not end. UsageError if it cannot be written."""
    try:
        ownership.make_folder(path.parent)
    except OSError as error:
        raise UsageError(f"--junitxml: cannot make {path.parent}: {error.strerror}") from error
    _write(path, ET.Element("testsuites"), [Case(name="suite", error=_UNENDED)])


def complete(path: Path, cases: Iterable[Case], *, code: int, why: str) -> None:
    """Add ``cases``, and an error ``why`` if no case explains the exit code."""
    more = [*cases]
    root = ET.Element("testsuites")
    try:
        written = ET.parse(path).getroot()  # noqa: S314  this process wrote it
        if written.tag == root.tag and written.find(f".//error[@message='{_UNENDED}']") is None:
            root = written
    except (OSError, ET.ParseError):
        pass  # pytest wrote nothing
    failed = any(each.failure for each in more) or root.find(".//failure") is not None
    if code and not failed and root.find(".//error") is None:
        more.append(Case(name=f"exit code {code}", error=why))
    _write(path, root, more)


def _write(path: Path, root: ET.Element, cases: Sequence[Case]) -> None:
    suite = root.find("testsuite")
    if suite is None:
        suite = ET.SubElement(root, "testsuite", name="pytest")
    for case in cases:
        named = {"classname": "bufbench", "name": case.name, "time": f"{case.seconds:.3f}"}
        element = ET.SubElement(suite, "testcase", named)
        for kind, message in (("failure", case.failure), ("error", case.error)):
            if message:
                ET.SubElement(element, kind, message=message).text = message
    kinds = {"tests": "testcase", "failures": ".//failure", "errors": ".//error"}
    for name, kind in (kinds | {"skipped": ".//skipped"}).items():
        suite.set(name, str(len(suite.findall(kind))))
    try:
        ownership.write(path, ET.tostring(root, encoding="utf-8", xml_declaration=True))
    except OSError as error:
        raise UsageError(f"--junitxml: cannot write {path}: {error.strerror}") from error
