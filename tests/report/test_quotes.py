# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that README files and documents quote only results that the reference journals give."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Final

import pytest
import quotes
import reference

ROOT: Final = reference.FOLDER.parents[1]
QUOTING: Final = ("README.md", "results/README.md")
DOCUMENTS: Final = tuple(sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md")))

MEASURED: Final = re.compile(
    r"""\d[\d.,]*\s*(?:
        [mnµu]s\b                                  # times
      | (?:M|k)/s                                  # rates
      | (?:\d+\s+of\s+)?(?:trials|pairs|violations|comparisons|records|blocks)\b
      | %
      )|\b\d[\d,]*\sof\s\d[\d,]*""",
    re.VERBOSE,
)
SEEN: Final = re.compile(
    r"""\b(?:[Ss]een|[Mm]edians?)\b[^.;|]*?\d[\d.,]*\s?(?:[mµu]?s|[kMG]i?B|%|times)\b
      | \d[\d.,]*\s?(?:µs|us|M/s)\b
      | \b\d[\d,]*\sof\s\d[\d,]*\b
      | \b\d[\d,]{3,}\s(?:trials|pairs|exits|inputs)\b""",
    re.VERBOSE,
)
"""Figures as documents would give them of something that was measured."""


def outside(text: str) -> str:
    """Return the text without what is generated, without commands and without links' addresses."""
    text = re.sub(r"<!-- generated: \S+ -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\]\([^)]*\)", "]", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", quotes.DOCUMENTS)
def test_what_is_quoted_is_what_the_journals_give(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / name).read_text(encoding="utf-8")
    assert quotes.written(text) == text, "stale: ./run generate"


def test_every_part_is_used() -> None:
    texts = "".join((ROOT / name).read_text(encoding="utf-8") for name in quotes.DOCUMENTS)
    assert set(re.findall(r"<!-- generated: (\S+) -->", texts)) == set(quotes.BLOCKS)


RULES: Final = (
    "64 KiB",
    "95 % bootstrap",
    "(2 %, or the A/A",
)
"""What README says of the rules and not of results."""


@pytest.mark.parametrize("name", QUOTING)
def test_no_other_number_is_a_result(name: str) -> None:
    text = outside((ROOT / name).read_text(encoding="utf-8"))
    for rule in RULES:
        text = text.replace(rule, "")
    assert MEASURED.findall(text) == []


def test_the_check_sees_what_it_is_for() -> None:
    for text in (
        "39 of 20,043 late",
        "median 34.8 µs here",
        "it dropped 18.2 % there",
        "928 trials, all balanced",
        "0 violations in 1,728,781 pairs",
        "12.1 M/s",
    ):
        assert MEASURED.search(text), text
    for text in ("Linux 6.18", "35 published claims", "exit code 130", "8 KiB", "--blocks 8"):
        assert not MEASURED.search(text), text


@pytest.mark.parametrize("path", sorted(reference.FOLDER.rglob("*.jsonl*")), ids=str)
def test_journals_name_no_folder_of_their_machine(path: Path) -> None:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        words = json.loads(file.readline())["command_line"]
    assert [word for word in words if re.match(r"(-[^=]*=)?/", word)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_give_no_figures_of_measurements(name: str) -> None:
    """No committed journal has them."""
    text = outside((ROOT / name).read_text(encoding="utf-8"))
    for rule in _RULES_IN_DOCUMENTS:
        text = text.replace(rule, "")
    assert SEEN.findall(text) == []


_RULES_IN_DOCUMENTS: Final = ("0 losses of 20", "9 of 10", "where 64 sets take 256 MiB")
