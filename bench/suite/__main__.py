# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""python -m bench.suite: the suite, for nox -s bench."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from bench.errors import BufbenchError
from bench.host.inherited import require_room, settle
from bench.host.interpreter import isolate
from bench.host.signals import Ending

isolate()
ending = Ending()
try:  # imports included: Ctrl-C may come as early as that
    settle()
    ending.install()
    require_room()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see bench.cli
    from bench.cli.output import DetachedStream
    from bench.suite.session import main

    if type(sys.stdout) is TextIOWrapper:
        sys.stdout = DetachedStream(sys.stdout)  # the journal is what counts
    code = main(sys.argv[1:], ending)
    sys.stdout.flush()  # while a signal still ends it: somebody may read slowly
    code = ending.settle(code)
except BufbenchError as error:
    print(f"bufbench: {error}", file=sys.stderr)
    code = error.exit_code
except KeyboardInterrupt as asked:
    ending.leave(asked)
sys.exit(code)
