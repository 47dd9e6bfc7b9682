# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Share what tests of the command line need: commands that stop where they would begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.campaign import campaign
from bench.doctor import least_privilege
from bench.errors import MachineUnfit
from bench.guests import sources
from bench.tracer import live


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> str:
    """End commands where they would measure, trace or fetch, with the text that is returned."""
    reached = "all that was asked for makes sense"

    @contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[None]:
        raise MachineUnfit(reached)
        yield

    def looked_up(*_: Any, **__: Any) -> None:
        raise MachineUnfit(reached)

    monkeypatch.setattr(least_privilege, "examine", lambda: iter(()))  # takes seconds
    monkeypatch.setattr(campaign, "opened", opened)
    monkeypatch.setattr(live, "opened", opened)
    monkeypatch.setattr(sources, "find", looked_up)
    return reached
