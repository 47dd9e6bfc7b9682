# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Renderers: documents in, one form of them out. A file here is a form of that name.

``github_benchmark.py`` is the form ``github-benchmark``. Its function ``render`` returns the text.
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
        """Return the form; ends in a newline."""


@cache
def names() -> tuple[str, ...]:
    """Return the names of all forms."""
    modules = pkgutil.iter_modules(__path__)
    return tuple(sorted(module.name.replace("_", "-") for module in modules))


def find(name: str) -> Renderer:
    """Return the renderer of a form that :func:`names` lists."""
    found: Renderer = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").render
    return found
