# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""python -m bench.suite: the suite, for nox -s bench."""

from __future__ import annotations

import sys

from bench.errors import ExitCode

try:  # imports included: Ctrl-C may come as early as that
    from bench.suite.session import main

    code = main(sys.argv[1:])
except KeyboardInterrupt:
    code = ExitCode.INTERRUPTED
sys.exit(code)
