# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Attribute the instructions of a call to the kernel's functions.

A QEMU plugin records what a guest executes between two readings of its clock (plugin/functions.c,
built for each version of QEMU's API), and the guest names the functions of its kernel at the end
(guest/symbols.c): so the parts add up to the guest's count, with the empty program subtracted from
both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.errors import BufbenchError
from bench.guests.machines import AMD64, Machine
from bench.host import process
from bench.questions.exact.plan import CALLS, EMPTY
from bench.questions.exact.study import CallCount, FunctionCount, KernelCount

PROGRAM: Final = "(BPF program)"
"""Code outside the kernel's own text: programs compiled by the JIT."""

DEVICE: Final = ("-device", "isa-debugcon,iobase=0xe9,chardev=symbols")
"""A port that requests a guest's symbols; it always exists."""

UNASKED: Final = ("-chardev", "null,id=symbols", "-global", "isa-debugcon.readback=0")

SYMBOLS: Final = "symbols.txt"
EXECUTED: Final = "executed.txt"

_PLUGINS: Final = ("plugin-2.so", "plugin-1.so")
_PLACE: Final = Path(__file__).parent
_PROBE_S: Final = 30.0
_TAKEN: Final = "taken"
_BEFORE: Final = re.compile(r"^.*?Could not load plugin [^:]*: ")
_END: Final = "_etext"
_SYMBOL: Final = re.compile(r"([0-9a-f]{1,16}) ([\x21-\x7e]{1,255})", re.ASCII)
_CALL: Final = re.compile(
    r"call (\d{1,6}) (\d{1,18}) (\d{1,6})((?: [0-9a-f]{1,16}:\d{1,18})+)", re.ASCII
)
_CLONE: Final = re.compile(r"\.(isra|constprop|part|cold)\b.*")
_ROUNDING: Final = 1  # of a clock that is not quite 1 GHz
_EDGES: Final = ("_start", "_end", "_begin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """Hold a plugin that QEMU accepts, or why there is none."""

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
    """Ask QEMU which plugin in ``place`` it accepts; it exits before it runs anything.

    The guest marks its calls, and sends its symbols through a port, only on x86-64.
    """
    if machine.architecture != AMD64:
        return Plugin(path=None, why_not="calls are marked on x86-64 alone", device=())
    why_not = ""
    for path in (place / name for name in _PLUGINS):
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
        last = (done.stderr.strip().splitlines() or [""])[-1]
        if "-plugin" in last:
            last = "this QEMU is built without plugins"
        why_not = said or _BEFORE.sub("", last)[:200] or "QEMU does not say why"
    return Plugin(path=None, why_not=why_not)


def _quoted(path: Path) -> str:
    """Double the commas, as QEMU requires in a value."""
    return str(path).replace(",", ",,")


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """Hold the functions of one boot, in the order of their addresses."""

    addresses: tuple[int, ...]
    names: tuple[str, ...]
    end: int  # of the kernel's text

    def name(self, address: int) -> str:
        """Return the function at an address."""
        at = bisect_right(self.addresses, address)
        return self.names[at - 1] if at and address < self.end else PROGRAM


def symbols(written: bytes) -> Symbols:
    """Parse what a guest wrote; ValueError, with the reason, if it is incomplete."""
    found: dict[int, str] = {}
    end = 0
    for symbol in _lines(written, _SYMBOL, "its symbols are"):
        address, name = int(symbol[1], 16), _CLONE.sub("", symbol[2])
        if name == _END:
            end = address
        else:
            found[address] = min(name, found.get(address, name), key=_plainness)
    if not found or not end:
        raise ValueError("its guest names no functions: it has no /proc/kallsyms, or hides it")
    addresses = tuple(sorted(found))
    return Symbols(addresses=addresses, names=tuple(found[each] for each in addresses), end=end)


def _lines(written: bytes, form: re.Pattern[str], what: str) -> Iterator[re.Match[str]]:
    for line in written.decode("ascii", errors="replace").splitlines():
        if (found := form.fullmatch(line)) is None:
            raise ValueError(f"{what} garbled: {line[:80]!r}")
        yield found


def _plainness(name: str) -> tuple[bool, int, int, str]:
    """Order the names of one address: a linker's marker is not a function."""
    return name.endswith(_EDGES), len(name) - len(name.lstrip("_")), len(name), name


def calls(written: bytes, known: Symbols) -> Mapping[int, Counter[str]]:
    """Parse what a plugin wrote: each call's instructions by function, by its place in the plan."""
    found = {}
    for call in _lines(written, _CALL, "what the plugin wrote is"):
        parts = Counter[str]()
        for step in call[4].split():
            address, _, times = step.partition(":")
            parts[known.name(int(address, 16))] += int(times)
        if parts.total() != int(call[2]):
            raise ValueError(f"what the plugin wrote does not add up: {call[0][:80]!r}")
        found[int(call[1])] = parts
    return found


def explained(kernel: KernelCount, executed: bytes, names: bytes) -> KernelCount:
    """Return ``kernel`` with the functions of each call, or the reason why they have none."""
    try:
        found = calls(executed, symbols(names))
    except ValueError as error:
        return replace(kernel, unexplained=str(error))
    by_key = {(call.name, call.bytes): found.get(at, Counter()) for at, call in enumerate(CALLS)}
    empty = by_key[EMPTY, 0]
    if not empty:
        return replace(kernel, unexplained="the plugin did not see the empty program run")
    explained = (
        replace(each, functions=tuple(_parts(by_key.get((each.name, each.bytes)), empty)))
        for each in kernel.calls
    )
    return replace(kernel, calls=tuple(explained))


def _parts(call: Counter[str] | None, empty: Counter[str]) -> Iterator[FunctionCount]:
    """Yield the functions of a call that was seen, the longest first."""
    beyond = Counter(call)
    beyond.subtract(empty if call else ())
    for name, instructions in sorted(beyond.items(), key=lambda each: (-each[1], each[0])):
        if instructions:
            yield FunctionCount(name=name, instructions=instructions)


def differences(before: CallCount, after: CallCount) -> list[tuple[str, int, int]]:
    """Return the functions whose instructions differ, those that grew most first.

    Empty if those of either call do not add up.
    """
    for call in (before, after):
        if not call.functions or abs(call.explained - (call.instructions or 0)) > _ROUNDING:
            return []
    one, two = before.by_function, after.by_function
    found = [(name, one.get(name, 0), two.get(name, 0)) for name in one.keys() | two.keys()]
    return sorted(
        (each for each in found if each[1] != each[2]),
        key=lambda each: (each[1] - each[2], each[0]),
    )
