# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Convert Vega-Lite into SVG in a child process, while trials are read and judged.

vl-convert takes most of a second to start, longer than all charts of a page, and lets no other
Python thread run then or while it draws. The process imports only this module and vl-convert, and
ends by itself once its caller is gone.
"""

from __future__ import annotations

import errno
import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Self

from bench.errors import JournalError, MachineUnfit
from bench.host.signals import uninterrupted
from bench.linux import refusal


class Converter:
    """Draw charts in a separate process; those still waiting at the context's end are not drawn."""

    def __enter__(self) -> Self:
        context = get_context("spawn")  # a fork would copy other threads half-way
        self._parent_end, child_end = context.Pipe()
        self._child = context.Process(target=_serve, args=(child_end,), daemon=True)
        # Ctrl-C reaches the whole process group, and the parent handles it. multiprocessing's own
        # process is started first, since starting it unblocks the signal.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._child.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        child_end.close()
        self._asking = ThreadPoolExecutor(max_workers=1)
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.join()
        self._asking.shutdown(cancel_futures=True)
        self._parent_end.close()

    def svg(self, specification: dict[str, Any]) -> Future[str]:
        """Return the SVG of a Vega-Lite specification, drawn in the order of the calls.

        JournalError if it cannot be drawn, MachineUnfit if the process has gone.
        """
        with uninterrupted():  # which may start the thread
            return self._asking.submit(self._request, specification)

    def _request(self, specification: dict[str, Any]) -> str:
        try:
            self._parent_end.send(specification)
            svg, trouble = self._parent_end.recv()
        except (EOFError, OSError) as error:
            raise MachineUnfit(
                "the process that draws charts has ended",
                remedy=refusal.remedy_for(errno.ENOMEM),
            ) from error
        if trouble:
            raise JournalError(f"a chart cannot be drawn: {trouble}")
        return str(svg)


def _serve(requests: Connection) -> None:
    """Answer each specification with its SVG and an error, one of which is ""."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # V8 prints its stack when out of memory
    import vl_convert

    with suppress(EOFError, OSError):  # the caller has gone
        vl_convert.vegalite_to_svg({"mark": "point", "data": {"values": [{}]}})  # starts it
        while True:
            specification = requests.recv()
            try:
                requests.send((vl_convert.vegalite_to_svg(specification), ""))
            except ValueError as error:
                requests.send(("", " ".join(str(error).split())[:200] or "no reason given"))
