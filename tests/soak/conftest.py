# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""End pytest with bufbench's exit codes: 1 when something grew, 4 when a trial did not balance."""

from __future__ import annotations

import pytest

from bench.errors import BufbenchError

CODE: pytest.StashKey[int] = pytest.StashKey()


def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, call: pytest.CallInfo[object]
) -> None:
    if call.excinfo is not None and isinstance(call.excinfo.value, BufbenchError):
        node.session.stash[CODE] = call.excinfo.value.exit_code


def pytest_sessionfinish(session: pytest.Session) -> None:
    if CODE in session.stash:
        session.exitstatus = session.stash[CODE]
