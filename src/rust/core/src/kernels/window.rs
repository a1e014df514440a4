//! The geometry of sliding windows, shared by convolution and pooling.

use crate::error::{Kind, Result};
use crate::tensor::Tensor;

use super::Kernels;

/// The windows along one spatial axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Cells of the input.
    pub input: usize,
    /// Cells of a window.
    pub kernel: usize,
    /// Distance of neighbouring windows.
    pub stride: usize,
    /// Distance of neighbouring cells of a window.
    pub dilation: usize,
    /// Padding before and after the input.
    pub padding: [usize; 2],
    /// Whether a last window may reach beyond the padded input.
    pub ceil_mode: bool,
}

impl Axis {
    /// One window for every cell.
    pub fn trivial(input: usize) -> Self {
        Self { input, kernel: 1, stride: 1, dilation: 1, padding: [0, 0], ceil_mode: false }
    }

    /// The same windows, padded so that there is one for every `stride` cells, as TensorFlow does.
    ///
    /// # Errors
    /// [`Kind::Model`] if a setting is zero or too large.
    pub fn same(self) -> Result<Self> {
        self.check_settings()?;
        let reach = (self.input.div_ceil(self.stride) - 1) * self.stride + self.extent();
        let total = reach.saturating_sub(self.input);
        Ok(Self { padding: [total / 2, total.div_ceil(2)], ..self })
    }

    /// Cells from the first to the last of a window.
    fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// The number of windows.
    pub fn output(&self) -> usize {
        let [before, after] = self.padding;
        let room = self.input + before + after - self.extent();
        let windows = room / self.stride + 1;
        // As in torch: an extra window must start inside the input or the padding before it.
        let extra = self.ceil_mode
            && !room.is_multiple_of(self.stride)
            && windows * self.stride < self.input + before;
        windows + usize::from(extra)
    }

    /// Cells of the padded input, a reach of the last window beyond it included.
    fn padded(&self) -> usize {
        let [before, after] = self.padding;
        let reach = (self.output() - 1) * self.stride + self.extent();
        reach.max(self.input + before + after)
    }

    /// How many cells of window `o` lie in the input, its padding included if asked.
    pub fn count(&self, o: usize, include_padding: bool) -> usize {
        let [before, after] = self.padding;
        // Cells before a place of the padded input.
        let cells_before = |place: usize| {
            place.saturating_sub(o * self.stride).div_ceil(self.dilation).min(self.kernel)
        };
        if include_padding {
            cells_before(before + self.input + after)
        } else {
            cells_before(before + self.input) - cells_before(before)
        }
    }

    /// The windows of which there is one for every cell of `self`, over an axis that is as long as a
    /// transposed convolution makes it, and the cells behind it that no window reaches.
    ///
    /// # Errors
    /// [`Kind::Model`] if a setting is zero or too large, [`Kind::Shape`] if no cell is left.
    pub fn transposed(&self, output_padding: usize) -> Result<(Self, usize)> {
        self.check_settings()?;
        let [before, after] = self.padding;
        let padding = [before, after.saturating_sub(output_padding)];
        let reach = (self.input - 1) * self.stride + self.extent();
        match reach.checked_sub(padding[0] + padding[1]) {
            None | Some(0) => Err(Kind::Shape.error(format!(
                "`padding` takes away all of the {reach} cells that the convolution makes"
            ))),
            Some(input) => {
                Ok((Self { input, padding, ..*self }, output_padding.saturating_sub(after)))
            }
        }
    }

    fn check_settings(&self) -> Result<()> {
        let [before, after] = self.padding;
        if [self.kernel, self.stride, self.dilation].contains(&0) {
            return Err(Kind::Model.error("kernel size, stride and dilation must be at least 1"));
        }
        let limit = i32::MAX as usize;
        if [self.kernel, self.stride, self.dilation, before, after].iter().any(|&n| n > limit) {
            return Err(
                Kind::Model.error("kernel size, stride, dilation and padding must be below 2^31")
            );
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.check_settings()?;
        let [before, after] = self.padding;
        if self.extent() > self.input + before + after {
            return Err(Kind::Shape.error(format!(
                "the window spans {} cells, but the input has {} with its padding",
                self.extent(),
                self.input + before + after
            )));
        }
        Ok(())
    }
}

/// Cells of one value beyond which no machine of today computes an attribution.
const MAX_CELLS: usize = 1 << 28;

/// Fails where a value of these extents is out of all proportion.
pub fn check_cells(shape: &[usize]) -> Result<()> {
    let cells = shape.iter().try_fold(1usize, |cells, &n| cells.checked_mul(n));
    match cells {
        Some(cells) if cells <= MAX_CELLS => Ok(()),
        _ => Err(Kind::Memory.error(format!(
            "A value of {} cells is more than the {MAX_CELLS} that a layer may have",
            shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
        ))),
    }
}

/// Windows over a plane: height, then width. Signals are planes of height 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub [Axis; 2]);

impl Window {
    /// Fails where a window does not fit or a setting is zero.
    pub fn new(axes: [Axis; 2]) -> Result<Self> {
        axes.iter().try_for_each(Axis::check)?;
        let window = Self(axes);
        let [height, width] = window.padded();
        check_cells(&[height, width])?;
        Ok(window)
    }

    fn each(&self, f: impl Fn(&Axis) -> usize) -> [usize; 2] {
        [f(&self.0[0]), f(&self.0[1])]
    }

    /// Cells of the input.
    pub fn input(&self) -> [usize; 2] {
        self.each(|a| a.input)
    }

    /// The number of windows.
    pub fn output(&self) -> [usize; 2] {
        self.each(Axis::output)
    }

    /// Cells of a window.
    pub fn kernels(&self) -> [usize; 2] {
        self.each(|a| a.kernel)
    }

    /// Distances of neighbouring windows.
    pub fn strides(&self) -> [usize; 2] {
        self.each(|a| a.stride)
    }

    /// Distances of neighbouring cells of a window.
    pub fn dilations(&self) -> [usize; 2] {
        self.each(|a| a.dilation)
    }

    /// Cells of the padded plane.
    pub fn padded(&self) -> [usize; 2] {
        self.each(Axis::padded)
    }

    /// Cells of the padded plane that no window reaches.
    pub fn remainders(&self) -> [usize; 2] {
        self.each(|a| a.padded() - ((a.output() - 1) * a.stride + a.extent()))
    }

    /// x (rows, channels, height, width) with its padding.
    pub fn pad<B: Kernels>(&self, x: Tensor<B>, value: f64) -> Tensor<B> {
        let before = self.each(|a| a.padding[0]);
        let after = self.each(|a| a.padded() - a.input - a.padding[0]);
        x.pad(&[0, 0, before[0], before[1]], &[0, 0, after[0], after[1]], value)
    }

    /// The adjoint of [`Window::pad`].
    pub fn crop<B: Kernels>(&self, padded: Tensor<B>) -> Tensor<B> {
        if self.padded() == self.input() {
            return padded;
        }
        let shape = padded.shape();
        let inner = |i: usize| self.0[i].padding[0]..self.0[i].padding[0] + self.0[i].input;
        padded.slice(&[0..shape[0], 0..shape[1], inner(0), inner(1)])
    }
}
