# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a plan on each machine of a fleet, with Dask distributed; knows no question."""
