# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test parameters of a guest's kernel: what cannot work is refused in a line."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.guests import parameters


def test_known_unknown_and_quoted_words_are_taken() -> None:
    taken = ("nokaslr", "foo", "foo=bar", 'dyndbg="file a.c +p"', "a b", "initcall_debug", "init")
    assert parameters.check(taken) == taken
    assert parameters.check(()) == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["foo", "--"], r"'--': what follows -- is the first process's"),
        (["foo -- bar"], "what follows --"),
        (["init=/bin/sh"], "'init=/bin/sh': the first process is bufbench's; leave it out"),
        (["quiet rdinit=/bin/sh"], "the first process is bufbench's"),
        (['foo="a b'], "a quote is not closed"),
        (["foo\nbar"], "characters that no kernel takes"),
        (["größe=1"], "characters that no kernel takes"),
        (["x" * 800, "y" * 800], "more than 1,500 characters are cut"),
    ],
)
def test_what_cannot_work_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match="--append") as raised:
        parameters.check(words)
    assert said.replace(r"\'", "'") in str(raised.value)
    assert "\n" not in str(raised.value)
