# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run trials: one storm under one configuration, from open to measured."""
