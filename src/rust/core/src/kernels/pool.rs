//! Max pooling on the CPU. The winners of a sample's windows are found once and serve all of its
//! targets; they are cheaper to find again for the walk back than to keep.

use burn::tensor::ElementConversion;
use burn_ndarray::{NdArrayTensor, SharedArray};
use ndarray::Array4;

use super::cpu::{planes, tensor, Float};
use super::elementwise::in_parts_of;
use super::Window;

/// Cells below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 16;

impl Window {
    /// Calls `f(first window, first cell, step, windows)` for every cell of a window and every row of
    /// windows in which it lies in the input, the cells of a window row by row.
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

    /// The maximum of every window over a plane.
    fn maxima<E: Float>(&self, x: &[E], y: &mut [E])
    where
        NdArrayTensor: From<SharedArray<E>>,
    {
        y.fill(f64::NEG_INFINITY.elem());
        self.cells(|window, cell, step, n| {
            let cells = x[cell..].iter().step_by(step);
            for (y, x) in y[window..window + n].iter_mut().zip(cells) {
                *y = if *x > *y { *x } else { *y };
            }
        });
    }

    /// The place of the first maximum of every window.
    fn winners<E: Float>(&self, x: &[E], best: &mut [E], winners: &mut [u32])
    where
        NdArrayTensor: From<SharedArray<E>>,
    {
        best.fill(f64::NEG_INFINITY.elem());
        self.cells(|window, cell, step, n| {
            let cells = (cell..).step_by(step).zip(x[cell..].iter().step_by(step));
            let best = best[window..window + n].iter_mut().zip(&mut winners[window..]);
            for ((best, winner), (cell, x)) in best.zip(cells) {
                let wins = *x > *best;
                *best = if wins { *x } else { *best };
                *winner = if wins { cell as u32 } else { *winner };
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
    let mut y = Array4::<E>::zeros((rows, channels, window.output()[0], window.output()[1]));
    let (input, output) = (height * width, window.output().iter().product::<usize>());
    let slice = y.as_slice_mut().expect("row-major");
    in_parts_of(output, WORTH_A_THREAD, slice, |start, part| {
        let planes = x.chunks(input).skip(start / output);
        part.chunks_mut(output).zip(planes).for_each(|(y, x)| window.maxima(x, y));
    });
    tensor(y)
}

/// Calls `f(cells of a plane of s, winners, cells of the plane of the result)` for all planes of s,
/// which has any whole number of rows for each of x. The result has planes of these extents and starts
/// as zeros.
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
    let mut y = Array4::<E>::zeros((rows, channels, height, width));
    let slice = y.as_slice_mut().expect("row-major");
    in_parts_of(height * width, WORTH_A_THREAD, slice, |start, part| {
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
                window.winners(x, &mut best, winners);
                found[channel] = sample;
            }
            f(&s[plane * per_plane..][..per_plane], winners, y);
        }
    });
    tensor(y)
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
