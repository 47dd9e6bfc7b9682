# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write a journal: whole lines or nothing, and each safe on the disk before the next trial."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import stat
import tempfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Final, NoReturn, Self

import numpy as np

from bench.amounts import counted
from bench.errors import JournalError
from bench.host import ownership
from bench.host.signals import uninterrupted
from bench.journal.raw_lines import MARK
from bench.journal.schema import LONGEST_LINE_BYTES, SCHEMA, VALUES, Value
from bench.trial.result import TrialResult

_REMEDIES: Final = {
    errno.ENOSPC: "make room, then {proceed}",
    errno.EDQUOT: "make room, then {proceed}",
    errno.EROFS: "choose another place with --output",
    errno.EACCES: "choose another place with --output",
    errno.EPERM: "choose another place with --output",
    errno.ENOENT: "make its folder first, or choose another place with --output",
    errno.ENOTDIR: "choose another place with --output",
    errno.EISDIR: "name a file with --output",
    errno.EFBIG: "raise ulimit -f, then {proceed}",
    errno.EIO: "check the disk, then {proceed}",
}
_TAIL_BYTES: Final = 64 * 1024
_KINDS: Final = {value: kind for kind, value in VALUES.items()}


def _plain(value: object) -> object:
    """Return a dataclass, or one of numpy's numbers, as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value):
        return _shallow(value)
    raise TypeError(f"{type(value).__name__} has no place in a journal")


def _shallow(value: object) -> dict[str, object]:
    """Return a dataclass's fields; asdict() would copy every number of a timeline."""
    return {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]


def encode(value: Value) -> bytes:
    """Return ``value`` as a line, newline included."""
    line = {"schema": SCHEMA, "kind": _KINDS[type(value)].value, **_shallow(value)}
    text = json.dumps(
        line, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
    )
    # An argument of the command line need not be UTF-8; what a journal holds has to be.
    return text.encode("utf-8", "replace") + b"\n"


class _BeingWritten(JournalError):
    """Report that another run holds the journal."""


class JournalWriter:
    """Append lines to an open journal, whatever it holds.

    A context manager. Holds an exclusive lock, so that two runs cannot mix their lines. A torn last
    line, left by a run that was killed, is cut off. Raises JournalError, in one line that names the
    journal and how many trials are safe, when it cannot be opened or written, or is another file.
    """

    def __init__(self, path: Path, *, resumable: bool = False) -> None:
        self.path = path
        self._resumable = resumable  # whether the command that writes it has --resume
        self.trials_safe = 0
        """Trials that this writer has put on the disk."""
        self._descriptor = -1
        self._created = False
        self._end_bytes = 0  # up to here all lines are whole

    @classmethod
    def check(cls, path: Path) -> None:
        """Raise JournalError if a journal could not be written; leave nothing behind.

        One that another run is writing may be free by the time it is needed.
        """
        with contextlib.suppress(_BeingWritten), cls(path):
            pass

    def __enter__(self) -> Self:
        try:
            with uninterrupted():
                opened = ownership.opened(self.path, os.O_RDWR | os.O_APPEND)
                self._descriptor, self._created = opened
            self._require_file()
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._created:
                self._sync_folder()
            self._end_bytes = self._whole_lines_bytes()
        except BaseException as error:  # Ctrl-C among them
            self._close()
            if isinstance(error, BlockingIOError):
                raise _BeingWritten(
                    f"journal {self.path} is being written by another run",
                    remedy="wait for it, or choose another place with --output",
                ) from None
            if isinstance(error, OSError):
                raise self._failure(error) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._close()
        except KeyboardInterrupt:  # it came before the file was closed; there is one at most
            self._close()
            raise

    def write(self, *values: Value) -> None:
        """Append a line for each or, on failure, nothing; on return they are on the disk.

        A header begins a run, to which the rest belongs. Trials of one storm are written together.
        """
        lines = [encode(value) for value in values]
        longest = max(map(len, lines))
        if longest > LONGEST_LINE_BYTES:
            raise JournalError(
                f"a line of {longest} bytes is too long for journal {self.path} ({self.safe})",
            )
        text, written = b"".join(lines), 0
        try:
            while written < len(text):
                written += os.write(self._descriptor, text[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            self._cut()
            raise self._failure(error) from error
        except BaseException:  # Ctrl-C between two writes: leave no half line behind
            if written < len(text):
                self._cut()
            raise
        self._end_bytes += len(text)
        self.trials_safe += sum(isinstance(value, TrialResult) for value in values)
        if os.fstat(self._descriptor).st_nlink == 0:
            self._rescue()

    def _rescue(self) -> NoReturn:
        """Copy a journal that was removed while it was written, or whose folder was."""
        try:
            descriptor, place = tempfile.mkstemp(prefix="bufbench-", suffix=".jsonl")
            with os.fdopen(descriptor, "wb") as copy:
                for start in range(0, self._end_bytes, _TAIL_BYTES):
                    copy.write(os.pread(self._descriptor, _TAIL_BYTES, start))
                copy.flush()
                os.fsync(copy.fileno())
            ownership.hand_over(Path(place))
        except OSError as error:
            raise self._failure(error) from error
        raise JournalError(
            f"journal {self.path} was removed while it was written; all that it held is now in "
            f"{place} ({self.safe})",
            remedy=f"{self._proceed}, with that file as --output",
        )

    def _cut(self) -> None:
        # Where even this fails the reader knows a torn line, and the next writer cuts it off.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._end_bytes)

    def _require_file(self) -> None:
        """Refuse a device or a pipe, which would keep nothing to report on."""
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise JournalError(
                f"journal {self.path} is not a regular file", remedy="name one with --output"
            )

    def _whole_lines_bytes(self) -> int:
        """Return the length up to the last newline; cut off what follows it."""
        size_bytes = os.fstat(self._descriptor).st_size
        if size_bytes == 0:
            return 0
        with mmap.mmap(self._descriptor, size_bytes, prot=mmap.PROT_READ) as text:
            if not text[:32].removeprefix(MARK).startswith(b'{"schema":'):
                raise JournalError(
                    f"{self.path} is not a journal, nothing was written to it",
                    remedy="choose another place with --output",
                )
            end_bytes = text.rfind(b"\n") + 1
        if end_bytes < size_bytes:
            os.ftruncate(self._descriptor, end_bytes)
        return end_bytes

    def _sync_folder(self) -> None:
        """Make the file's name as durable as its lines."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @property
    def safe(self) -> str:
        """Return how many trials are on the disk, in words."""
        return f"{counted(self.trials_safe, 'trial')} of this run safe"

    @property
    def _proceed(self) -> str:
        return "continue with --resume" if self._resumable else "run it again"

    def _failure(self, error: OSError) -> JournalError:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return JournalError(
            f"journal {self.path} cannot be written: {reason} ({self.safe})",
            remedy=_REMEDIES.get(error.errno or 0, "").format(proceed=self._proceed),
        )

    def _close(self) -> None:
        """Close the file; a new one that holds nothing is removed."""
        if self._descriptor < 0:
            return
        with uninterrupted():
            if self._created and os.fstat(self._descriptor).st_size == 0:
                with contextlib.suppress(OSError):
                    self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1
