# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print or write answers, and end quietly if their reader goes away (| head)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from bench.errors import Say, UsageError, clean

if TYPE_CHECKING:
    from bench.journal.schema import JournalContent
    from bench.report.document import Document


def say(line: str) -> None:
    """Print a line, which may contain foreign text, on stderr."""
    print(f"bufbench: {clean(line)}", file=sys.stderr, flush=True)


def speaker() -> Say:
    """Return a function that prints lines on stderr, each with the time since now."""
    began = time.monotonic()

    def say_when(what: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"[{minutes:2d}:{seconds:02d}] {what}", file=sys.stderr, flush=True)

    return say_when


def name_faults(faults: Iterable[object], repeated: int) -> None:
    """List on stderr the lines that could not be used, and how many trials occurred twice."""
    from bench.questions.transports.completeness import repeats

    for line in (*faults, *repeats(repeated)):
        say(str(line))


def read(journals: Sequence[Path]) -> JournalContent:
    """Read journals; lines that cannot be used are listed on stderr."""
    from bench.journal.reader import read_journals

    content = read_journals(journals)
    name_faults(content.faults, len(content.repeated))
    return content


def answer(
    form: str,
    documents: Sequence[Document],
    data: Any = None,
    target: Path | None = None,
    *,
    page: Path | None = None,
    full: bool = True,
) -> None:
    """Print the documents in ``form``, or write them to ``target`` and print its path.

    ``data`` is JSON's content for all of them; by default that of the first. Text shows only the
    decision unless ``full``. HTML is written to ``page`` unless there is a target. Output that
    nobody reads is not an error: gates still follow.
    """
    from bench.report import renderers
    from bench.report.document import Level

    if form == "text" and not full:
        documents = [each.up_to(Level.DECISION) for each in documents]
    if form == "html":
        target = target or page
    text = renderers.find(form)(*documents, data=data)
    with read_or_not():
        print(text, end="") if target is None else print(write(target, text))


def page_in(place: Path, name: str = "report.html") -> Path:
    """Return the default place of a page: in a folder, or beside a journal."""
    return (place if place.is_dir() else place.parent) / name


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and return its path; UsageError if it cannot be written."""
    from bench.host import ownership

    with writable(path):
        ownership.write(path, content.encode() if isinstance(content, str) else content)
    return path


def require_writable(path: Path) -> None:
    """Raise UsageError if a file cannot be written, without creating or changing it."""
    from bench.host import ownership
    from bench.host.signals import uninterrupted

    if path.is_fifo():  # opening it waits for a reader, and closing it ends the reader's input
        return
    with writable(path), uninterrupted():
        descriptor, made = ownership.opened(path, os.O_WRONLY)
        os.close(descriptor)
        if made:
            path.unlink()


@contextmanager
def writable(path: Path, option: str = "--output") -> Iterator[None]:
    """Raise UsageError instead of an OSError on ``path``, which ``option`` names."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", remedy=f"choose another with {option}"
        ) from error


@contextmanager
def read_or_not() -> Iterator[None]:
    """Ignore a reader that goes away meanwhile: gates and files still follow."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        give_up()


def give_up(stream: TextIO | None = None) -> None:
    """Discard all further output; Python would fail again when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, (stream or sys.stdout).fileno())
    os.close(nowhere)


def finish() -> None:
    """Write buffered output; the exit code is the same whether it is read or not."""
    try:
        sys.stdout.flush()
    except OSError:
        give_up()


class DetachedStream(TextIOWrapper):
    """Write to a stream whose reader may go away: failed progress output must not end a run."""

    def __init__(self, stream: TextIOWrapper) -> None:
        super().__init__(
            stream.detach(), encoding=stream.encoding, errors=stream.errors, line_buffering=True
        )

    def write(self, text: str) -> int:
        """Return the length of ``text``, written or not."""
        with self._unread():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with self._unread():
            super().flush()

    @contextmanager
    def _unread(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            with suppress(OSError, ValueError):
                give_up(self)
