//! The memory of results. A system hands out large blocks fresh: every page of them is mapped and cleared
//! anew, which costs more time than most passes over a tensor, and so do zeros that nobody reads. Cells of
//! a tensor that nothing needs any more wait here for the next one of about its size.

use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::simd::Lanes;

/// Bytes from which on cells are kept.
const LEAST: usize = 1 << 16;
/// Bytes that may be kept during a call, and between calls, at most.
const MOST: usize = 1 << 29;
const IDLE: usize = 1 << 28;
/// The share of the memory that a call may use for cells that are kept.
const SHARE: usize = 4;

/// Cells that wait, the oldest first.
struct Shelf {
    kept: Vec<Kept>,
    bytes: usize,
    /// Bytes that may be kept.
    most: usize,
}

/// A vector of floats.
struct Kept {
    cells: Box<dyn Any + Send>,
    bytes: usize,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { kept: Vec::new(), bytes: 0, most: MOST });

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The shelf if so many cells are worth it; small tensors, of which there are many, do not wait for it.
fn shelf_for<E: Lanes>(cells: usize) -> Option<MutexGuard<'static, Shelf>> {
    (cells * size_of::<E>() >= LEAST).then(shelf)
}

impl Shelf {
    fn remove(&mut self, i: usize) -> Kept {
        let kept = self.kept.remove(i);
        self.bytes -= kept.bytes;
        kept
    }

    /// Cells that are enough and hardly more, the latest, which are the likeliest to be in the cache.
    fn take<E: Lanes>(&mut self, cells: usize) -> Option<Vec<E>> {
        let fitting = cells..=cells + cells / 8;
        let fits = |kept: &Vec<E>| fitting.contains(&kept.len());
        let i = self.kept.iter().rposition(|kept| kept.cells.downcast_ref().is_some_and(fits))?;
        self.remove(i).cells.downcast().ok().map(|cells| *cells)
    }

    /// Keeps cells; forgets old ones where there are too many.
    fn put<E: Lanes>(&mut self, mut cells: Vec<E>) {
        let bytes = cells.capacity() * size_of::<E>();
        if bytes > self.most {
            return;
        }
        self.shrink(self.most - bytes);
        cells.resize(cells.capacity(), E::default());
        self.kept.push(Kept { cells: Box::new(cells), bytes });
        self.bytes += bytes;
    }

    fn shrink(&mut self, bytes: usize) {
        while self.bytes > bytes {
            self.remove(0);
        }
    }
}

/// So many cells with any numbers in them, in tests none.
#[inline(never)]
pub fn room<E: Lanes>(cells: usize) -> Vec<E> {
    if cfg!(debug_assertions) {
        return vec![E::number(f64::NAN); cells];
    }
    let kept = shelf_for::<E>(cells).and_then(|mut shelf| shelf.take(cells));
    let mut room = kept.unwrap_or_else(|| vec![E::default(); cells]);
    room.truncate(cells);
    room
}

/// Keeps cells that nothing needs any more for [`room`].
#[inline(never)]
pub fn keep<E: Lanes>(cells: Vec<E>) {
    if let Some(mut shelf) = shelf_for::<E>(cells.capacity()) {
        shelf.put(cells);
    }
}

/// Keeps no more from now on than suits a call that may use so many bytes.
pub fn set_memory(bytes: usize) {
    let mut shelf = shelf();
    shelf.most = MOST.min(bytes / SHARE);
    let most = shelf.most;
    shelf.shrink(most);
}

/// Gives cells that wait back to the system until few bytes are kept: at the end of a call.
pub fn release_memory() {
    shelf().shrink(IDLE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_are_enough_and_hardly_more_are_handed_out_again() {
        let (many, most) = (1 << 15, 3 << 18);
        let mut shelf = Shelf { kept: Vec::new(), bytes: 0, most };
        assert!(shelf_for::<f32>(LEAST / 4 - 1).is_none(), "so few are not worth it");
        assert!(shelf_for::<f32>(LEAST / 4).is_some());
        assert_eq!(shelf.bytes, 0);
        let mut cells = vec![1f32; many];
        cells.truncate(many - 1);
        shelf.put(cells);
        shelf.put(vec![2f64; many]);
        assert_eq!(shelf.bytes, 12 * many);
        assert!(shelf.take::<f32>(many + 1).is_none() && shelf.take::<f32>(many / 2).is_none());
        // All of the memory is cells again.
        assert_eq!(shelf.take::<f32>(many - 10).map(|cells| cells.len()), Some(many));
        assert!(shelf.take::<f32>(many).is_none());
        assert_eq!(shelf.take::<f64>(many), Some(vec![2.0; many]));
        assert_eq!(shelf.bytes, 0);
    }

    #[test]
    fn the_oldest_cells_go_first_and_none_pass_the_limit() {
        let many = 1 << 16;
        let mut shelf = Shelf { kept: Vec::new(), bytes: 0, most: 9 * many };
        (0..4u8).for_each(|i| shelf.put(vec![f32::from(i); many]));
        assert_eq!(shelf.bytes, 8 * many);
        assert_eq!(shelf.take::<f32>(many).map(|cells| cells[0]), Some(3.0));
        shelf.put(vec![4f32; 3 * many]);
        assert_eq!(shelf.bytes, 4 * many);
        shelf.shrink(0);
        assert!(shelf.kept.is_empty());
    }
}
