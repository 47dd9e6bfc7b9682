# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report errors to people: one line each, safe to print, and the exit code of each kind."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import ClassVar, Final

Say = Callable[[str], None]
"""A function that reports one line to people."""

_LONGEST: Final = 600
_HEAD, _TAIL = 400, 150


class ExitCode(IntEnum):
    """List the documented exit codes of the command line."""

    OK = 0
    GATE_FAILED = 1
    USAGE = 2
    MACHINE_UNFIT = 3
    NOT_BALANCED = 4
    UNDECIDED = 125  # makes git bisect run skip a commit
    STOP = 128  # makes git bisect run end
    INTERRUPTED = 130
    TERMINATED = 143


class BufbenchError(Exception):
    """Report an error to people: what happened, on what, and what to do about it.

    ``str()`` returns the one line that the command line prints.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        # Both may quote what was typed, or the content of a file.
        return "; ".join(in_a_line(each) for each in (self.message, self.remedy) if each)


class UsageError(BufbenchError):
    """Report a request that makes no sense: an unknown workload, an impossible budget."""


def reject(wrong: object, message: str, remedy: str = "") -> None:
    """Raise UsageError where something is ``wrong``."""
    if wrong:
        raise UsageError(message, remedy=remedy)


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Raise UsageError, naming the value, unless it is from ``least`` to ``most``."""
    if not least <= value <= most:  # also rejects NaN
        shown = value if isinstance(value, int) else f"{value:g}"
        raise UsageError(
            f"{name} {shown} is out of range", remedy=f"take {least:.15g} to {most:.15g}"
        )


class MachineUnfit(BufbenchError):
    """Report that this machine or kernel lacks something that the request needs."""

    exit_code = ExitCode.MACHINE_UNFIT


class Busy(MachineUnfit):
    """Report that another measurement is running; the two would disturb each other."""


class KernelRefused(MachineUnfit):
    """Report a kernel call that failed with an errno about this machine, not about bufbench."""


class FetchFailed(MachineUnfit):
    """Report that a kernel could not be fetched: no network, no room, an invalid signature."""


class StormFailed(BufbenchError):
    """Report that the generator sent no report: it could not start, was killed or timed out."""

    exit_code = ExitCode.NOT_BALANCED


class CaptureFull(BufbenchError):
    """Report more records than the capture array holds. Not a drop: the trial is invalid."""

    exit_code = ExitCode.NOT_BALANCED


class NotBalanced(BufbenchError):
    """Report that at least one trial's ledger has a residue."""

    exit_code = ExitCode.NOT_BALANCED


class GateFailed(BufbenchError):
    """Report that a requested gate failed."""

    exit_code = ExitCode.GATE_FAILED


class Stop(BufbenchError):
    """End `git bisect run`, since no commit is to blame."""

    exit_code = ExitCode.STOP


class JournalError(BufbenchError):
    """Report a journal that cannot be read or written: torn, foreign, newer, empty, disk full."""


def in_a_line(text: str) -> str:
    """Return ``text`` as one printable line; the middle of a long one is cut out."""
    shown = clean(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_HEAD]} ... {shown[-_TAIL:]}"


def clean(text: str) -> str:
    """Return ``text`` with everything that could steer a terminal made visible."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def clean_name(name: bytes) -> str:
    """Return a process's name, which may be any bytes, as text; no two names look the same.

    Printable UTF-8 is kept, but a backslash is doubled; other characters become ``\\n``, ``\\t``,
    ``\\r``, or each of their bytes as ``\\xNN``.
    """
    return "".join(map(_escaped, name.decode("utf-8", "surrogateescape")))


def _escaped(char: str) -> str:
    if char.isascii():
        return char.encode("unicode_escape").decode("ascii")
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
