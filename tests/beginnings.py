# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Stop commands where they would begin to measure, trace or fetch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from bench.campaign import campaign
from bench.doctor import least_privilege
from bench.errors import MachineUnfit
from bench.guests import sources
from bench.tracer import live

REACHED: Final = "all that was asked for makes sense"


@contextmanager
def entered(*_: Any, **__: Any) -> Iterator[None]:
    """Stand for a context that a command would enter."""
    raise MachineUnfit(REACHED)
    yield


def called(*_: Any, **__: Any) -> None:
    """Stand for a function that a command would call."""
    raise MachineUnfit(REACHED)


def stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """End commands, with ``REACHED``, where they would measure, trace or look for a kernel."""
    monkeypatch.setattr(least_privilege, "examine", lambda: iter(()))  # takes seconds
    monkeypatch.setattr(campaign, "opened", entered)
    monkeypatch.setattr(live, "opened", entered)
    monkeypatch.setattr(sources, "find", called)
