//! The memory of large tensors. A system hands out large blocks fresh: every page of them is mapped and
//! cleared anew, which costs more time than most passes over a tensor. [`Recycler`] keeps freed blocks
//! for the next tensor of the same size. At the end of a call [`release`] gives back all but a few.
//! A call that may use little memory keeps little: see [`allow`]. Fresh blocks take huge pages where the
//! system has them for those who ask: see [`use_huge_pages`].

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes from which on a block is kept.
const LEAST: usize = 1 << 18;
/// Bytes that may be kept during a call, and between calls, at most.
const MOST: usize = 1 << 29;
const IDLE: usize = 1 << 28;
/// The share of the memory that a call may use for blocks that are kept.
const SHARE: usize = 8;
/// Blocks that may be kept.
const SLOTS: usize = 256;

/// Bytes from which on a fresh block is worth huge pages.
#[cfg(target_os = "linux")]
const HUGE: usize = 1 << 22;

/// Asks the system for huge pages for memory that nobody has touched yet: a page fault for every 2 MB in
/// place of one for every 4 KB. Nothing happens where the system does not have them.
pub fn use_huge_pages(address: *const u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    if bytes >= HUGE && !address.is_null() {
        const PAGE: usize = 4096;
        let skipped = address.align_offset(PAGE);
        let whole = (bytes - skipped) / PAGE * PAGE;
        // SAFETY: the pages lie within the block, and what they hold does not change.
        unsafe { libc::madvise(address.add(skipped) as *mut _, whole, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (address, bytes);
}

/// The system's allocator, which reuses large blocks.
pub struct Recycler;

/// A free block.
#[derive(Clone, Copy)]
struct Block {
    address: usize,
    layout: Layout,
}

/// Free blocks, the oldest first.
struct Kept {
    blocks: [Option<Block>; SLOTS],
    count: usize,
    bytes: usize,
    /// Bytes that may be kept.
    most: usize,
}

static KEPT: Mutex<Kept> =
    Mutex::new(Kept { blocks: [None; SLOTS], count: 0, bytes: 0, most: MOST });

impl Kept {
    fn remove(&mut self, i: usize) -> Option<Block> {
        let block = self.blocks[i].take()?;
        self.blocks[i..self.count].rotate_left(1);
        self.count -= 1;
        self.bytes -= block.layout.size();
        Some(block)
    }

    /// The latest block of this layout, which is the likeliest to be in the cache.
    fn take(&mut self, layout: Layout) -> Option<Block> {
        let fits = |block: &Option<Block>| block.is_some_and(|block| block.layout == layout);
        let i = self.blocks[..self.count].iter().rposition(fits)?;
        self.remove(i)
    }

    /// Keeps a block if it is not too large; gives old ones back where there is no room.
    fn put(&mut self, block: Block) {
        if block.layout.size() > self.most {
            return give_back(block);
        }
        while self.count == SLOTS || self.bytes + block.layout.size() > self.most {
            self.remove(0).into_iter().for_each(give_back);
        }
        self.blocks[self.count] = Some(block);
        self.count += 1;
        self.bytes += block.layout.size();
    }

    /// Gives blocks back, the oldest first, until no more than these bytes are kept.
    fn shrink(&mut self, bytes: usize) {
        while self.bytes > bytes {
            self.remove(0).into_iter().for_each(give_back);
        }
    }
}

fn give_back(block: Block) {
    // SAFETY: the block came from the system's allocator with this layout, and nobody else has it.
    unsafe { System.dealloc(block.address as *mut u8, block.layout) }
}

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps no more from now on than suits a call that may use so many bytes.
pub fn allow(bytes: usize) {
    let (mut kept, most) = (kept(), MOST.min(bytes / SHARE));
    kept.most = most;
    kept.shrink(most);
}

/// Gives free blocks back to the system until few bytes are kept.
pub fn release() {
    kept().shrink(IDLE);
}

/// What is asked of the system for a large block: the size rounded up to one of eight a power of two,
/// so that blocks of nearly the same size can stand in for each other. `None` for other blocks.
fn recycled(layout: Layout) -> Option<Layout> {
    if layout.size() < LEAST || layout.size() > MOST {
        return None;
    }
    let step = 1 << (layout.size().ilog2() - 3);
    Layout::from_size_align(layout.size().next_multiple_of(step), layout.align()).ok()
}

fn take(layout: Layout) -> Option<*mut u8> {
    let block = kept().take(layout);
    block.map(|block| block.address as *mut u8)
}

/// A block that comes from the system.
fn fresh(block: *mut u8, layout: Layout) -> *mut u8 {
    use_huge_pages(block, layout.size());
    block
}

// SAFETY: every block is one of the system's allocator, asked for and given back with the layout that
// `recycled()` makes of its own. A free block is in `KEPT` until it is handed out or given back, never
// both, and it is handed out for the same layout alone.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match recycled(layout) {
            Some(layout) => take(layout).unwrap_or_else(|| fresh(System.alloc(layout), layout)),
            None => System.alloc(layout),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(whole) = recycled(layout) else {
            return System.alloc_zeroed(layout);
        };
        match take(whole) {
            Some(block) => {
                block.write_bytes(0, layout.size());
                block
            }
            None => fresh(System.alloc_zeroed(whole), whole),
        }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        match recycled(layout) {
            Some(layout) => {
                let block = Block { address: address as usize, layout };
                kept().put(block);
            }
            None => System.dealloc(address, layout),
        }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The caller guarantees that the new size makes a layout.
        let new = Layout::from_size_align_unchecked(size, layout.align());
        match (recycled(layout), recycled(new)) {
            (None, None) => System.realloc(address, layout, size),
            (old, wanted) if old == wanted => address,
            _ => {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(address, layout.size().min(size));
                    self.dealloc(address, layout);
                }
                moved
            }
        }
    }
}
