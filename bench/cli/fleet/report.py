# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument

from bench.cli.options import AsFormat, AsJsonForm, Full, form_of, of_output
from bench.cli.output import answer, read
from bench.cli.report import refuse_text_file
from bench.errors import UsageError

_FILES = Argument(help="Journals of several machines.", metavar="FILE...")
_OUTPUT = of_output(help="File to write.", metavar="FILE")


def command(
    files: Annotated[list[Path], _FILES],
    *,
    form: AsFormat = "text",
    as_json: AsJsonForm = False,
    output: Annotated[Path | None, _OUTPUT] = None,
    full: Full = False,
) -> None:
    """Judge the journals of many machines together.

    Times of two machines never meet: what each machine found between its own two arms does, by a
    random-effects meta-analysis of every number, with the interval of the mean, the scatter between
    machines and where the next machine's value lies. Claims are counted by machine. Machines that
    are unlike the others are named, and facts (kernel, CPUs, lock ...) that go with a difference.
    Journals of one machine and kernel are one machine.

    Example: bufbench fleet report results/fleet/*.jsonl --full

    Example: bufbench fleet report *.jsonl --format html --output fleet.html
    """
    from bench.questions.claims.catalogue import judge as judge_claims
    from bench.questions.claims.evidence import of_journals
    from bench.questions.fleet.document import document
    from bench.questions.fleet.judge import judge
    from bench.questions.transports.summary import compare_journals

    form = form_of(form, as_json)
    refuse_text_file(form, output)
    content = read(files)
    summaries = compare_journals(content)
    if len(summaries) < 2:
        raise UsageError(
            "these journals are of one machine and kernel", remedy="use bufbench report for one"
        )
    claims = [judge_claims(each) for each in of_journals(content)]
    answer(form, [document(judge(summaries, claims))], output=output, full=full)
