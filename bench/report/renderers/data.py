# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write a document's data as JSON, by pydantic."""

from __future__ import annotations

import json
from typing import Any


def render_json(data: Any) -> str:
    """Return a dataclass as ASCII JSON, two blanks to a level; ends in a newline.

    Numbers that are not finite become null.
    """
    from pydantic import TypeAdapter

    text = TypeAdapter(type(data)).dump_json(data)
    return json.dumps(json.loads(text), indent=2, allow_nan=False) + "\n"
