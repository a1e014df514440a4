//! What layers with sliding windows share: signals and images as planes, and the windows over them.

use serde::Deserialize;

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

/// Cells around the spatial axes.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Margins {
    /// (left, right) or (left, right, top, bottom).
    Cells(Vec<usize>),
    /// By a rule that depends on the input's extents.
    Fitted(Fitted),
}

/// How [`Margins`] follow from the extents.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fitted {
    /// As many windows as cells, divided by the stride and rounded up.
    Same,
}

/// Windows as a list gives them: one value for each of `D` spatial axes.
pub(super) struct Sliding<'a, const D: usize> {
    pub kernel: &'a [usize],
    pub stride: &'a [usize],
    pub dilation: &'a [usize],
    pub padding: &'a Margins,
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
        if let Margins::Cells(cells) = self.padding {
            check_axes("padding", cells, 2 * D)?;
        }
        // The height of a signal has none of the values.
        let axis = |i: usize| {
            let Some(k) = (i + D).checked_sub(2) else { return Ok(Axis::trivial(plane[i])) };
            let axis = Axis {
                kernel: self.kernel[k],
                stride: self.stride[k],
                dilation: self.dilation[k],
                ceil_mode: self.ceil_mode,
                ..Axis::trivial(plane[i])
            };
            match self.padding {
                Margins::Cells(cells) => {
                    Ok(Axis { padding: [cells[2 - 2 * i], cells[3 - 2 * i]], ..axis })
                }
                Margins::Fitted(Fitted::Same) => axis.same(),
            }
        };
        Ok([axis(0)?, axis(1)?])
    }
}

/// Kernel extents, which are the strides as well, of windows that share the plane out among
/// `output` of them along every axis; `None` where they cannot be alike.
pub(super) fn shared_out<const D: usize>(
    plane: [usize; 2],
    output: &[usize],
) -> Result<Option<Vec<usize>>> {
    check_axes("output_size", output, D)?;
    if output.contains(&0) {
        return Err(Kind::Model.error("`output_size` must be at least 1"));
    }
    let axes = plane[2 - D..].iter().zip(output);
    Ok(axes.map(|(n, windows)| n.is_multiple_of(*windows).then(|| n / windows)).collect())
}
