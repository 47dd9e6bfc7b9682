# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False
"""Unpack the counts of latency histograms, and add them up, bin by bin."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

cdef int LONGEST = 56  # bits of a number; hdrh would take a ninth byte whole
cdef int LONGEST_BYTES = 10  # of any number


def unpacked(list texts, int64_t most):
    """Return bins, counts, and how many bins each text has. ValueError if one is not well-formed.

    A text is a row of numbers in zigzag LEB128: a count of the next bin, or below 0 how many bins
    are empty. At most ``most`` bins are counted through.
    """
    cdef Py_ssize_t at, place, end, first, used = 0
    cdef int64_t number, reached, counts_one
    cdef uint64_t packed
    cdef int shift
    cdef bytes one
    cdef const uint8_t* text
    room = sum(map(len, texts)) + 1  # a number is written before it is known to be a count
    found = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(len(texts), np.int64)
    cdef int64_t[::1] bins = found[0], counts = found[1], sizes = found[2]
    for at in range(len(texts)):
        one = texts[at]
        text = one
        place, end, first, reached = 0, len(one), used, 0
        while place < end:
            packed, shift = text[place] & 0x7F, 7
            while text[place] & 0x80:
                place += 1
                if place == end or shift == LONGEST:
                    raise ValueError("a number without its end")
                packed |= <uint64_t>(text[place] & 0x7F) << shift
                shift += 7
            place += 1
            number = <int64_t>(packed >> 1) ^ -<int64_t>(packed & 1)
            # Counts and gaps alternate at random: a branch would be mispredicted half the time.
            bins[used], counts[used] = reached, number
            counts_one = number > 0
            used += counts_one
            reached += counts_one - (1 - counts_one) * number
            if reached > most or number == 0:
                raise ValueError("not a histogram")
        sizes[at] = used - first
    return found[0][:used], found[1][:used], found[2]


def packed(const int64_t[::1] bins, const int64_t[::1] counts):
    """Return the text of one histogram. ValueError for a count that has no place in it."""
    cdef Py_ssize_t at
    cdef int64_t reached = 0
    cdef Py_ssize_t used = 0
    found = np.empty(2 * LONGEST_BYTES * bins.shape[0], np.uint8)
    cdef uint8_t[::1] text = found
    for at in range(bins.shape[0]):
        if counts[at] <= 0 or counts[at] >> (LONGEST - 1):
            raise ValueError("not a count")
        if bins[at] > reached:
            used = written(text, used, 2 * (bins[at] - reached) - 1)
        used = written(text, used, 2 * counts[at])
        reached = bins[at] + 1
    return found[:used].tobytes()


cdef Py_ssize_t written(uint8_t[::1] text, Py_ssize_t used, uint64_t number):
    while number >= 0x80:
        text[used] = <uint8_t>(number & 0x7F | 0x80)
        number >>= 7
        used += 1
    text[used] = <uint8_t>number
    return used + 1


def add(
    int64_t[:, ::1] totals,
    const int64_t[::1] bins,
    const int64_t[::1] counts,
    const int64_t[::1] sizes,
    const int64_t[::1] to,
):
    """Add histograms to rows of ``totals``, each to the one that ``to`` names; or IndexError."""
    cdef Py_ssize_t at, place = 0, end = 0
    cdef int64_t row
    for at in range(sizes.shape[0]):
        row, end = to[at], end + sizes[at]
        if sizes[at] < 0 or end > bins.shape[0] or not 0 <= row < totals.shape[0]:
            raise IndexError(at)
        while place < end:
            if not 0 <= bins[place] < totals.shape[1]:
                raise IndexError(at)
            totals[row, bins[place]] += counts[place]
            place += 1
