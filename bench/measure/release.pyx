# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Hold records back and release them by their stamps, as a consumer of perf buffers would.

Records come in rounds: a consumer reads each buffer once, then releases what is due. Between two
rounds a timer releases the rest when it is due. A held record is copied: its buffer needs the room.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef uint32_t NOTHING = 0xFFFFFFFF

cdef struct Entry:
    int64_t stamp_ns
    uint32_t place  # in the order of delivery
    uint32_t slot


cdef inline bint before(Entry one, Entry other) noexcept nogil:
    if one.stamp_ns == other.stamp_ns:
        return one.place < other.place
    return one.stamp_ns < other.stamp_ns


cdef class Restorer:
    """Hold records in a heap, or in a queue for each CPU and a heap of the queues' heads.

    ``by_cpu``: in queues. ``slowest``: what is no younger than the newest record of each CPU is
    due too, since no older one can come. Used once, for at most ``most`` records.
    """

    cdef Entry *heap
    cdef Entry *entries      # of each slot
    cdef uint8_t *slots
    cdef uint32_t *unused    # slots that were used before
    cdef uint32_t *after     # of each slot, the one behind it in its queue
    cdef uint32_t *last      # of each queue, its last slot
    cdef int64_t *newest_ns  # of each CPU
    cdef size_t most, width, in_heap, unused_count
    cdef int cpus
    cdef bint by_cpu, slowest
    cdef int64_t clock_ns
    cdef readonly size_t held_peak

    def __cinit__(self, size_t most, size_t width, int cpus, *, bint by_cpu, bint slowest):
        cdef int cpu
        self.most, self.width, self.cpus = most, width, cpus
        self.by_cpu, self.slowest = by_cpu, slowest
        self.heap = <Entry *>malloc((most + 1) * sizeof(Entry))
        self.entries = <Entry *>malloc((most + 1) * sizeof(Entry))
        self.slots = <uint8_t *>malloc((most + 1) * width)
        self.unused = <uint32_t *>malloc((most + 1) * sizeof(uint32_t))
        self.after = <uint32_t *>malloc((most + 1) * sizeof(uint32_t))
        self.last = <uint32_t *>malloc((cpus + 1) * sizeof(uint32_t))
        self.newest_ns = <int64_t *>malloc((cpus + 1) * sizeof(int64_t))
        if (self.heap == NULL or self.entries == NULL or self.slots == NULL or self.unused == NULL
                or self.after == NULL or self.last == NULL or self.newest_ns == NULL):
            raise MemoryError
        for cpu in range(cpus):
            self.last[cpu] = NOTHING
            self.newest_ns[cpu] = INT64_MIN

    def __dealloc__(self):
        free(self.heap)
        free(self.entries)
        free(self.slots)
        free(self.unused)
        free(self.after)
        free(self.last)
        free(self.newest_ns)

    cdef void rise(self, Entry entry) noexcept nogil:
        """Put an entry into the heap."""
        cdef size_t place = self.in_heap, parent
        self.in_heap += 1
        while place:
            parent = (place - 1) >> 1
            if not before(entry, self.heap[parent]):
                break
            self.heap[place] = self.heap[parent]
            place = parent
        self.heap[place] = entry

    cdef void sink(self, Entry entry) noexcept nogil:
        """Replace the heap's first entry by another one."""
        cdef size_t place = 0, child
        while True:
            child = 2 * place + 1
            if child >= self.in_heap:
                break
            if child + 1 < self.in_heap and before(self.heap[child + 1], self.heap[child]):
                child += 1
            if not before(self.heap[child], entry):
                break
            self.heap[place] = self.heap[child]
            place = child
        self.heap[place] = entry

    cdef void hold(self, const uint8_t *record, Entry entry, int cpu) noexcept nogil:
        """Copy a record and put it behind those of its CPU, or into the heap."""
        if self.unused_count:
            self.unused_count -= 1
            entry.slot = self.unused[self.unused_count]
        else:
            entry.slot = <uint32_t>self.held_peak
            self.held_peak += 1
        memcpy(self.slots + entry.slot * self.width, record, self.width)
        if entry.stamp_ns > self.newest_ns[cpu]:
            self.newest_ns[cpu] = entry.stamp_ns
        if not self.by_cpu:
            self.rise(entry)
            return
        self.entries[entry.slot] = entry
        self.after[entry.slot] = NOTHING
        if self.last[cpu] == NOTHING:
            self.rise(entry)
        else:
            self.after[self.last[cpu]] = entry.slot
        self.last[cpu] = entry.slot

    cdef Entry take(self, const uint16_t *cpu_of) noexcept nogil:
        """Take the first entry out of the heap; the next of its queue takes its place."""
        cdef Entry first = self.heap[0]
        cdef uint32_t following = self.after[first.slot] if self.by_cpu else NOTHING
        self.unused[self.unused_count] = first.slot
        self.unused_count += 1
        if following != NOTHING:
            self.sink(self.entries[following])
            return first
        if self.by_cpu:
            self.last[cpu_of[first.place]] = NOTHING
        self.in_heap -= 1
        if self.in_heap:
            self.sink(self.heap[self.in_heap])
        return first

    cdef int64_t slowest_ns(self) noexcept nogil:
        """Return the stamp up to which no CPU can send an older record."""
        cdef int64_t found = INT64_MAX
        cdef int cpu
        if not self.slowest:
            return INT64_MIN
        for cpu in range(self.cpus):
            found = min(found, self.newest_ns[cpu])
        return found

    def run(self, const uint8_t[:, ::1] records, const int64_t[::1] stamp_ns,
            const int64_t[::1] delivered_ns, const uint16_t[::1] cpu,
            const int64_t[::1] rounds, int64_t hold_ns,
            int64_t[::1] order, int64_t[::1] released_ns):
        """Restore the order of records that came in ``rounds``, the place where each begins.

        A record is due ``hold_ns`` after its stamp. Writes the places of all records in the order
        of release, and beside them when each was released.
        """
        cdef size_t count = stamp_ns.shape[0], round_count = rounds.shape[0]
        cdef size_t at, first, end, place, released = 0
        cdef int64_t now_ns, safe_ns
        cdef Entry entry
        if not count:
            return
        with nogil:
            for at in range(round_count):
                first = rounds[at]
                end = rounds[at + 1] if at + 1 < round_count else count
                while self.in_heap and self.heap[0].stamp_ns + hold_ns < delivered_ns[first]:
                    self.clock_ns = max(self.clock_ns, self.heap[0].stamp_ns + hold_ns)
                    entry = self.take(&cpu[0])
                    order[released], released_ns[released] = entry.place, self.clock_ns
                    released += 1
                for place in range(first, end):
                    entry.stamp_ns, entry.place = stamp_ns[place], <uint32_t>place
                    self.hold(&records[place, 0], entry, cpu[place])
                now_ns = self.clock_ns = max(self.clock_ns, delivered_ns[end - 1])
                safe_ns = self.slowest_ns()
                while self.in_heap and (self.heap[0].stamp_ns + hold_ns < now_ns
                                        or self.heap[0].stamp_ns <= safe_ns):
                    entry = self.take(&cpu[0])
                    order[released], released_ns[released] = entry.place, now_ns
                    released += 1
            while self.in_heap:
                self.clock_ns = max(self.clock_ns, self.heap[0].stamp_ns + hold_ns)
                entry = self.take(&cpu[0])
                order[released], released_ns[released] = entry.place, self.clock_ns
                released += 1


def begin_rounds(const int64_t[::1] stamp_ns, const int64_t[::1] delivered_ns,
                 const uint16_t[::1] cpu, int64_t[::1] begins):
    """Write where each round begins, into room for one a record; return how many there are.

    A round visits the buffers in the order of their CPUs. A visit reads what was written before
    its first record was delivered, so that a later stamp begins another visit; one that was
    written after the visit before it begins a round too: at worst one too many, between records
    that are in order.
    """
    cdef size_t count = stamp_ns.shape[0], place
    cdef int64_t found = 0, visit_ns = 0
    with nogil:
        for place in range(count):
            if place and cpu[place] == cpu[place - 1] and stamp_ns[place] <= visit_ns:
                continue
            visit_ns = delivered_ns[place]
            if (not place or cpu[place] <= cpu[place - 1]
                    or stamp_ns[place] > delivered_ns[place - 1]):
                begins[found] = place
                found += 1
    return found


def least_hold_ns(const int64_t[::1] stamp_ns, const int64_t[::1] delivered_ns,
                  const int64_t[::1] rounds, const int64_t[::1] by_stamp,
                  int64_t[::1] rank, int64_t[::1] left, int64_t[::1] right):
    """Return the least hold-back with which a heap releases all records by their stamps.

    What is younger than the oldest record of a later round has to be held until that round begins.
    Of those only the oldest decides: it is found in a list by stamp, from which rounds are taken
    out, the last one first. ``by_stamp`` has the places by stamp; the last three are of the list,
    ``left`` and ``right`` one longer than there are records.
    """
    cdef size_t count = stamp_ns.shape[0], round_count = rounds.shape[0]
    cdef size_t at, first, end, place
    cdef int64_t lowest, where, following, hold_ns = 0
    with nogil:
        for place in range(count):
            rank[by_stamp[place]] = place
            left[place], right[place] = <int64_t>place - 1, place + 1
        left[count] = <int64_t>count - 1  # the end of the list
        for at in range(round_count - 1, 0, -1):
            first = rounds[at]
            end = rounds[at + 1] if at + 1 < round_count else count
            lowest = count
            for place in range(first, end):
                lowest = min(lowest, rank[place])
            for place in range(first, end):
                where = rank[place]
                if where != lowest:
                    unlink(left, right, where)
            following = right[lowest]
            if following < <int64_t>count:
                hold_ns = max(hold_ns, delivered_ns[first] - stamp_ns[by_stamp[following]])
            unlink(left, right, lowest)
    return hold_ns


cdef inline void unlink(int64_t[::1] left, int64_t[::1] right, int64_t where) noexcept nogil:
    if left[where] >= 0:
        right[left[where]] = right[where]
    left[right[where]] = left[where]
