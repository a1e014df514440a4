//! Average pooling, local and global.

use burn::tensor::ops::FloatTensor;
use serde::Deserialize;

use super::windows::{from_plane, plane, shared_out, Margins, Sliding};
use super::{show, single, Affine, Built, Context, Part, Settings, Shape, Weights};
use crate::error::{Kind, Result};
use crate::kernels::{Axis, Kernels, Window};
use crate::tensor::Tensor;

/// The mean over every window of `D` spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct AveragePooling<const D: usize> {
    #[serde(default)]
    kernel_size: Vec<usize>,
    #[serde(default)]
    strides: Vec<usize>,
    /// The number of windows along every axis, which share the input out as torch's adaptive pooling
    /// does: kernel and strides follow from it.
    #[serde(default)]
    output_size: Vec<usize>,
    padding: Margins,
    ceil_mode: bool,
    /// Whether padded cells count in the mean.
    count_include_pad: bool,
}

impl<const D: usize> Settings for AveragePooling<D> {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (channels, input) = plane::<D>(inputs)?;
        let shared = match self.output_size.is_empty() {
            true => None,
            false => match shared_out::<D>(input, &self.output_size)? {
                None => return self.unequal(channels, input, &inputs[0], context),
                kernel => kernel,
            },
        };
        let sliding = Sliding::<D> {
            kernel: shared.as_ref().unwrap_or(&self.kernel_size),
            stride: shared.as_ref().unwrap_or(&self.strides),
            dilation: &[1; D],
            padding: &self.padding,
            ceil_mode: self.ceil_mode,
        };
        let window = sliding.over(input)?;
        let output = from_plane::<D>(channels, window.output());
        let mean = WindowMean::new(window, self.count_include_pad, &inputs[0], &output, context)?;
        Ok(vec![Built::affine(mean, output)])
    }
}

impl<const D: usize> AveragePooling<D> {
    /// Windows of unequal extents.
    fn unequal<B: Kernels>(
        &self,
        channels: usize,
        plane: [usize; 2],
        input: &[usize],
        context: &Context<B>,
    ) -> Result<Vec<Built<B>>> {
        // The height of a signal stays.
        let windows = |i: usize| (i + D).checked_sub(2).map_or(plane[i], |k| self.output_size[k]);
        let windows = [windows(0), windows(1)];
        let output = from_plane::<D>(channels, windows);
        let shares =
            [shares(plane[0], windows[0], context)?, shares(plane[1], windows[1], context)?];
        let mean =
            UnequalMean { shares, plane, windows, input: input.to_vec(), output: output.clone() };
        Ok(vec![Built::affine(mean, output)])
    }
}

/// At most so many numbers make the mean along an axis.
const MAX_SHARES: usize = 1 << 24;

/// The matrix (windows, n) of the means over windows that share n cells out: window `i` reaches from
/// the cell below `i n / windows` to the one above `(i + 1) n / windows`.
fn shares<B: Kernels>(n: usize, windows: usize, context: &Context<B>) -> Result<Weights<B>> {
    if n.checked_mul(windows).is_none_or(|size| size > MAX_SHARES) {
        return Err(Kind::Model.error(format!("`output_size` = {windows} is too large")));
    }
    let mut matrix = vec![0.0; windows * n];
    for i in 0..windows {
        let (start, end) = (i * n / windows, ((i + 1) * n).div_ceil(windows));
        matrix[i * n + start..i * n + end].fill(1.0 / (end - start) as f64);
    }
    Ok(Weights::new(Tensor::from_vec::<f64>(matrix, &[windows, n], context.device)))
}

/// A product of rows with a matrix.
type Product<B> = fn(FloatTensor<B>, FloatTensor<B>, &<B as Kernels>::Cache) -> FloatTensor<B>;

/// The mean over windows of unequal extents: a product of two matrices, one for each axis.
struct UnequalMean<B: Kernels> {
    shares: [Weights<B>; 2],
    plane: [usize; 2],
    windows: [usize; 2],
    input: Shape,
    output: Shape,
}

impl<B: Kernels> UnequalMean<B> {
    /// The planes times the matrix of either axis.
    fn product(
        &self,
        x: Tensor<B>,
        part: Part,
        [height, width]: [usize; 2],
        multiply: Product<B>,
        result: &[usize],
    ) -> Tensor<B> {
        let rows = x.rows();
        let planes = rows * self.input[0];
        let lines = |x: Tensor<B>, lines: usize, n: usize, axis: usize| {
            let x = x.reshape(&[planes * lines, n]).into_primitive();
            let (shares, cache) = self.shares[axis].cached(part);
            let made = multiply(x, shares.into_primitive(), cache);
            let made: Tensor<B> = Tensor::from_primitive(made);
            let n = made.shape()[1];
            made.reshape(&[planes, lines, n]).permute(&[0, 2, 1])
        };
        let x = lines(x, height, width, 1);
        let width = x.shape()[1];
        lines(x, width, height, 0).reshape(&[&[rows], result].concat())
    }
}

impl<B: Kernels> Affine<B> for UnequalMean<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        let dense = |x, shares, cache: &B::Cache| B::dense(x, shares, None, cache);
        self.product(x[0].clone(), part, self.plane, dense, &self.output)
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        vec![self.product(s, part, self.windows, B::dense_pullback, &self.input)]
    }
}

/// The mean over all spatial axes, one value a channel.
#[derive(Debug, Clone, Deserialize)]
pub struct GlobalAverage {}

impl Settings for GlobalAverage {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (window, output) = global(inputs)?;
        let mean = WindowMean::new(window, true, &inputs[0], &output, context)?;
        Ok(vec![Built::affine(mean, output)])
    }
}

/// One window that spans all spatial axes, laid out as a line.
pub(super) fn global(inputs: &[Shape]) -> Result<(Window, Shape)> {
    let shape = single(inputs)?;
    let [channels, spatial @ ..] = shape.as_slice() else {
        return Err(Kind::Shape.error("needs an input with channels"));
    };
    if spatial.is_empty() {
        return Err(Kind::Shape
            .error(format!("pools spatial axes away, but the input {} has none", show(shape))));
    }
    let axis = |n| Axis { kernel: n, ..Axis::trivial(n) };
    Ok((Window::new([axis(1), axis(spatial.iter().product())])?, vec![*channels]))
}

/// The mean over windows: the sum over each, times one over the number of cells that count. The sum
/// is a convolution of every plane by itself with a kernel of ones.
pub(super) struct WindowMean<B: Kernels> {
    window: Window,
    ones: Weights<B>,
    /// One over the counts along each axis: the share of a cell is their product.
    shares: [Weights<B>; 2],
    input: Shape,
    output: Shape,
}

impl<B: Kernels> WindowMean<B> {
    pub(super) fn new(
        window: Window,
        include_padding: bool,
        input: &[usize],
        output: &[usize],
        context: &Context<B>,
    ) -> Result<Self> {
        let shares = |i: usize| -> Result<Weights<B>> {
            let axis: Axis = window.0[i];
            let counts: Vec<_> =
                (0..axis.output()).map(|o| axis.count(o, include_padding)).collect();
            if counts.contains(&0) {
                return Err(Kind::Model
                    .error("`padding` is so large that a window holds no cell of the input"));
            }
            let shares = counts.iter().map(|&n| 1.0 / n as f64).collect();
            let mut shape = [1; 4];
            shape[2 + i] = counts.len();
            Ok(Weights::new(Tensor::from_vec::<f64>(shares, &shape, context.device)))
        };
        let shares = [shares(0)?, shares(1)?];
        let [height, width] = window.kernels();
        let ones = Weights::new(Tensor::full(&[1, 1, height, width], 1.0, context.device));
        Ok(Self { window, ones, shares, input: input.to_vec(), output: output.to_vec() })
    }

    /// Sums over windows times the share that a cell has in each.
    fn weigh(&self, sums: Tensor<B>, part: Part) -> Tensor<B> {
        let [rows, columns] = &self.shares;
        sums * rows.part(part) * columns.part(part)
    }

    /// x with every channel as a row of its own.
    fn planes(&self, x: Tensor<B>, [height, width]: [usize; 2]) -> Tensor<B> {
        let rows = x.rows() * self.input[0];
        x.reshape(&[rows, 1, height, width])
    }
}

impl<B: Kernels> Affine<B> for WindowMean<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        let rows = x[0].rows();
        let x = self.planes(x[0].clone(), self.window.input()).into_primitive();
        let (ones, cache) = self.ones.cached(Part::All);
        let sums = B::conv(x, ones.into_primitive(), None, cache, &self.window, 1);
        self.weigh(Tensor::from_primitive(sums), part)
            .reshape(&[&[rows], self.output.as_slice()].concat())
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let rows = s.rows();
        let s = self.weigh(self.planes(s, self.window.output()), part);
        let (ones, cache) = self.ones.cached(Part::All);
        let ones = ones.into_primitive();
        let x = B::conv_pullback(s.into_primitive(), ones, cache, &self.window, 1);
        vec![Tensor::from_primitive(x).reshape(&[&[rows], self.input.as_slice()].concat())]
    }
}
