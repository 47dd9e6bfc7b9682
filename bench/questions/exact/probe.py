# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the plugin that the QEMU at hand takes: there is one for each version of its API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import BufbenchError
from bench.guests.machines import AMD64, Machine
from bench.host import process

DEVICE: Final = ("-device", "isa-debugcon,iobase=0xe9,chardev=symbols")
"""A port through which a guest is asked for its symbols; it is there whether they are or not."""

UNASKED: Final = ("-chardev", "null,id=symbols", "-global", "isa-debugcon.readback=0")

SYMBOLS: Final = "symbols.txt"
EXECUTED: Final = "executed.txt"

_PLUGINS: Final = ("plugin-2.so", "plugin-1.so")
_PLACE: Final = Path(__file__).parent
_PROBE_S: Final = 30.0
_TAKEN: Final = "taken"
_BEFORE: Final = re.compile(r"^.*?Could not load plugin [^:]*: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """Hold a plugin that QEMU takes, or why it takes none."""

    path: Path | None
    why_not: str = ""
    device: tuple[str, ...] = DEVICE  # of every boot, with the plugin or without

    def options(self, folder: Path, *, asked: bool = True) -> tuple[str, ...]:
        """Return QEMU's options; a boot that is asked leaves SYMBOLS and EXECUTED in ``folder``."""
        if not self.device:
            return ()
        if self.path is None or not asked:
            return (*self.device, *UNASKED)
        return (
            *self.device,
            *("-chardev", f"file,id=symbols,path={_quoted(folder / SYMBOLS)}"),
            *("-global", "isa-debugcon.readback=1"),
            *("-plugin", f"{_quoted(self.path)},out={_quoted(folder / EXECUTED)}"),
        )


def plugin(machine: Machine, place: Path = _PLACE) -> Plugin:
    """Ask QEMU which plugin in ``place`` it takes; it exits before it would run anything.

    The guest marks its calls, and hands its symbols out by a port, on x86-64 alone.
    """
    if machine.architecture != AMD64:
        return Plugin(path=None, why_not="calls are marked on x86-64 alone", device=())
    why_not = ""
    for name in _PLUGINS:
        path = place / name
        if not path.exists():
            why_not = f"{path} is missing"
            continue
        words = ("-machine", "none", "-nodefaults", "-display", "none", "-plugin", _quoted(path))
        try:
            done = process.run([machine.qemu(), *words], timeout_s=_PROBE_S, check=False)
        except BufbenchError as error:
            return Plugin(path=None, why_not=str(error))
        if (said := done.stdout.strip()) == _TAKEN:
            return Plugin(path=path)
        why_not = said or _reason(done.stderr)
    return Plugin(path=None, why_not=why_not)


def _reason(stderr: str) -> str:
    last = (stderr.strip().splitlines() or [""])[-1]
    if "-plugin" in last:
        return "this QEMU is built without plugins"
    return _BEFORE.sub("", last)[:200] or "QEMU does not say why"


def _quoted(path: Path) -> str:
    """Double the commas, as QEMU wants them in a value."""
    return str(path).replace(",", ",,")
