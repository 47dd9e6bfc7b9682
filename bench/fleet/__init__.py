# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A plan run on each machine of a fleet, by Dask distributed; knows no question."""
