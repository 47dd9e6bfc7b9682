# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Attribute the instructions of a call to the kernel's functions.

A plugin of QEMU notes what a guest executes between two readings of its clock
(plugin/functions.c), the guest names the functions of its kernel at the end (guest/symbols.c): so
the parts add up to what the guest counted, the empty program subtracted here as there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bench.questions.exact.plan import CALLS, EMPTY
from bench.questions.exact.study import CallCount, FunctionCount, KernelCount

PROGRAM: Final = "(BPF program)"
"""What is executed beyond the kernel's own text: programs compiled by the JIT."""

_END: Final = "_etext"
_SYMBOL: Final = re.compile(r"([0-9a-f]{1,16}) ([\x21-\x7e]{1,255})", re.ASCII)
_CALL: Final = re.compile(
    r"call (\d{1,6}) (\d{1,18}) (\d{1,6})((?: [0-9a-f]{1,16}:\d{1,18})+)", re.ASCII
)
_CLONE: Final = re.compile(r"\.(isra|constprop|part|cold)\b.*")
_ROUNDING: Final = 1  # of a clock that is not quite 1 GHz
_EDGES: Final = ("_start", "_end", "_begin")

ByFunction = Mapping[str, int]


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
    """Return what a guest wrote; ValueError, with words, if it is not whole."""
    found: dict[int, str] = {}
    end = 0
    for line in written.decode("ascii", errors="replace").splitlines():
        symbol = _SYMBOL.fullmatch(line)
        if symbol is None:
            raise ValueError(f"its symbols are garbled: {line[:80]!r}")
        address, name = int(symbol[1], 16), symbol[2]
        if name == _END:
            end = address
        else:
            name = _CLONE.sub("", name)
            found[address] = min(name, found.get(address, name), key=_plainness)
    if not found or not end:
        raise ValueError("its guest names no functions: it has no /proc/kallsyms, or hides it")
    addresses = tuple(sorted(found))
    return Symbols(addresses=addresses, names=tuple(found[each] for each in addresses), end=end)


def _plainness(name: str) -> tuple[bool, int, int, str]:
    """Order the names of one address: a mark of the linker's is no function."""
    return name.endswith(_EDGES), len(name) - len(name.lstrip("_")), len(name), name


def calls(written: bytes, known: Symbols) -> Mapping[int, ByFunction]:
    """Return the instructions of each call by its place in the plan, from a plugin's file."""
    found = {}
    for line in written.decode("ascii", errors="replace").splitlines():
        call = _CALL.fullmatch(line)
        if call is None:
            raise ValueError(f"what the plugin wrote is garbled: {line[:80]!r}")
        parts = Counter[str]()
        for step in call[4].split():
            address, _, times = step.partition(":")
            parts[known.name(int(address, 16))] += int(times)
        if sum(parts.values()) != int(call[2]):
            raise ValueError(f"what the plugin wrote does not add up: {line[:80]!r}")
        found[int(call[1])] = parts
    return found


def explained(kernel: KernelCount, executed: bytes, names: bytes) -> KernelCount:
    """Return ``kernel`` with the functions of each call, or with the reason that it has none."""
    try:
        found = calls(executed, symbols(names))
    except ValueError as error:
        return replace(kernel, unexplained=str(error))
    by_key = {(call.name, call.bytes): found.get(at) for at, call in enumerate(CALLS)}
    empty = by_key[EMPTY, 0]
    if empty is None:
        return replace(kernel, unexplained="the plugin did not see the empty program run")
    explained = (
        replace(each, functions=tuple(_parts(by_key.get((each.name, each.bytes)), empty)))
        for each in kernel.calls
    )
    return replace(kernel, calls=tuple(explained))


def _parts(call: ByFunction | None, empty: ByFunction) -> Iterator[FunctionCount]:
    """Yield the functions of a call, the longest first."""
    if call is None:
        return
    beyond = {name: call.get(name, 0) - empty.get(name, 0) for name in call.keys() | empty.keys()}
    for name, instructions in sorted(beyond.items(), key=lambda each: (-each[1], each[0])):
        if instructions:
            yield FunctionCount(name=name, instructions=instructions)


def differences(before: CallCount, after: CallCount) -> list[tuple[str, int, int]]:
    """Return the functions whose instructions differ, those that grew most first.

    None where those of either do not add up: they may be of something else.
    """
    for call in (before, after):
        if not call.functions or abs(call.explained - (call.instructions or 0)) > _ROUNDING:
            return []
    one, two = (
        {each.name: each.instructions for each in call.functions} for call in (before, after)
    )
    found = [(name, one.get(name, 0), two.get(name, 0)) for name in one.keys() | two.keys()]
    return sorted(
        (each for each in found if each[1] != each[2]),
        key=lambda each: (each[1] - each[2], each[0]),
    )
