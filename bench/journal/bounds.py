# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Bound what a line of a journal may hold: a journal is foreign data.

Within these bounds nothing that is computed from it overflows or turns into a NaN, and no line
takes more memory than its length suggests. docs/record-format.md names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

LARGEST: Final = 2**63 - 1
"""Numbers lie between minus this and this: a ratio of products of a few is still a float."""

SMALLEST: Final = 1e-30
"""A number nearer to 0 than this, but not 0, is not a measurement."""

MOST_VALUES: Final = 25_000
"""Values in one line: a trial with the longest timeline has some 7,000."""

MOST_IN_MAPPING: Final = 1_000
"""Keys of one mapping, such as wait statuses."""


def crowded(text: bytes) -> bool:
    """Return whether a line has more than ``MOST_VALUES`` values; commas in text count too."""
    return len(text) > MOST_VALUES and text.count(b",") > MOST_VALUES


def validator(kind: type) -> SchemaValidator:
    """Return a validator that makes a ``kind`` from a line's JSON, strictly and within the bounds.

    Strictly: "7" is not a number, and 7.0 not an integer. Of a repeated key the last value counts.
    """
    # pydantic takes a tenth of a second to import: only commands that read a journal should pay
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    return SchemaValidator(_bounded(TypeAdapter(kind).core_schema))


def _bounded(schema: Any) -> Any:
    """Return a pydantic-core schema with the bounds at every number and mapping in it."""
    if isinstance(schema, list):
        return [_bounded(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: value if key in ("metadata", "serialization") else _bounded(value)
        for key, value in schema.items()
    }
    match found.get("type"):
        case "int":
            return {**found, "ge": -LARGEST, "le": LARGEST}
        case "float":
            within = {**found, "ge": -float(LARGEST), "le": float(LARGEST), "allow_inf_nan": False}
            call = {"type": "no-info", "function": _not_too_small}
            return {"type": "function-after", "schema": within, "function": call}
        case "dict":
            return {**found, "max_length": MOST_IN_MAPPING}
        case "tuple":
            return {**found, "fail_fast": True}  # a fault is reported once, not for each item
    return found


def _not_too_small(value: float) -> float:
    if 0 < abs(value) < SMALLEST:
        raise ValueError(f"nearer to 0 than {SMALLEST:g}")
    return value
