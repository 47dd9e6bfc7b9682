# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Expected verdicts: claims that gate a CI job."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.errors import GateFailed, UsageError
from bench.judge.claims.catalogue import Judged, chosen
from bench.judge.claims.finding import Verdict

Expectations = Mapping[str, Verdict]
"""Claim id -> the verdict that it has to come out with."""


def parse(words: Iterable[str]) -> Expectations:
    """Of ``rb-order=reproduced`` and the like; UsageError for what is none."""
    found: dict[str, Verdict] = {}
    for word in words:
        name, equals, verdict = word.partition("=")
        if not equals:
            raise UsageError(
                f"{word!r} expects nothing", remedy="write it like rb-order=reproduced"
            )
        found[_known(name)] = _verdict(verdict)
    return found


def read(path: Path) -> Expectations:
    """Of a TOML file with a line ``rb-order = "reproduced"`` for each claim."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    return {_known(name): _verdict(str(verdict)) for name, verdict in values.items()}


def _known(name: str) -> str:
    (claim,) = chosen([name.strip()])
    return claim.id


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text.strip().replace("-", " "))
    except ValueError:
        raise UsageError(
            f"{text.strip()!r} is no verdict",
            remedy=f"take one of {', '.join(verdict.replace(' ', '-') for verdict in Verdict)}",
        ) from None


def check(expected: Expectations, judged: Sequence[Judged], *, strict: bool) -> None:
    """GateFailed, naming every claim that came out otherwise.

    An inconclusive one fails only if ``strict``: it is no evidence of the contrary. One that was
    not measured does fail, since a gate that was never tried holds nothing.
    """
    failed = []
    for of_machine in judged:
        for each in of_machine.judgements:
            wanted, verdict = expected.get(each.claim.id), each.finding.verdict
            if wanted is None or verdict is wanted:
                continue
            if verdict is not Verdict.INCONCLUSIVE or strict:
                failed.append(f"{each.claim.id} is {verdict}, expected {wanted}")
    if failed:
        raise GateFailed(f"claims came out otherwise: {'; '.join(failed)}")
