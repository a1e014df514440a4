//! What layers with sliding windows share: signals and images as planes, and the windows over them.

use super::{show, single, Shape};
use crate::error::{Kind, Result};
use crate::kernels::{Axis, Window};

/// Channels and extents of a signal (`D` = 1) or image (`D` = 2), as a plane: a signal has height 1.
pub(super) fn plane<const D: usize>(inputs: &[Shape]) -> Result<(usize, [usize; 2])> {
    let what = ["(channels, length)", "(channels, height, width)"][D - 1];
    match (D, single(inputs)?.as_slice()) {
        (1, &[channels, length]) => Ok((channels, [1, length])),
        (2, &[channels, height, width]) => Ok((channels, [height, width])),
        (_, other) => {
            Err(Kind::Shape.error(format!("needs an input {what}, but {} arrives", show(other))))
        }
    }
}

/// The extents of a plane without the height of a signal.
pub(super) fn from_plane<const D: usize>(channels: usize, plane: [usize; 2]) -> Shape {
    [&[channels], &plane[2 - D..]].concat()
}

/// Windows as a list gives them: one value for each of `D` spatial axes.
pub(super) struct Sliding<'a, const D: usize> {
    pub kernel: &'a [usize],
    pub stride: &'a [usize],
    pub dilation: &'a [usize],
    /// (left, right) or (left, right, top, bottom).
    pub padding: &'a [usize],
    pub ceil_mode: bool,
}

/// Fails where a setting does not have the number of values wanted.
pub(super) fn check_axes(field: &str, values: &[usize], wanted: usize) -> Result<()> {
    if values.len() != wanted {
        return Err(
            Kind::Model.error(format!("`{field}` needs {wanted} values, not {}", values.len()))
        );
    }
    Ok(())
}

impl<const D: usize> Sliding<'_, D> {
    /// The windows over a plane of these extents.
    pub(super) fn over(&self, plane: [usize; 2]) -> Result<Window> {
        Window::new(self.axes(plane)?)
    }

    /// The same by axis, not yet checked.
    pub(super) fn axes(&self, plane: [usize; 2]) -> Result<[Axis; 2]> {
        check_axes("kernel_size", self.kernel, D)?;
        check_axes("stride", self.stride, D)?;
        check_axes("dilation", self.dilation, D)?;
        check_axes("padding", self.padding, 2 * D)?;
        // The height of a signal has none of the values.
        let axis = |i: usize| match (i + D).checked_sub(2) {
            None => Axis::trivial(plane[i]),
            Some(k) => Axis {
                input: plane[i],
                kernel: self.kernel[k],
                stride: self.stride[k],
                dilation: self.dilation[k],
                padding: [self.padding[2 - 2 * i], self.padding[3 - 2 * i]],
                ceil_mode: self.ceil_mode,
            },
        };
        Ok([axis(0), axis(1)])
    }
}
