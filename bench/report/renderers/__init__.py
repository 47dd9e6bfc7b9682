# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render documents: each file here is an output format of that name.

``github_benchmark.py`` is the format ``github-benchmark``. Its ``render`` returns the text.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bench.report.document import Document


class Renderer(Protocol):
    """Render documents; ``data`` is the dataclass behind all of them."""

    def __call__(self, *documents: Document, data: Any = None) -> str:
        """Return the text; ends in a newline."""


@cache
def names() -> tuple[str, ...]:
    """Return the names of all formats."""
    modules = pkgutil.iter_modules(__path__)
    return tuple(sorted(module.name.replace("_", "-") for module in modules))


def find(name: str) -> Renderer:
    """Return the renderer of a format that :func:`names` lists."""
    found: Renderer = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").render
    return found
