# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the suite: python -m bench.suite, for nox -s bench."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from bench.cli import enter

if TYPE_CHECKING:
    from bench.host.signals import Ending


def _suite(ending: Ending) -> int:
    from bench.cli.output import DetachedStream
    from bench.suite.session import main

    if type(sys.stdout) is TextIOWrapper:
        sys.stdout = DetachedStream(sys.stdout)  # the journal is what counts
    return main(sys.argv[1:], ending)


enter(_suite)
