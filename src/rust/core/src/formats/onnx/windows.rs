//! Sliding windows as ONNX describes them.

use super::call::Call;
use super::graph::{Fields, Result};
use crate::formats::Value;

/// Windows over the axes of a plane.
pub struct Windows {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    /// (before, after) for each axis.
    padding: Vec<[usize; 2]>,
    /// Whether the last window may hang over.
    pub ceil_mode: bool,
}

fn floats(values: &[usize]) -> Value<'static> {
    Value::Numbers(values.iter().map(|n| *n as f64).collect())
}

impl Windows {
    /// Kernel, strides and dilations without padding.
    fn plain(call: &Call, kernel: &[usize]) -> Result<Self> {
        let per_axis = |name: &str| {
            let Some(given) = call.ints(name) else { return Ok(vec![1; kernel.len()]) };
            let values: Option<Vec<usize>> = given
                .iter()
                .map(|n| usize::try_from(*n).ok().filter(|n| (1..=1 << 30).contains(n)))
                .collect();
            values
                .filter(|values| values.len() == kernel.len())
                .ok_or_else(|| format!("has {name} = {given:?}"))
        };
        if let Some(given) = call.ints("kernel_shape") {
            if !given.iter().copied().eq(kernel.iter().map(|n| *n as i64)) {
                return Err(format!("has kernel_shape = {given:?}, but weights for {kernel:?}"));
            }
        }
        if kernel.iter().any(|n| !(1..=1 << 30).contains(n)) {
            return Err(format!("has a kernel {kernel:?}"));
        }
        Ok(Self {
            kernel: kernel.to_vec(),
            stride: per_axis("strides")?,
            dilation: per_axis("dilations")?,
            padding: vec![[0, 0]; kernel.len()],
            ceil_mode: call.int("ceil_mode", 0) == 1,
        })
    }

    /// How many cells a window spans.
    fn span(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilation[axis]).saturating_add(1)
    }

    /// Halves of cells, the smaller one first unless `lower`.
    fn halves(total: usize, lower: bool) -> [usize; 2] {
        let (small, large) = (total / 2, total - total / 2);
        if lower {
            [large, small]
        } else {
            [small, large]
        }
    }

    fn explicit(call: &Call, axes: usize) -> Result<Vec<[usize; 2]>> {
        let Some(pads) = call.ints("pads") else { return Ok(vec![[0, 0]; axes]) };
        let sides: Option<Vec<usize>> =
            pads.iter().map(|n| usize::try_from(*n).ok().filter(|n| *n <= 1 << 30)).collect();
        match sides {
            Some(sides) if sides.len() == 2 * axes => {
                Ok((0..axes).map(|axis| [sides[axis], sides[axis + axes]]).collect())
            }
            _ => Err(format!("has pads = {pads:?}")),
        }
    }

    /// The windows of a convolution or pooling over a plane.
    pub fn of(call: &Call, kernel: &[usize], plane: &[usize]) -> Result<Self> {
        let mut windows = Self::plain(call, kernel)?;
        match call.text("auto_pad", "NOTSET") {
            "NOTSET" | "" => windows.padding = Self::explicit(call, plane.len())?,
            "VALID" => {}
            auto @ ("SAME_UPPER" | "SAME_LOWER") => {
                for (axis, n) in plane.iter().enumerate() {
                    let steps = n.div_ceil(windows.stride[axis]).saturating_sub(1);
                    let reach = steps
                        .saturating_mul(windows.stride[axis])
                        .saturating_add(windows.span(axis));
                    windows.padding[axis] =
                        Self::halves(reach.saturating_sub(*n), auto == "SAME_LOWER");
                }
            }
            other => return Err(format!("has auto_pad = '{other}'")),
        }
        Ok(windows)
    }

    /// How many windows there are.
    pub fn result(&self, plane: &[usize]) -> Result<Vec<usize>> {
        let extents = plane.iter().enumerate().map(|(axis, n)| {
            let [before, after] = self.padding[axis];
            let room =
                n.saturating_add(before).saturating_add(after).checked_sub(self.span(axis))?;
            let stride = self.stride[axis];
            if !self.ceil_mode {
                return Some(room / stride + 1);
            }
            // A window must begin inside the input or the cells before it.
            let count = room.div_ceil(stride) + 1;
            Some(if (count - 1).saturating_mul(stride) >= n + before { count - 1 } else { count })
        });
        let extents: Option<Vec<usize>> = extents.collect();
        extents.ok_or_else(|| format!("has windows {:?} over {plane:?}", self.kernel))
    }

    /// The windows of a transposed convolution, the cells added at the end, and the extents.
    pub fn transposed(
        call: &Call,
        kernel: &[usize],
        plane: &[usize],
    ) -> Result<(Self, Vec<f64>, Vec<usize>)> {
        let mut windows = Self::plain(call, kernel)?;
        let axes = plane.len();
        let sizes = |name: &str| {
            let given = call.ints(name).filter(|given| !given.is_empty());
            let values: Option<Vec<usize>> = match given {
                Some(given) => given
                    .iter()
                    .map(|n| usize::try_from(*n).ok().filter(|n| *n <= 1 << 30))
                    .collect(),
                None => return Ok(None),
            };
            values
                .filter(|values| values.len() == axes)
                .map(Some)
                .ok_or_else(|| format!("has a strange {name}"))
        };
        let extra = sizes("output_padding")?.unwrap_or_else(|| vec![0; axes]);
        let auto = call.text("auto_pad", "NOTSET");
        let mut wanted = sizes("output_shape")?;
        if wanted.is_none() && auto.starts_with("SAME") {
            let size = |(n, stride): (&usize, &usize)| n.saturating_mul(*stride);
            wanted = Some(plane.iter().zip(&windows.stride).map(size).collect());
        }
        let full = |axis: usize| {
            let steps = plane[axis].saturating_sub(1).saturating_mul(windows.stride[axis]);
            steps.saturating_add(windows.span(axis)).saturating_add(extra[axis])
        };
        let full: Vec<usize> = (0..axes).map(full).collect();
        if let Some(wanted) = wanted {
            for axis in 0..axes {
                let total = full[axis].checked_sub(wanted[axis]);
                let total = total.ok_or_else(|| {
                    format!("has output_shape = {wanted:?}, which is larger than {full:?}")
                })?;
                windows.padding[axis] = Self::halves(total, auto != "SAME_UPPER");
            }
        } else if auto != "VALID" {
            windows.padding = Self::explicit(call, axes)?;
        }
        let result = full
            .iter()
            .zip(&windows.padding)
            .map(|(n, [before, after])| n.checked_sub(before + after));
        let result: Option<Vec<usize>> = result.collect();
        let result = result.ok_or("pads more cells than there are")?;
        Ok((windows, extra.iter().map(|n| *n as f64).collect(), result))
    }

    /// Strides and padding as the package's fields.
    pub fn fields<'a>(&self, stride: &'static str) -> Result<Fields<'a>> {
        // (left, right, top, bottom): the last axis comes first.
        let padding: Vec<usize> = self.padding.iter().rev().flatten().copied().collect();
        Ok(vec![(stride, floats(&self.stride)), ("padding", floats(&padding))])
    }

    /// The dilations.
    pub fn dilation<'a>(&self) -> Value<'a> {
        floats(&self.dilation)
    }

    /// Whether windows have gaps.
    pub fn dilated(&self) -> bool {
        self.dilation.iter().any(|n| *n != 1)
    }
}
