# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Options that several commands have, and the forms in which answers are printed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.tracer.transports import names

if TYPE_CHECKING:
    from bench.report.document import Document

Journal = Annotated[
    Path | None,
    typer.Option("--output", help="Journal to write; results/NAME-TIME.jsonl by default."),
]
Seed = Annotated[int, typer.Option("--seed", help="Of the blocks' random order.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until no other measurement runs.")]
Transports = Annotated[
    list[str] | None,
    typer.Option("--transport", help=f"{', '.join(names())}; may be repeated."),
]


class Format(StrEnum):
    """Forms in which an answer is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


AsFormat = Annotated[Format, typer.Option("--format", help="How to write it.")]


def print_answer(documents: Sequence[Document], data: Any, form: Format) -> None:
    """Print the documents in ``form``; ``data`` is what JSON has of all of them."""
    if form is Format.TEXT:
        from bench.report.renderers.terminal import Screen, show

        for each in documents:
            show(each, Screen())
    elif form is Format.MARKDOWN:
        from bench.report.renderers.markdown import render_markdown

        print(render_markdown(*documents), end="")
    else:
        from bench.report.renderers.data import render_json

        print(render_json(data), end="")
