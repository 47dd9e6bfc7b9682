# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Rewrite a loaded program: count what it sends, or send it through the other transport.

Each call that sends is redirected to a function appended to the program, with its own registers
and stack, which counts by CPU. Source of the encoding: Documentation/bpf/standardization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import accumulate, chain, zip_longest
from typing import Final

from bench.errors import UsageError
from bench.linux import bpf
from bench.linux.bpf import Instruction

COUNTERS_BYTES: Final = 1_024 * 64
"""Size of the array of counters: a cache line for each CPU, of 1,024 at most."""


class Counter(IntEnum):
    """Name counters, by their place in a CPU's line."""

    OUTPUTS, OUTPUTS_FAILED, RESERVES, RESERVES_FAILED = range(4)


class Helper(IntEnum):
    """Name the kernel's functions for buffers, by their number."""

    PERF_EVENT_READ = 22
    PERF_EVENT_OUTPUT = 25
    PERF_EVENT_READ_VALUE = 55
    SKB_OUTPUT = 111
    XDP_OUTPUT = 121
    RINGBUF_OUTPUT = 130
    RINGBUF_RESERVE = 131
    RINGBUF_SUBMIT = 132
    RINGBUF_DISCARD = 133
    RINGBUF_QUERY = 134
    RINGBUF_RESERVE_DYNPTR = 198
    RINGBUF_SUBMIT_DYNPTR = 199
    RINGBUF_DISCARD_DYNPTR = 200

    @property
    def title(self) -> str:
        """Return its name in C."""
        return f"bpf_{self.name.lower()}"


_OUTPUTS: Final = frozenset(
    {Helper.PERF_EVENT_OUTPUT, Helper.SKB_OUTPUT, Helper.XDP_OUTPUT, Helper.RINGBUF_OUTPUT}
)
_RESERVES: Final = frozenset({Helper.RINGBUF_RESERVE, Helper.RINGBUF_RESERVE_DYNPTR})
SENDS: Final = _OUTPUTS | _RESERVES
_CARRIED: Final = {  # by the kind of map to which they are carried over
    bpf.RINGBUF: Helper.PERF_EVENT_OUTPUT,
    bpf.PERF_EVENT_ARRAY: Helper.RINGBUF_OUTPUT,
}

_SMP_PROCESSOR_ID: Final = 8
_CALL, _EXIT, _LOAD_WIDE, _MOVE, _SET, _SET_WORD = 0x85, 0x95, 0x18, 0xBF, 0xB7, 0xB4
_ADD, _AND_VALUE, _SHIFT_LEFT = 0x0F, 0x57, 0x67
_STORE, _LOAD, _ATOMIC_ADD = 0x7B, 0x79, 0xDB
_IF_NOT_NEGATIVE, _IF_ABOVE = 0x75, 0x25
_JUMP: Final = 0x05
_FARTHEST_JUMP: Final = 2**15 - 1
_OF_MAP, _OF_VALUE, _OF_FUNCTION, _OF_PROGRAM = 1, 2, 4, 1  # what a wide load or a call refers to
_CALLED, _REFERRED = (_CALL, _OF_PROGRAM), (_LOAD_WIDE, _OF_FUNCTION)
_FRAME: Final = 10  # the register of the stack
_STACK_BYTES: Final = 512

Code = Sequence[Instruction]


def helpers(code: Code) -> set[Helper]:
    """Return the functions for buffers that a program calls."""
    numbers = {each.value for each in Helper}
    return {Helper(each[3]) for each in code if _is_helper(each) and each[3] in numbers}


def not_carried(found: Iterable[Helper], to: int) -> list[Helper]:
    """Return those without an equivalent on a map of the kind ``to``, in their order."""
    return sorted(set(found) - {_CARRIED[to]})


def rewritten(
    code: Code,
    stack_bytes: Callable[[], int],
    *,
    counters_fd: int,
    to: int | None = None,
    maps: Mapping[int, int] | None = None,
) -> list[Instruction]:
    """Return the program with its sending counted in the array ``counters_fd``.

    ``stack_bytes``: returns how much of its stack the program uses, called only where needed.
    ``to``: the kind of map to carry it over to; then ``maps`` has the replacement of each map.
    UsageError if a program cannot be carried over.
    """
    code = [_remapped(each, maps or {}) for each in code]
    if to == bpf.PERF_EVENT_ARRAY and Helper.RINGBUF_OUTPUT in helpers(code):
        code = _with_context(code, stack_bytes())
    functions: dict[int, list[Instruction]] = {}
    for each in code:
        if _is_helper(each) and each[3] in SENDS:
            functions.setdefault(each[3], _function(Helper(each[3]), counters_fd, to))
    lengths = accumulate(map(len, functions.values()), initial=len(code))
    starts = dict(zip(functions, lengths, strict=False))
    calls = [
        (_CALL, _OF_PROGRAM << 4, 0, starts[each[3]] - place - 1)
        if _is_helper(each) and each[3] in starts
        else each
        for place, each in enumerate(code)
    ]
    return [*calls, *chain(*functions.values())]


def typed(code: Code, types: Sequence[int]) -> list[tuple[int, int]]:
    """Return where the program and each of its functions begin, and the type of each in BTF.

    ``types``: of those in the program that libbpf loaded. Only callbacks need types: without one,
    the result is empty. Functions that count get a callback's type: they are static too, and no
    more of a static function's type is verified. UsageError if a callback has no type.
    """
    callbacks = _functions(code, _REFERRED)
    if not callbacks:
        return []
    starts = [0, *_functions(code, _CALLED, _REFERRED)]
    if len(types) <= (place := starts.index(callbacks[0])):
        raise UsageError("the kernel removed some of its functions, so their types are unknown")
    return [*zip_longest(starts, types, fillvalue=types[place])]


def _function(helper: Helper, counters_fd: int, to: int | None) -> list[Instruction]:
    """Return a function that calls ``helper``, or its equivalent on ``to``, and counts."""
    called, before = helper, list[Instruction]()
    if to == bpf.RINGBUF:  # (context, map, flags, data, size) to (map, data, size, flags)
        called = Helper.RINGBUF_OUTPUT
        before = [_move(1, 2), _move(2, 4), _move(3, 5), (_SET, 4, 0, 0)]
    elif to == bpf.PERF_EVENT_ARRAY:  # (map, data, size, flags, context), of this CPU
        called = Helper.PERF_EVENT_OUTPUT
        before = [_move(6, 1), _move(1, 5), _move(5, 3), _move(4, 2), _move(2, 6)]
        before.append((_SET_WORD, 3, 0, -1))
    # An address, or 0. A test for inequality would mark it as an address, yet the verifier of 5.10
    # also follows the program's own test to where it is 0 and not yet released.
    reserves = helper is Helper.RINGBUF_RESERVE
    attempted = Counter.RESERVES if helper in _RESERVES else Counter.OUTPUTS
    return [
        *before,
        (_CALL, 0, 0, called),
        _move(6, 0),
        (_CALL, 0, 0, _SMP_PROCESSOR_ID),
        (_AND_VALUE, 0, 0, COUNTERS_BYTES // 64 - 1),
        (_SHIFT_LEFT, 0, 0, 6),
        (_LOAD_WIDE, 1 | _OF_VALUE << 4, 0, counters_fd),
        (0, 0, 0, 0),
        (_ADD, 1 | 0 << 4, 0, 0),
        (_SET, 2, 0, 1),
        (_ATOMIC_ADD, 1 | 2 << 4, 8 * attempted, 0),
        (_IF_ABOVE if reserves else _IF_NOT_NEGATIVE, 6, 1, 0),
        (_ATOMIC_ADD, 1 | 2 << 4, 8 * (attempted + 1), 0),
        _move(0, 6),
        (_EXIT, 0, 0, 0),
    ]


def _with_context(code: Code, stack_bytes: int) -> list[Instruction]:
    """Keep the context on the stack, and pass it to each output as a fifth argument.

    Outputs move to the front, with jumps there and back: all other jumps stay as they are.
    """
    sends = [
        place
        for place, each in enumerate(code)
        if _is_helper(each) and each[3] == Helper.RINGBUF_OUTPUT
    ]
    if sends[-1] >= min(_functions(code, _CALLED, _REFERRED), default=len(code)):
        raise UsageError(
            f"{Helper.RINGBUF_OUTPUT.title} in a function that is not inlined has no context"
        )
    slot = -(-stack_bytes // 8) * 8 + 8
    if slot > _STACK_BYTES:
        raise UsageError("the program's stack is full, with no room for the context")
    begin = 2 + 3 * len(sends)
    if begin + len(code) > _FARTHEST_JUMP:
        raise UsageError("the program is too long to pass its context to each output")
    front = [(_STORE, _FRAME | 1 << 4, -slot, 0), (_JUMP, 0, begin - 2, 0)]
    rest = [*code]
    for place in sends:
        distance = begin + place - len(front)
        rest[place] = (_JUMP, 0, -distance - 1, 0)
        front += [(_LOAD, 5 | _FRAME << 4, -slot, 0), code[place], (_JUMP, 0, distance - 2, 0)]
    return front + rest


def _functions(code: Code, *ways: tuple[int, int]) -> list[int]:
    """Return where the functions after the main one begin: those that are _CALLED or _REFERRED."""
    starts = {
        index + 1 + value
        for index, (operation, registers, _, value) in enumerate(code)
        if (operation, registers >> 4) in ways
    }
    return sorted(starts)


def _remapped(each: Instruction, maps: Mapping[int, int]) -> Instruction:
    operation, registers, offset, value = each
    if operation == _LOAD_WIDE and registers >> 4 in (_OF_MAP, _OF_VALUE):
        value = maps.get(value, value)
    return operation, registers, offset, value


def _is_helper(each: Instruction) -> bool:
    return each[0] == _CALL and not each[1] >> 4


def _move(target: int, source: int) -> Instruction:
    return _MOVE, target | source << 4, 0, 0
