# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep journals as a Parquet data set beside them, so that each is read once."""
