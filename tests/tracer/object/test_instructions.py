# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test rewritten programs: where their jumps lead, and what keeps one from the other transport."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import UsageError
from bench.linux import bpf
from bench.tracer.object.instructions import (
    Helper,
    helpers,
    not_carried,
    rewritten,
    typed,
)

CALL, EXIT, SET, MOVE, ADD = 0x85, 0x95, 0xB7, 0xBF, 0x07
JUMP, IF_NOT, WIDE, LOAD, STORE = 0x05, 0x55, 0x18, 0x79, 0x7B
COUNTERS = 77
RING = 5
END = (EXIT, 0, 0, 0)


def output(helper: int = Helper.RINGBUF_OUTPUT) -> tuple[int, int, int, int]:
    return (CALL, 0, 0, helper)


def counted(
    code: list[tuple[int, int, int, int]], *, stack_bytes: int = 0, **to: Any
) -> list[tuple[int, int, int, int]]:
    return rewritten(code, lambda: stack_bytes, counters_fd=COUNTERS, **to)


def called(code: list[tuple[int, int, int, int]], place: int) -> int:
    """Return the helper that the function called at ``place`` calls first."""
    operation, registers, _, distance = code[place]
    assert (operation, registers) == (CALL, 1 << 4)
    inside = code[place + 1 + distance :]
    return next(value for operation, kind, _, value in inside if operation == CALL and not kind)


def test_instructions_are_encoded_as_they_were_read() -> None:
    code = [(SET, 1, 0, -5), (IF_NOT, 1, -2, 7), END]
    assert bpf.decoded(bpf.encoded(code)) == code
    assert len(bpf.encoded(code)) == 24


def test_each_way_to_send_has_one_function_behind_the_program_whose_places_stay() -> None:
    code = [output(), output(Helper.RINGBUF_RESERVE), output(), (CALL, 0, 0, 14), END]
    found = counted(code)
    assert [called(found, place) for place in (0, 1, 2)] == [130, 131, 130]
    assert found[3:5] == code[3:5]
    assert found[0][3] - found[2][3] == 2, "both call the same"
    wide = [place for place, each in enumerate(found) if each[0] == WIDE]
    assert [found[each][3] for each in wide] == [COUNTERS] * 2
    assert sum(each == END for each in found) == 3


def test_what_does_not_send_is_left_alone() -> None:
    code = [(SET, 0, 0, 0), (CALL, 0, 0, 14), (CALL, 2 << 4, 0, Helper.RINGBUF_OUTPUT), END]
    assert counted(code) == code, "a kfunc's number is of another list"


def test_perf_output_goes_to_the_map_that_replaces_its_own() -> None:
    code = [(WIDE, 2 | 1 << 4, 0, RING), (0, 0, 0, 0), output(Helper.PERF_EVENT_OUTPUT), END]
    found = counted(code, to=bpf.RINGBUF, maps={RING: 99})
    assert found[0] == (WIDE, 2 | 1 << 4, 0, 99)
    assert called(found, 2) == Helper.RINGBUF_OUTPUT
    constant = [(WIDE, 2, 0, RING), (0, 0, 0, 0), END]
    assert counted(constant, maps={RING: 99}) == constant, "a number, and no map"


def test_the_context_is_kept_below_the_stack_and_outputs_are_jumped_to() -> None:
    code = [
        (MOVE, 2 | 10 << 4, 0, 0),  # r2 = r10
        (IF_NOT, 1, 3, 0),  # over the first output, onto the second
        (CALL, 1 << 4, 0, 4),
        (JUMP, 0, -4, 0),  # to the beginning, not before it
        output(),
        output(),
        END,
        (SET, 0, 0, 0),
        END,
    ]
    found = counted(code, stack_bytes=36, to=bpf.PERF_EVENT_ARRAY)
    begin = 8
    assert found[0] == (STORE, 10 | 1 << 4, -48, 0)
    assert found[1] == (JUMP, 0, begin - 2, 0)
    rest = found[begin : begin + len(code)]
    assert [each for each in range(len(code)) if rest[each] != code[each]] == [4, 5]
    for place, front in ((4, 2), (5, 5)):
        assert rest[place] == (JUMP, 0, front - (begin + place + 1), 0)
        assert found[front] == (LOAD, 5 | 10 << 4, -48, 0)
        assert called(found, front + 1) == Helper.PERF_EVENT_OUTPUT
        assert found[front + 2] == (JUMP, 0, begin + place + 1 - (front + 3), 0)


def test_a_program_that_is_too_long_for_a_jump_is_not_carried_over() -> None:
    with pytest.raises(UsageError, match="too long"):
        counted([output(), *[(SET, 0, 0, 0)] * 2**15, END], to=bpf.PERF_EVENT_ARRAY)


def test_an_output_in_a_function_of_its_own_has_no_context() -> None:
    code = [(CALL, 1 << 4, 0, 1), END, output(), END]
    with pytest.raises(UsageError, match=r"bpf_ringbuf_output.*no context"):
        counted(code, to=bpf.PERF_EVENT_ARRAY)
    assert called(counted(code), 2) == Helper.RINGBUF_OUTPUT, "it can be counted"


def test_functions_that_count_have_the_type_of_a_callback() -> None:
    """Give every function a type: only then the verifier takes a callback."""
    code = [
        (CALL, 1 << 4, 0, 4),  # of the second function
        (WIDE, 2 | 4 << 4, 0, 4),  # a reference to the third
        (0, 0, 0, 0),
        (CALL, 0, 0, 181),  # bpf_loop
        END,
        END,
        output(),
        END,
    ]
    own = [(0, 11), (5, 12), (6, 13)]
    assert typed(code, [11, 12, 13]) == own
    assert typed(counted(code), [11, 12, 13]) == [*own, (len(code), 13)]
    with pytest.raises(UsageError, match="types are unknown"):
        typed(code, [11, 12])


def test_without_a_callback_functions_need_no_types() -> None:
    assert typed([(CALL, 1 << 4, 0, 1), END, END], [11, 12]) == []


def test_a_full_stack_has_no_place_for_the_context() -> None:
    with pytest.raises(UsageError, match="stack is full"):
        counted([output(), END], stack_bytes=508, to=bpf.PERF_EVENT_ARRAY)


def test_what_has_no_equal_is_named() -> None:
    code = [output(Helper.RINGBUF_RESERVE), output(Helper.RINGBUF_DISCARD), output(), END]
    found = helpers(code)
    missing = not_carried(found, bpf.PERF_EVENT_ARRAY)
    assert [each.title for each in missing] == ["bpf_ringbuf_reserve", "bpf_ringbuf_discard"]
    assert not_carried({Helper.PERF_EVENT_OUTPUT}, bpf.RINGBUF) == []
