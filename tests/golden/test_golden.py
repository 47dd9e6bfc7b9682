# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the reference journals give what they gave: JSON of every question, verdicts, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from math import isclose
from typing import Any, Final

import pytest
from golden.outputs import OUTPUTS, kept

# numpy's log, exp and sums differ in the last digits from processor to processor: AVX-512 or not.
ROUNDING: Final = 1e-12


def values(text: str, name: str) -> Any:
    if name.endswith(".json"):
        return json.loads(text)
    return [[*map(cell, row)] for row in csv.reader(io.StringIO(text))]


def cell(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def differing(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """Yield the places at which two outputs differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in then.keys() | now.keys():
            if key in then and key in now:
                yield from differing(then[key], now[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} {'is gone' if key in then else 'is new'}"
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for at, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from differing(one, other, f"{place}[{at}]")
    elif isinstance(then, float) and isinstance(now, float):
        if not isclose(then, now, rel_tol=ROUNDING):
            yield f"{place}: was {then}, is {now}"
    elif then != now:
        yield f"{place}: was {str(then)[:80]}, is {str(now)[:80]}"


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTPUTS)
def test_the_reference_gives_what_it_gave(name: str) -> None:
    found = list(differing(values(kept(name), name), values(OUTPUTS[name](), name)))
    assert not found, f"{len(found)} differ; if that is intended: ./run generate -- golden"


def test_a_difference_is_found() -> None:
    then = {"a": [1, {"b": 2}], "c": None}
    assert list(differing(then, {"a": [1, {"b": 3}], "c": None})) == [".a[1].b: was 2, is 3"]
    assert list(differing({"a": 1.0}, {"a": 1.0 + 1e-11})) == [".a: was 1.0, is 1.00000000001"]
    assert not list(differing({"a": 1.0}, {"a": 1.0 + 1e-15}))
    assert sorted(differing(then, {"a": [1], "d": 0})) == [
        ".a: was [1, {'b': 2}], is [1]",
        ".c is gone",
        ".d is new",
    ]
