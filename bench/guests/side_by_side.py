# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run guests side by side, some at a time."""

from __future__ import annotations

import selectors
import subprocess
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Generic, TypeVar, cast

from bench.guests.watch import Ended

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Begun(Generic[T]):
    """Hold a guest that runs; ``stack`` ends its watch, and all that goes with it."""

    what: T
    watch: subprocess.Popen[bytes]
    stack: ExitStack


def ended(
    following: Callable[[], Begun[T] | None], jobs: int, look_s: float | None = None
) -> Generator[tuple[T, Ended] | None]:
    """Yield each guest of ``following`` with how it ended, once its stack is closed.

    A guest is asked for where fewer than ``jobs`` run, and again after each end: None means nothing
    for now, and the end where no guest runs. Yields None each ``look_s`` in which none ended.
    Leaving the iterator ends all guests.
    """
    running: dict[int, Begun[T]] = {}
    with ExitStack() as everything, selectors.DefaultSelector() as selector:
        while True:
            while len(running) < jobs and (begun := following()) is not None:
                everything.push(begun.stack)
                stdout = cast("IO[bytes]", begun.watch.stdout)
                selector.register(stdout, selectors.EVENT_READ)
                running[stdout.fileno()] = begun
            if not running:
                return
            ready = selector.select(look_s)
            if not ready:
                yield None
            for key, _ in ready:
                over = running.pop(key.fd)
                selector.unregister(key.fd)
                how = Ended.parse(cast("IO[bytes]", over.watch.stdout).read())
                over.stack.close()
                yield over.what, how
