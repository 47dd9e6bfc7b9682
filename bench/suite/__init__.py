# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the experiments as pytest-benchmark tests, for nox -s bench."""
