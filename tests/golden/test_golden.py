# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The reference journals give what they gave: JSON of every question, verdicts, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from golden.outputs import OUTPUTS, kept


def values(text: str, name: str) -> Any:
    return json.loads(text) if name.endswith(".json") else list(csv.DictReader(io.StringIO(text)))


def differing(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """The places at which two outputs differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in then.keys() | now.keys():
            if key in then and key in now:
                yield from differing(then[key], now[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} {'is gone' if key in then else 'is new'}"
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for at, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from differing(one, other, f"{place}[{at}]")
    elif then != now:
        yield f"{place}: was {str(then)[:80]}, is {str(now)[:80]}"


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTPUTS)
def test_the_reference_gives_what_it_gave(name: str) -> None:
    found = list(differing(values(kept(name), name), values(OUTPUTS[name](), name)))
    assert not found, (
        f"{len(found)} differ; run PYTHONPATH=tests python tests/golden/outputs.py if that is meant"
    )


def test_a_difference_is_found() -> None:
    then = {"a": [1, {"b": 2}], "c": None}
    assert list(differing(then, {"a": [1, {"b": 3}], "c": None})) == [".a[1].b: was 2, is 3"]
    assert sorted(differing(then, {"a": [1], "d": 0})) == [
        ".a: was [1, {'b': 2}], is [1]",
        ".c is gone",
        ".d is new",
    ]
