# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render what is judged, in each form that a document can have."""

from __future__ import annotations

import io

from made_up_trials import header
from rich.console import Console

import bench.questions.claims.document as claims
import bench.questions.transports.document as transports
from bench.journal.schema import JournalContent, Run
from bench.questions.claims.catalogue import Judged
from bench.questions.claims.document import data_of
from bench.questions.kernels.document import document as kernels_document
from bench.questions.kernels.matrix import Matrix
from bench.questions.page import documents
from bench.questions.transports.document import report_of
from bench.questions.transports.summary import Summary, compare_journals
from bench.report.converter import Converter
from bench.report.document import Document
from bench.report.renderers import html, markdown
from bench.report.renderers import json as json_form
from bench.report.renderers.text import show
from bench.trial.result import TrialResult


def text(document: Document, *, width: int = 120) -> str:
    out = io.StringIO()
    show(document, Console(file=out, width=width))
    return out.getvalue()


def run_text(summary: Summary, *, width: int = 120) -> str:
    return text(transports.document(summary), width=width)


def text_and_page(*trials: TrialResult) -> tuple[str, str]:
    """Return the report and the page of one run of these trials."""
    run = Run(header=header(), trials=trials)
    content = JournalContent(runs=(run,), faults=())
    (found,) = compare_journals(content)
    with Converter() as converter:
        return run_text(found), html.render_page(documents(content, {}), converter)


def run_markdown(*summaries: Summary) -> str:
    return markdown.render(*map(transports.document, summaries))


def run_json(*summaries: Summary) -> str:
    return json_form.render(data=report_of(*map(transports.document, summaries)))


def claims_text(judged: Judged, *, width: int = 120) -> str:
    return text(claims.document(judged), width=width)


def claims_markdown(*judged: Judged) -> str:
    return markdown.render(*map(claims.document, judged))


def claims_json(*judged: Judged) -> str:
    documents = map(claims.document, judged)
    return json_form.render(data=data_of(*documents))


def kernels_text(matrix: Matrix, *, width: int = 100) -> str:
    return text(kernels_document(matrix), width=width)


def kernels_markdown(matrix: Matrix) -> str:
    return markdown.render(kernels_document(matrix))


def kernels_json(matrix: Matrix) -> str:
    return json_form.render(data=kernels_document(matrix).data)


def kernels_page(matrix: Matrix) -> str:
    return html.render(kernels_document(matrix))
