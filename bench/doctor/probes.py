# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which capabilities something needs on this machine, found by trying.

It is tried in processes made for that: each becomes an unprivileged user, keeps one set of
capabilities, and does it. The smallest set with which that works is the answer.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bench.linux import capabilities
from bench.linux.capabilities import Capability as Cap
from workloads import user

Attempt = Callable[[], object]
"""Does what a part does; OSError where the kernel refuses."""

_ADMIN: Final = frozenset({Cap.SYS_ADMIN})
_DEADLINE_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that bufbench does, and the capabilities that might be needed for it."""

    name: str
    commands: str  # that cannot do without it; "" if there is another way
    otherwise: str  # what happens without it
    attempt: Attempt
    plausible: tuple[Cap, ...] = ()
    remedy: str = ""  # in place of a capability, where there is something


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a part turned out to need."""

    name: str
    commands: str
    otherwise: str
    possible: bool
    capabilities: tuple[str, ...]  # with which it works; () if it works for anybody
    refused: str  # what the kernel says without them; "" if it works for anybody
    remedy: str = ""


def need(part: Part) -> Need:
    """Return the smallest set with which ``part`` works; the special ones before CAP_SYS_ADMIN.

    Where we may change user it is tried as nobody, else as who we are; with what we hold.
    """
    refused = _tried(part.attempt, frozenset())
    found = frozenset[Cap]() if not refused else _smallest(part)
    return Need(
        name=part.name,
        commands=part.commands,
        otherwise=part.otherwise,
        possible=found is not None,
        capabilities=tuple(str(each) for each in sorted(found or ())),
        refused=refused,
        remedy=part.remedy if refused else "",
    )


def _smallest(part: Part) -> frozenset[Cap] | None:
    held = capabilities.held()
    sets = [
        frozenset(chosen)
        for size in range(1, len(part.plausible) + 1)
        for chosen in combinations(part.plausible, size)
    ]
    for chosen in (*sets, _ADMIN):
        if chosen <= held and not _tried(part.attempt, chosen):
            return chosen
    return None


def _tried(attempt: Attempt, kept: frozenset[Cap]) -> str:
    """Return the error of an unprivileged process's attempt with these; "" if it works."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _child(attempt, kept, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        return answer.decode(errors="replace") or "it did not end"
    return ""


def _child(attempt: Attempt, kept: frozenset[Cap], writer: int) -> None:
    """Run the child; never return, or the parent's files would be cleaned up twice."""
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_DEADLINE_S)
        chosen = user.chosen()
        capabilities.go_on_with(kept, ids=chosen.ids)
        attempt()
        code = 0
    except OSError as error:
        os.write(writer, (error.strerror or str(error)).encode())
    finally:
        os._exit(code)
