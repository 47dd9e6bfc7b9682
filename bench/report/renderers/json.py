# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render the data behind documents as JSON, with pydantic."""

from __future__ import annotations

import json
from typing import Any

from bench.report.document import Document


def render(*documents: Document, data: Any = None) -> str:
    """Return ``data``, or that of the first document, as ASCII, indented by two blanks.

    Numbers that are not finite become null.
    """
    import msgspec
    from pydantic import TypeAdapter

    whole = documents[0].data if data is None else data
    text = TypeAdapter(type(whole)).dump_json(whole)
    plain = json.dumps(json.loads(text), allow_nan=False)
    return msgspec.json.format(plain, indent=2) + "\n"  # dumps() takes ten times as long to indent
