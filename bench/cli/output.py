# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print or write answers, and end quietly where a reader goes away (| head)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.report.document import Document


def say(line: str) -> None:
    """Print a line of bufbench's on stderr."""
    print(f"bufbench: {line}", file=sys.stderr, flush=True)


def name_faults(faults: Iterable[object], repeated: int) -> None:
    """Name on stderr the lines that could not be used, and how many trials were given twice."""
    from bench.escape import clean
    from bench.questions.transports.completeness import repeats

    for line in (*faults, *repeats(repeated)):
        say(clean(str(line)))


def show(documents: Iterable[Document]) -> None:
    """Print documents as text."""
    from bench.report.renderers import terminal

    for each in documents:
        terminal.show(each, terminal.Screen())


def answer(
    form: str, documents: Sequence[Document], data: Any = None, output: Path | None = None
) -> None:
    """Print the documents in ``form``, or write them to ``output`` and print its path.

    ``data`` is what JSON has of all of them; by default that of the first.
    """
    if form == "text":
        show(documents)
        return
    if form == "json":
        from bench.report.renderers.data import render_json

        text = render_json(documents[0].data if data is None else data)
    elif form == "html":
        from bench.report.renderers.html import one_page

        text = one_page(*documents)
    else:
        from bench.report.renderers.markdown import render_markdown

        text = render_markdown(*documents)
    print(text, end="") if output is None else print(write(output, text))


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and return its path; UsageError where it cannot be written."""
    from bench.host import ownership

    with writable(path):
        ownership.write(path, content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raise UsageError in place of an OSError: ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", remedy="choose another with --output"
        ) from error


@contextmanager
def read_or_not() -> Iterator[None]:
    """Let what is printed inside go unread: gates and files that come after still come."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        give_up()


def give_up() -> None:
    """Discard all further output; Python would fail again as it flushes at the end."""
    _discard(sys.stdout.fileno())


def finish() -> None:
    """Write what is still buffered; the exit code stands whether it is read or not."""
    try:
        sys.stdout.flush()
    except OSError:
        give_up()


def _discard(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


class DetachedStream(TextIOWrapper):
    """A stream whose reader may go away: progress must not end what it reports on."""

    def __init__(self, stream: TextIOWrapper) -> None:
        super().__init__(
            stream.detach(), encoding=stream.encoding, errors=stream.errors, line_buffering=True
        )

    def write(self, text: str) -> int:
        """Return the length of ``text``, written or not."""
        try:
            super().write(text)
        except OSError:
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        try:
            super().flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        with suppress(OSError, ValueError):
            _discard(self.fileno())
