//! Damaged and hostile model files: whatever the bytes, a reader returns, soon, and without
//! allocating more than a file of that length deserves. Real files are mutated at random;
//! `INNSIGHT_FUZZ_SECONDS=600 cargo test --test fuzz` goes on for so long with each reader.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use innsight_core::formats;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Counts what each thread has allocated.
struct Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.get().wrapping_add(layout.size());
        NOW.set(now);
        PEAK.set(PEAK.get().max(now));
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.set(NOW.get().wrapping_sub(layout.size()));
        System.dealloc(pointer, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The largest allocation for a byte of a file: a list of R's smallest items takes the most.
const A_BYTE: usize = 64;
/// The same beside the bytes.
const ANY: usize = 1 << 20;
/// The same for ONNX, which computes constants.
const COMPUTED: usize = 1 << 24;

const SLOW: Duration = Duration::from_secs(5);

/// The files of the R package's tests in a folder whose names end like this.
fn fixtures(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/testthat").join(folder);
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A few random changes from a place on.
fn mutate(bytes: &mut Vec<u8>, from: usize, random: &mut ChaCha8Rng) {
    for _ in 0..1 + random.next_u32() % 3 {
        let length = bytes.len() - from;
        if length < 16 {
            return;
        }
        let mut below = |n: usize| (random.next_u64() % n as u64) as usize;
        let place = from + below(length - 8);
        match below(6) {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 1 << below(8),
            2 => bytes[place] = below(256) as u8,
            3 => {
                let size = [1, 2, 4, 8][below(4)];
                let values = [0, 1, u64::MAX, 1 << 30, 0x7FFF_FFFF, length as u64, 0x7F_FFFF];
                let value = values[below(values.len())];
                let little = &value.to_le_bytes()[..size];
                let big = &value.to_be_bytes()[8 - size..];
                bytes[place..place + size].copy_from_slice([little, big][below(2)]);
            }
            // An address of the file in place of another.
            4 => {
                let place = place / 8 * 8;
                let address = below(bytes.len() / 8) as u64 * 8;
                bytes[place..place + 8].copy_from_slice(&address.to_le_bytes());
            }
            _ => {
                let size = 1 + below(64.min(length - 8));
                let (source, target) = (below(length - size), below(length - size));
                bytes.copy_within(from + source..from + source + size, from + target);
            }
        }
    }
}

/// Reads mutations of the seeds, each from its place on; `any` is what every file may allocate.
fn fuzz(seeds: Vec<(Vec<u8>, usize)>, any: usize, mend: impl Fn(&mut [u8])) {
    let seconds = std::env::var("INNSIGHT_FUZZ_SECONDS").ok();
    let seconds = seconds.map(|s| Duration::from_secs(s.parse().unwrap()));
    let start = Instant::now();
    let (mut read, mut largest, mut longest) = (0usize, 0.0f64, Duration::ZERO);
    for run in 0u64.. {
        if seconds.map_or(run >= 3000, |seconds| start.elapsed() > seconds) {
            println!("{read} of {run} could be read; {largest:.1} bytes a byte, {longest:?}");
            assert!(read > 0, "no mutation could be read");
            return;
        }
        let mut random = ChaCha8Rng::seed_from_u64(run);
        let (mut bytes, from) = seeds[run as usize % seeds.len()].clone();
        mutate(&mut bytes, from, &mut random);
        if run % 2 == 0 {
            mend(&mut bytes);
        }
        let before = NOW.get();
        PEAK.set(before);
        let begun = Instant::now();
        let result = catch_unwind(|| formats::read(&bytes, Path::new(".")).is_ok());
        let (peak, time) = (PEAK.get() - before, begun.elapsed());
        assert!(result.is_ok(), "run {run} panicked");
        let deserved = A_BYTE * bytes.len() + any;
        assert!(peak <= deserved, "run {run}: {peak} for {} bytes", bytes.len());
        assert!(time < SLOW, "run {run} took {time:?}");
        read += usize::from(result.unwrap());
        largest = largest.max((peak as f64 - 4096.0) / bytes.len() as f64);
        longest = longest.max(time);
    }
}

fn whole(files: Vec<Vec<u8>>) -> Vec<(Vec<u8>, usize)> {
    files.into_iter().map(|bytes| (bytes, 0)).collect()
}

#[test]
fn hdf5() {
    fuzz(whole(fixtures("fixtures", ".h5")), ANY, |_| {});
}

#[test]
fn keras() {
    fuzz(whole(fixtures("fixtures", ".keras")), ANY, mend_checksums);
}

#[test]
fn safetensors() {
    fuzz(whole(fixtures("fixtures", ".safetensors")), ANY, |_| {});
}

#[test]
fn r_torch() {
    let files = fixtures("fixtures", ".rtorch.pt");
    let header = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let objects = files.iter().map(|bytes| (bytes.clone(), 8 + header(bytes)));
    fuzz([whole(files.clone()), objects.collect()].concat(), ANY, |_| {});
}

#[test]
fn onnx() {
    fuzz(whole(fixtures("fixtures/onnx", ".onnx")), COMPUTED, |_| {});
}

/// Members of a zip archive get the checksums of what is in them, so that they are read.
fn mend_checksums(bytes: &mut [u8]) {
    let number = |bytes: &[u8], place: usize, size: usize| {
        let field = bytes.get(place..place + size)?;
        Some(field.iter().rev().fold(0, |n, &byte| n << 8 | usize::from(byte)))
    };
    let entries = bytes.windows(4).enumerate().filter(|(_, mark)| mark == b"PK\x01\x02");
    for place in entries.map(|(place, _)| place).collect::<Vec<_>>() {
        let checksum = || {
            let header = number(bytes, place + 42, 4)?;
            let data =
                header + 30 + number(bytes, header + 26, 2)? + number(bytes, header + 28, 2)?;
            let member = bytes.get(data..data + number(bytes, place + 20, 4)?)?;
            Some(rawzip::crc32(member))
        };
        if let Some(checksum) = checksum() {
            bytes[place + 16..place + 20].copy_from_slice(&checksum.to_le_bytes());
        }
    }
}
