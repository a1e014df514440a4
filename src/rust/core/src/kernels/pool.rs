//! Max pooling on the CPU. The winners of a sample's windows are found once and serve all of its
//! targets; they are cheaper to find again for the walk back than to keep.

use burn::tensor::ElementConversion;
use burn_ndarray::{NdArrayTensor, SharedArray};
use pulp::{Arch, Simd, WithSimd};

use super::cpu::{copy, planes, room, tensor, Float, Lanes};
use super::elementwise::in_parts_of;
use super::Window;

impl Window {
    /// Calls `f(first window, first cell, step, windows)` for every cell of a window and every row of
    /// windows in which it lies in the input, the cells of a window row by row.
    #[inline(always)]
    fn cells(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let [rows, columns] = self.0;
        let [height, width] = self.output();
        for o in 0..height {
            for k in 0..rows.kernel {
                let place = o * rows.stride + k * rows.dilation;
                let Some(row) = place.checked_sub(rows.padding[0]).filter(|&r| r < rows.input)
                else {
                    continue;
                };
                for l in 0..columns.kernel {
                    // Windows whose cell lies inside the input.
                    let shift = l * columns.dilation;
                    let window =
                        |place: usize| place.saturating_sub(shift).div_ceil(columns.stride);
                    let first = window(columns.padding[0]);
                    let end = window(columns.padding[0] + columns.input).min(width);
                    if first < end {
                        let column = first * columns.stride + shift - columns.padding[0];
                        let cell = row * columns.input + column;
                        f(o * width + first, cell, columns.stride, end - first);
                    }
                }
            }
        }
    }
}

/// The maximum of every window over a plane, and the place of the first cell that has it.
struct Search<'a, E> {
    window: &'a Window,
    x: &'a [E],
    best: &'a mut [E],
    winners: &'a mut [u32],
}

impl<E: Lanes + Float> WithSimd for Search<'_, E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { window, x, best, winners } = self;
        best.fill(f64::NEG_INFINITY.elem());
        let mut line = vec![E::zero(); window.output()[1]];
        window.cells(|first, cell, step, n| {
            let (line, best) = (&mut line[..n], &mut best[first..first + n]);
            copy(line, &x[cell..], step);
            let winners = &mut winners[first..first + n];
            for i in 0..n {
                let wins = line[i] > best[i];
                best[i] = if wins { line[i] } else { best[i] };
                winners[i] = if wins { (cell + i * step) as u32 } else { winners[i] };
            }
        });
    }
}

pub(super) fn max_pool<E: Float>(x: &NdArrayTensor, window: &Window) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let x = planes::<E>(x);
    let (rows, channels, height, width) = x.dim();
    let x = x.as_standard_layout();
    let x = x.as_slice().expect("row-major");
    let (input, output) = (height * width, window.output().iter().product::<usize>());
    let mut y = room::<E>(rows * channels * output);
    in_parts_of(output, &mut y, |start, part| {
        let planes = x.chunks(input).skip(start / output);
        let mut winners = vec![0; output];
        for (best, x) in part.chunks_mut(output).zip(planes) {
            Arch::new().dispatch(Search { window, x, best, winners: &mut winners });
        }
    });
    tensor(y, &[rows, channels, window.output()[0], window.output()[1]])
}

/// Calls `f(cells of a plane of s, winners, cells of the plane of the result)` for all planes of s,
/// which has any whole number of rows for each of x. The result has planes of these extents, all cells of
/// which `f` sets.
fn by_winners<E: Float>(
    s: &NdArrayTensor,
    x: &NdArrayTensor,
    window: &Window,
    [height, width]: [usize; 2],
    f: impl Fn(&[E], &[u32], &mut [E]) + Sync,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let (s, x) = (planes::<E>(s), planes::<E>(x));
    let ((rows, channels, ..), samples) = (s.dim(), x.dim().0);
    let (per_plane, input) = (s.len() / (rows * channels), x.len() / (samples * channels));
    let (s, x) = (s.as_standard_layout(), x.as_standard_layout());
    let (s, x) = (s.as_slice().expect("row-major"), x.as_slice().expect("row-major"));
    let windows: usize = window.output().iter().product();
    let mut y = room::<E>(rows * channels * height * width);
    in_parts_of(height * width, &mut y, |start, part| {
        let mut best = vec![E::zero(); windows];
        let mut winners = vec![0; channels * windows];
        // The sample for which a channel's winners have been found.
        let mut found = vec![usize::MAX; channels];
        let first = start / (height * width);
        for (i, y) in part.chunks_mut(height * width).enumerate() {
            let (plane, channel) = (first + i, (first + i) % channels);
            let sample = plane / channels / (rows / samples);
            let winners = &mut winners[channel * windows..][..windows];
            if found[channel] != sample {
                let x = &x[(sample * channels + channel) * input..][..input];
                Arch::new().dispatch(Search { window, x, best: &mut best, winners });
                found[channel] = sample;
            }
            f(&s[plane * per_plane..][..per_plane], winners, y);
        }
    });
    tensor(y, &[rows, channels, height, width])
}

pub(super) fn max_pool_pullback<E: Float>(
    s: &NdArrayTensor,
    x: &NdArrayTensor,
    window: &Window,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    by_winners::<E>(s, x, window, window.input(), |s, winners, y| {
        y.fill(E::zero());
        winners.iter().zip(s).for_each(|(&winner, s)| y[winner as usize] += *s);
    })
}

pub(super) fn max_pool_pick<E: Float>(
    values: &NdArrayTensor,
    x: &NdArrayTensor,
    window: &Window,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    by_winners::<E>(values, x, window, window.output(), |values, winners, y| {
        y.iter_mut().zip(winners).for_each(|(y, &winner)| *y = values[winner as usize]);
    })
}
