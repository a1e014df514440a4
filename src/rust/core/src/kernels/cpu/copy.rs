//! Copies of short rows, by vectors of the processor at hand where pulp's `dispatch` inlines them.

use super::simd::Lanes;

/// Sets cells to every `step`-th of the source.
#[inline(always)]
pub fn copy<E: Copy>(target: &mut [E], source: &[E], step: usize) {
    match step {
        1 => map(target, source, Same),
        2 => {
            let pairs = source.as_chunks().0;
            let whole = target.len().min(pairs.len());
            map(&mut target[..whole], pairs, First);
            // There may be half a pair at the end.
            copy_cells(&mut target[whole..], &source[2 * whole..], 2);
        }
        _ => copy_cells(target, source, step),
    }
}

#[inline(always)]
fn copy_cells<E: Copy>(target: &mut [E], source: &[E], step: usize) {
    target.iter_mut().zip(source.iter().step_by(step)).for_each(|(t, s)| *t = *s);
}

/// Sets cells to those of the source and a number more.
#[inline(always)]
pub fn copy_more<E: Lanes>(target: &mut [E], source: &[E], more: E) {
    map(target, source, More(more));
}

/// What a cell of the target is made of.
trait Map<X, Y>: Copy {
    fn of(self, x: X) -> Y;
}

#[derive(Clone, Copy)]
struct Same;

impl<E> Map<E, E> for Same {
    #[inline(always)]
    fn of(self, x: E) -> E {
        x
    }
}

/// The first of two.
#[derive(Clone, Copy)]
struct First;

impl<E> Map<[E; 2], E> for First {
    #[inline(always)]
    fn of(self, [x, _]: [E; 2]) -> E {
        x
    }
}

/// So much more.
#[derive(Clone, Copy)]
struct More<E>(E);

impl<E: Lanes> Map<E, E> for More<E> {
    #[inline(always)]
    fn of(self, x: E) -> E {
        x + self.0
    }
}

/// Sets all cells, in blocks. The last block reaches back where the others leave cells: a vector that sets some
/// twice beats a loop over what is left.
#[inline(always)]
fn map<X: Copy, Y>(target: &mut [Y], source: &[X], f: impl Map<X, Y>) {
    let source = &source[..target.len()];
    macro_rules! blocks {
        ($($size:literal)*) => {
            $(if let (Some(_), Some(last)) = (target.last_chunk::<$size>(), source.last_chunk()) {
                let (blocks, sources) = (target.as_chunks_mut::<$size>().0, source.as_chunks().0);
                blocks.iter_mut().zip(sources).for_each(|(block, source)| map_block(block, source, f));
                if let Some(block) = target.last_chunk_mut::<$size>() {
                    map_block(block, last, f);
                }
                return;
            })*
        };
    }
    blocks!(16 8 4 2 1);
}

#[inline(always)]
fn map_block<X: Copy, Y, const N: usize>(target: &mut [Y; N], source: &[X; N], f: impl Map<X, Y>) {
    for i in 0..N {
        target[i] = f.of(source[i]);
    }
}
