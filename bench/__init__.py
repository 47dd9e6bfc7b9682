# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer whether a tracer should use the BPF ring buffer or the perf buffer, and how large.

The pipeline, in one direction: plan -> trial -> measure -> journal -> judge -> report.
"""
