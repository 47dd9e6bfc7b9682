// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//! A reader for `bufbench run --reader-command`, in Rust without crates: reader.c says what it does.
//!
//!     rustc -O -o reader examples/reader/reader.rs

use std::ffi::c_void;
use std::ptr::{copy_nonoverlapping, null_mut, read_unaligned, write_unaligned};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const RING: u32 = 1;
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const LENGTH_AT: usize = 48; // of the record's own length in it
const MOST_FDS: usize = 250;
const HEAD_AT: usize = 1024; // data_head in struct perf_event_mmap_page; data_tail follows
const SAMPLE: u32 = 9;
const LOST: u32 = 2;

#[repr(C)]
struct Part {
    base: *mut c_void,
    bytes: usize,
}

#[repr(C)]
struct Message {
    name: *mut c_void,
    name_bytes: u32,
    parts: *mut Part,
    part_count: usize,
    control: *mut c_void,
    control_bytes: usize,
    flags: i32,
}

#[repr(C)]
struct Time {
    seconds: i64,
    ns: i64,
}

#[repr(C)]
struct Poll {
    fd: i32,
    events: i16,
    seen: i16,
}

extern "C" {
    fn recvmsg(fd: i32, message: *mut Message, flags: i32) -> isize;
    fn send(fd: i32, bytes: *const c_void, count: usize, flags: i32) -> isize;
    fn recv(fd: i32, bytes: *mut c_void, count: usize, flags: i32) -> isize;
    fn mmap(at: *mut c_void, bytes: usize, prot: i32, flags: i32, fd: i32, from: i64) -> *mut c_void;
    fn poll(wanted: *mut Poll, count: u64, timeout_ms: i32) -> i32;
    fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    fn getpagesize() -> i32;
}

#[repr(C)]
#[derive(Default)]
struct Header {
    magic: [u8; 4],
    kind: u32,
    buffers: u32,
    record_bytes: u32,
    row_bytes: u32,
    unused: u32,
    data_bytes: u64,
    rows: u64,
}

#[repr(C)]
struct Counts {
    count: u64,
    overflow: u64,
    malformed: u64,
    lost: u64,
    wakeups: u64,
    empty_polls: u64,
}

struct Buffer {
    produced: *const AtomicU64,
    consumed: *const AtomicU64,
    data: *const u8,
}

struct Reader {
    header: Header,
    counts: *mut Counts,
    rows: *mut u8,
    whole: Vec<u8>, // a perf record that wraps, in one piece
}

fn fail(what: &str) -> ! {
    eprintln!("reader: {what}: {}", std::io::Error::last_os_error());
    std::process::exit(1)
}

fn now_ns() -> u64 {
    let mut time = Time { seconds: 0, ns: 0 };
    unsafe { clock_gettime(1, &mut time) };
    time.seconds as u64 * 1_000_000_000 + time.ns as u64
}

/// Receives a message into `bytes`; returns the descriptors that came with it.
unsafe fn receive(from: i32, bytes: *mut c_void, count: usize) -> Vec<i32> {
    let mut control = [0u64; 2 + MOST_FDS / 2];
    let mut part = Part { base: bytes, bytes: count };
    let mut message = Message {
        name: null_mut(),
        name_bytes: 0,
        parts: &mut part,
        part_count: 1,
        control: control.as_mut_ptr().cast(),
        control_bytes: std::mem::size_of_val(&control),
        flags: 0,
    };
    if recvmsg(from, &mut message, 0) <= 0 {
        fail("recvmsg");
    }
    if message.control_bytes < 16 {
        return Vec::new();
    }
    let found = (control[0] as usize - 16) / 4; // struct cmsghdr: length, level and type
    let fds = control.as_ptr().add(2).cast::<i32>();
    (0..found).map(|at| *fds.add(at)).collect()
}

unsafe fn map(fd: i32, bytes: usize, writable: bool, from: usize) -> *mut u8 {
    let found = mmap(null_mut(), bytes, 1 | i32::from(writable) << 1, 1, fd, from as i64);
    if found as isize == -1 {
        fail("mmap");
    }
    found.cast()
}

impl Reader {
    unsafe fn buffer(&self, fd: i32) -> Buffer {
        let (page, bytes) = (getpagesize() as usize, self.header.data_bytes as usize);
        if self.header.kind == RING {
            let produced = map(fd, page + 2 * bytes, false, page);
            let consumed = map(fd, page, true, 0);
            return Buffer {
                produced: produced.cast(),
                consumed: consumed.cast(),
                data: produced.add(page),
            };
        }
        let first = map(fd, page + bytes, true, 0);
        let positions = first.add(HEAD_AT).cast::<AtomicU64>();
        Buffer { produced: positions, consumed: positions.add(1), data: first.add(page) }
    }

    /// Copies a record to the next row, and says when it was there.
    unsafe fn keep(&self, record: *const u8, bytes: usize) {
        let counts = &mut *self.counts;
        let known = self.header.record_bytes as usize;
        if bytes < known {
            counts.malformed += 1;
            return;
        }
        if counts.count == self.header.rows {
            counts.overflow += 1;
            return;
        }
        let row = self.rows.add(counts.count as usize * self.header.row_bytes as usize);
        copy_nonoverlapping(record, row, known);
        let length = read_unaligned(record.add(LENGTH_AT).cast::<u32>()) as usize;
        let padded = length > known && length <= bytes;
        let tail = if padded { read_unaligned(record.add(length - 4).cast::<u32>()) } else { 0 };
        write_unaligned(row.add(known + 8).cast::<u32>(), bytes as u32);
        write_unaligned(row.add(known + 12).cast::<u32>(), tail);
        write_unaligned(row.add(known).cast::<u64>(), now_ns());
        counts.count += 1;
    }

    unsafe fn drain_ring(&self, buffer: &Buffer) -> u64 {
        let mut at = (*buffer.consumed).load(Ordering::Relaxed);
        let end = (*buffer.produced).load(Ordering::Acquire);
        let mut read = 0;
        while at < end {
            let place = buffer.data.add((at & (self.header.data_bytes - 1)) as usize);
            let length = (*place.cast::<AtomicU32>()).load(Ordering::Acquire);
            if length & BUSY != 0 {
                break;
            }
            let bytes = (length & !DISCARD) as usize;
            if length & DISCARD == 0 {
                self.keep(place.add(8), bytes);
                read += 1;
            }
            at += (bytes as u64 + 8 + 7) & !7;
            (*buffer.consumed).store(at, Ordering::Release);
        }
        read
    }

    unsafe fn drain_perf(&mut self, buffer: &Buffer) -> u64 {
        let mut at = (*buffer.consumed).load(Ordering::Relaxed);
        let end = (*buffer.produced).load(Ordering::Acquire);
        let whole = self.header.data_bytes as usize;
        let mut read = 0;
        while at < end {
            let from = at as usize & (whole - 1);
            let mut event = buffer.data.add(from);
            let size = read_unaligned(event.add(6).cast::<u16>()) as usize;
            if from + size > whole {
                copy_nonoverlapping(event, self.whole.as_mut_ptr(), whole - from);
                let rest = self.whole.as_mut_ptr().add(whole - from);
                copy_nonoverlapping(buffer.data, rest, size - (whole - from));
                event = self.whole.as_ptr();
            }
            match read_unaligned(event.cast::<u32>()) {
                SAMPLE => {
                    let raw = read_unaligned(event.add(8).cast::<u32>()) as usize;
                    self.keep(event.add(12), raw);
                    read += 1;
                }
                LOST => (*self.counts).lost += read_unaligned(event.add(16).cast::<u64>()),
                _ => (),
            }
            at += size as u64;
            (*buffer.consumed).store(at, Ordering::Release);
        }
        read
    }

    unsafe fn drain(&mut self, buffers: &[Buffer]) -> u64 {
        let ring = self.header.kind == RING;
        buffers
            .iter()
            .map(|each| if ring { self.drain_ring(each) } else { self.drain_perf(each) })
            .sum()
    }
}

fn main() {
    let number = std::env::var("BUFBENCH_READER").unwrap_or_default();
    let Ok(from) = number.parse::<i32>() else {
        eprintln!("reader: to be started by bufbench run --reader-command");
        std::process::exit(2)
    };
    unsafe {
        let mut header = Header::default();
        let memory = receive(from, (&mut header as *mut Header).cast(), 40);
        if &header.magic != b"BBR1" || memory.len() != 1 {
            fail("this is another protocol");
        }
        let page = getpagesize() as usize;
        let shared = map(memory[0], page + header.rows as usize * header.row_bytes as usize, true, 0);
        let count = header.buffers as usize;
        let mut reader = Reader {
            header,
            counts: shared.cast(),
            rows: shared.add(page),
            whole: vec![0; 1 << 16],
        };
        let (mut word, mut fds) = ([0u8; 64], Vec::new());
        while fds.len() < count {
            fds.extend(receive(from, word.as_mut_ptr().cast(), word.len()));
        }
        let buffers: Vec<Buffer> = fds.iter().map(|&fd| reader.buffer(fd)).collect();
        let mut wanted: Vec<Poll> =
            [&[from], &fds[..]].concat().iter().map(|&fd| Poll { fd, events: 1, seen: 0 }).collect();
        send(from, b"ready".as_ptr().cast(), 5, 0);
        let mut polled = false;
        loop {
            let read = reader.drain(&buffers);
            (*reader.counts).wakeups += u64::from(polled && read > 0);
            (*reader.counts).empty_polls += u64::from(polled && read == 0);
            while reader.drain(&buffers) > 0 {}
            poll(wanted.as_mut_ptr(), wanted.len() as u64, -1);
            if wanted[0].seen != 0 {
                break;
            }
            polled = true;
        }
        if recv(from, word.as_mut_ptr().cast(), word.len(), 0) <= 0 {
            std::process::exit(1);
        }
        while reader.drain(&buffers) > 0 {}
        send(from, b"done".as_ptr().cast(), 4, 0);
        recv(from, word.as_mut_ptr().cast(), word.len(), 0); // until bufbench has looked
    }
}
