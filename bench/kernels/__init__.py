# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Other kernels: fetched from distributions' archives, booted in guests, compared."""
