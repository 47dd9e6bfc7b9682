# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object: build, run, compare."""

from __future__ import annotations

from bench.cli.object import build, compare, run
from bench.cli.options import Command, Group, plain_app

app = plain_app(Group)


@app.callback()
def _object() -> None:
    """Package your own tracer, run it without a toolchain, and measure its buffers.

    docs/object.md has more.

    Example: bufbench object build examples/exitsnoop/exitsnoop.bpf.c
    """


app.command("build", cls=Command)(build.command)
app.command("run", cls=Command)(run.command)
app.command("compare", cls=Command)(compare.command)
