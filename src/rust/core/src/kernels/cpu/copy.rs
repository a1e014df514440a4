//! Copies of short rows, by vectors of the processor at hand where pulp's `dispatch` inlines them.

use super::simd::{Lanes, PANEL};

/// What is done with neighbouring cells, `N` of them from one on. A trait, as closures are not compiled
/// for the processor at hand.
trait Blocks {
    fn block<const N: usize>(&mut self, start: usize);
}

/// Deals with so many cells in blocks. The last block reaches back where the others leave cells: a vector
/// that takes some twice beats a loop over what is left.
#[inline(always)]
fn in_blocks(length: usize, mut blocks: impl Blocks) {
    macro_rules! of {
        ($($size:literal)*) => {
            $(if length >= $size {
                for start in (0..length - $size).step_by($size) {
                    blocks.block::<$size>(start);
                }
                return blocks.block::<$size>(length - $size);
            })*
        };
    }
    of!(16 8 4 2 1);
}

/// `N` cells from one on.
#[inline(always)]
fn at<E, const N: usize>(cells: &[E], start: usize) -> &[E; N] {
    cells[start..].first_chunk().expect("a block of cells")
}

/// See [`at`].
#[inline(always)]
fn at_mut<E, const N: usize>(cells: &mut [E], start: usize) -> &mut [E; N] {
    cells[start..].first_chunk_mut().expect("a block of cells")
}

/// Sets cells to every `step`-th of the source.
#[inline(always)]
pub fn copy<E: Copy>(target: &mut [E], source: &[E], step: usize) {
    match step {
        1 => in_blocks(target.len(), Neighbours { target, source }),
        2 => {
            let pairs = source.as_chunks().0;
            let (whole, rest) = target.split_at_mut(target.len().min(pairs.len()));
            let taken = 2 * whole.len();
            in_blocks(whole.len(), Firsts { target: whole, pairs });
            // There may be half a pair at the end.
            copy_cells(rest, &source[taken..], 2);
        }
        _ => copy_cells(target, source, step),
    }
}

#[inline(always)]
fn copy_cells<E: Copy>(target: &mut [E], source: &[E], step: usize) {
    target.iter_mut().zip(source.iter().step_by(step)).for_each(|(t, s)| *t = *s);
}

struct Neighbours<'a, E> {
    target: &'a mut [E],
    source: &'a [E],
}

impl<E: Copy> Blocks for Neighbours<'_, E> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, start: usize) {
        *at_mut::<_, N>(self.target, start) = *at(self.source, start);
    }
}

struct Firsts<'a, E> {
    target: &'a mut [E],
    pairs: &'a [[E; 2]],
}

impl<E: Copy> Blocks for Firsts<'_, E> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, start: usize) {
        let (target, pairs) = (at_mut::<_, N>(self.target, start), at::<_, N>(self.pairs, start));
        for i in 0..N {
            target[i] = pairs[i][0];
        }
    }
}

/// Sets cells to those of the source and a number more.
#[inline(always)]
pub fn copy_more<E: Lanes>(target: &mut [E], source: &[E], more: E) {
    in_blocks(target.len(), More { target, source, more });
}

struct More<'a, E> {
    target: &'a mut [E],
    source: &'a [E],
    more: E,
}

impl<E: Lanes> Blocks for More<'_, E> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, start: usize) {
        let (target, source) = (at_mut::<_, N>(self.target, start), at::<_, N>(self.source, start));
        for i in 0..N {
            target[i] = source[i] + self.more;
        }
    }
}

/// Sets lines to the first, the second cells and so on of groups. Fast where these fill whole vectors.
#[inline(always)]
pub fn split<E: Copy, const N: usize>(lines: &mut [[E; PANEL]], groups: &[[E; N]]) {
    let Some(lines) = lines.first_chunk_mut::<N>() else { return };
    for i in 0..groups.len().min(PANEL) {
        for j in 0..N {
            lines[j][i] = groups[i][j];
        }
    }
}

/// Sets groups to the cells of lines, the reverse of [`split`].
#[inline(always)]
pub fn interleave<E: Copy, const N: usize>(groups: &mut [[E; N]], lines: &[[E; PANEL]]) {
    let Some(lines) = lines.first_chunk::<N>() else { return };
    for i in 0..groups.len().min(PANEL) {
        for j in 0..N {
            groups[i][j] = lines[j][i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0, 1, 2, and so on, with -1 where nothing is set.
    fn numbers(length: usize) -> (Vec<f32>, Vec<f32>) {
        ((0..length).map(|i| i as f32).collect(), vec![-1.0; length])
    }

    #[test]
    fn all_cells_are_copied_and_no_other() {
        for length in 0..70_usize {
            for step in 1..4 {
                // The source may end with the last cell that is taken.
                let (source, mut target) = numbers((length * step).saturating_sub(step - 1));
                target.resize(length + 1, -1.0);
                copy(&mut target[..length], &source, step);
                let expected = (0..length).map(|i| (i * step) as f32);
                assert!(target.iter().copied().eq(expected.chain([-1.0])), "{length}, {step}");
            }
            let (source, mut target) = numbers(length);
            copy_more(&mut target, &source, 0.5);
            assert!(target.iter().zip(&source).all(|(y, x)| *y == x + 0.5), "{length}");
        }
    }

    #[test]
    fn groups_are_taken_apart_and_put_together() {
        fn check<const N: usize>() {
            for length in [0, 1, 7, 16, PANEL] {
                let (groups, mut again) = numbers(N * length);
                let mut lines = [[-1.0; PANEL]; 4];
                split::<_, N>(&mut lines, groups.as_chunks().0);
                for (j, line) in lines.iter().enumerate() {
                    let expected = (0..length).map(|i| (N * i + j) as f32);
                    let expected = expected.take(if j < N { length } else { 0 });
                    let expected = expected.chain(std::iter::repeat(-1.0)).take(PANEL);
                    assert!(line.iter().copied().eq(expected), "{N}, {length}, {j}");
                }
                interleave::<_, N>(again.as_chunks_mut().0, &lines);
                assert_eq!(again, groups);
            }
        }
        check::<2>();
        check::<4>();
    }
}
