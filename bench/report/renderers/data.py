# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write a document's data as JSON, by pydantic."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any


def render_json(data: Any) -> str:
    """Return a dataclass as ASCII JSON, two blanks to a level; ends in a newline.

    Numbers that are not finite become null.
    """
    from pydantic import TypeAdapter

    plain = TypeAdapter(type(data)).dump_python(data, mode="json")
    return json.dumps(_finite(plain), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list():
            return [_finite(each) for each in value]
        case float():
            return value if isfinite(value) else None
        case _:
            return value
