# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Trial: one storm under one configuration, from open to measured."""
