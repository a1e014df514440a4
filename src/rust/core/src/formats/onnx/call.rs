//! An operator with its inputs and attributes, and how ONNX means them.

use std::path::Path;
use std::rc::Rc;

use super::constant::{Constant, AXES};
use super::graph::{Graph, Result};
use super::proto::{Attribute, Node};
use super::symbol::Int;

/// What a name of the file stands for.
#[derive(Debug, Clone)]
pub enum Term<'a> {
    /// A value that is known.
    Constant(Rc<Constant<'a>>),
    /// A node of the network.
    Node(usize),
    /// What an unsupported operator gives.
    Unknown,
}

/// An operator of the file.
pub struct Call<'c, 'a> {
    /// As it stands there.
    pub node: &'c Node<'a>,
    /// Its inputs, of which some may be left out.
    pub inputs: Vec<Option<Term<'a>>>,
    /// The version of the operators.
    pub opset: i64,
    /// The number of rows.
    pub rows: Int,
    /// Where other files are.
    pub folder: &'c Path,
}

/// An extent that stands for the number of rows where that is not known.
const MANY: usize = i64::MAX as usize;

impl<'a> Call<'_, 'a> {
    /// The name of the operator.
    pub fn op(&self) -> &'a str {
        self.node.op_type
    }

    fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.node.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Whether the attribute is there.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// A whole number.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    /// A number, single precision as it is stored.
    pub fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |attribute| f64::from(attribute.f))
    }

    /// Numbers.
    pub fn floats(&self, name: &str) -> Vec<f64> {
        self.attribute(name).map_or(vec![], |a| a.floats.0.iter().map(|x| f64::from(*x)).collect())
    }

    /// Whole numbers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.0.as_slice())
    }

    /// A word.
    pub fn text(&self, name: &str, default: &'static str) -> &str {
        self.attribute(name).map_or(default, |a| std::str::from_utf8(a.s).unwrap_or_default())
    }

    /// A tensor.
    pub fn tensor(&self, name: &str) -> Result<Option<Constant<'a>>> {
        let Some(tensor) = self.attribute(name).and_then(|a| a.t.as_ref()) else { return Ok(None) };
        Constant::stored(tensor, self.folder).map_err(|e| e.message)
    }

    /// What its attributes say if it is the operator `Constant`.
    pub fn own_value(&self) -> Result<Constant<'a>> {
        let numbers = |values: Vec<f64>| Constant::Real(ndarray::Array1::from(values).into_dyn());
        if self.has("value") {
            return self.tensor("value")?.ok_or_else(|| "holds strings".into());
        }
        let single = |constant: Constant<'a>| constant.reshaped(&[]).ok_or("is empty".to_string());
        if self.has("value_float") {
            single(numbers(vec![self.float("value_float", 0.0)]))
        } else if self.has("value_floats") {
            Ok(numbers(self.floats("value_floats")))
        } else if self.has("value_int") {
            single(Constant::whole([Int::from(self.int("value_int", 0))]))
        } else if let Some(values) = self.ints("value_ints") {
            Ok(Constant::whole(values.iter().map(|n| Int::from(*n))))
        } else {
            Err("holds no numbers".into())
        }
    }

    /// An input that is there.
    pub fn term(&self, i: usize) -> Option<&Term<'a>> {
        self.inputs.get(i)?.as_ref()
    }

    /// An input that the network computes.
    pub fn node(&self, i: usize) -> Result<usize> {
        match self.term(i) {
            Some(Term::Node(id)) => Ok(*id),
            Some(_) => Err(format!("has a constant as input {}", i + 1)),
            None => Err(format!("lacks input {}", i + 1)),
        }
    }

    /// The inputs, all of them computed.
    pub fn nodes(&self) -> Result<Vec<usize>> {
        (0..self.inputs.len().max(1)).map(|i| self.node(i)).collect()
    }

    /// A constant input.
    pub fn constant(&self, i: usize) -> Result<&Constant<'a>> {
        match self.term(i) {
            Some(Term::Constant(constant)) => Ok(constant),
            Some(_) => Err(format!("has an input {} that is computed, not constant", i + 1)),
            None => Err(format!("lacks input {}", i + 1)),
        }
    }

    /// A constant input if it is there.
    pub fn optional(&self, i: usize) -> Result<Option<&Constant<'a>>> {
        self.term(i).map(|_| self.constant(i)).transpose()
    }

    /// All constant inputs.
    pub fn constants(&self) -> Vec<&Constant<'a>> {
        (0..self.inputs.len()).filter_map(|i| self.constant(i).ok()).collect()
    }

    /// Whole numbers of an input.
    pub fn whole(&self, i: usize) -> Result<Vec<Int>> {
        let constant = self.constant(i)?;
        if constant.len() > 1 << 16 {
            return Err(format!("has {} numbers as input {}", constant.len(), i + 1));
        }
        Ok(match constant {
            Constant::Whole(values) => values.iter().copied().collect(),
            other => {
                other.to_real().unwrap_or_default().iter().map(|x| Int::from(*x as i64)).collect()
            }
        })
    }

    /// Whole numbers that are an attribute in old versions and an input in new ones.
    pub fn listed(&self, name: &str, i: usize) -> Result<Option<Vec<Int>>> {
        if let Some(values) = self.ints(name) {
            return Ok(Some(values.iter().map(|n| Int::from(*n)).collect()));
        }
        self.term(i).map(|_| self.whole(i)).transpose()
    }

    /// Numbers that are an attribute in old versions and an input in new ones.
    pub fn number(&self, name: &str, i: usize, default: f64) -> Result<f64> {
        match self.optional(i)? {
            Some(constant) => {
                constant.scalar().ok_or_else(|| format!("needs one number as input {}", i + 1))
            }
            None => Ok(self.float(name, default)),
        }
    }

    /// All extents of an input that is computed.
    pub fn extents(&self, graph: &Graph, id: usize) -> Vec<Int> {
        let shape = graph.shape(id).iter().map(|n| Int::from(*n as i64));
        [self.rows].into_iter().chain(shape).collect()
    }

    /// The same as numbers, a large one for rows that are not known.
    pub fn sizes(&self, graph: &Graph, id: usize) -> Vec<usize> {
        let size = |n: Int| n.fixed().and_then(|n| usize::try_from(n).ok()).unwrap_or(MANY);
        self.extents(graph, id).into_iter().map(size).collect()
    }

    /// An axis, counted from the end if negative.
    pub fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize> {
        let axis = self.int(name, default);
        resolved(axis, rank).ok_or_else(|| format!("has {name} = {axis}, but {rank} axes"))
    }

    /// Several axes.
    fn axes(&self, rank: usize) -> Result<Option<Vec<usize>>> {
        let Some(axes) = self.listed("axes", 1)? else { return Ok(None) };
        let axes = axes.into_iter().map(|axis| {
            let axis = axis.fixed().and_then(|axis| resolved(axis, rank));
            axis.ok_or_else(|| format!("has axes that are not among its {rank}"))
        });
        axes.collect::<Result<_>>().map(Some)
    }

    /// The order of a transposition.
    pub fn permutation(&self, rank: usize) -> Result<Vec<usize>> {
        let Some(order) = self.ints("perm") else { return Ok((0..rank).rev().collect()) };
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..rank as i64) {
            return Err(format!("has perm = {order:?}, but {rank} axes"));
        }
        Ok(order.iter().map(|axis| *axis as usize).collect())
    }

    /// The extents that reshaping operators give an array with its own ones.
    pub fn target(&self, own: &[Int]) -> Result<Vec<Int>> {
        let unknown = || "makes extents that depend on the number of rows".to_string();
        let product = |extents: &[Int]| {
            let product = extents.iter().try_fold(Int::from(1), |product, n| product.mul(*n));
            product.ok_or_else(unknown)
        };
        match self.op() {
            "Flatten" => {
                let axis = self.int("axis", 1);
                let axis = if axis == own.len() as i64 {
                    Some(own.len())
                } else {
                    resolved(axis, own.len())
                };
                let axis = axis.ok_or("has an axis that is not there")?;
                Ok(vec![product(&own[..axis])?, product(&own[axis..])?])
            }
            "Squeeze" => {
                let ones = || (0..own.len()).filter(|axis| own[*axis] == Int::from(1)).collect();
                let axes = self.axes(own.len())?.unwrap_or_else(ones);
                Ok(without(own, &axes, false))
            }
            "Unsqueeze" => {
                let given = self.listed("axes", 1)?.ok_or("has no axes")?;
                let rank = own.len() + given.len();
                let axes = self.axes(rank.min(AXES))?.unwrap_or_default();
                let mut rest = own.iter();
                let extents = (0..rank).map(|axis| {
                    if axes.contains(&axis) {
                        Some(Int::from(1))
                    } else {
                        rest.next().copied()
                    }
                });
                extents.collect::<Option<_>>().ok_or_else(|| "has the same axis twice".into())
            }
            _ => {
                let given = self.listed("shape", 1)?.ok_or("has no shape")?;
                let keep = self.int("allowzero", 0) == 0;
                let mut target: Vec<Int> = Vec::new();
                for (i, n) in given.iter().enumerate() {
                    target.push(match n.fixed() {
                        Some(0) if keep => {
                            *own.get(i).ok_or("keeps an extent that is not there")?
                        }
                        _ => *n,
                    });
                }
                if let Some(open) = target.iter().position(|n| *n == Int::from(-1)) {
                    target[open] = Int::from(1);
                    target[open] = product(own)?.div(product(&target)?).ok_or_else(unknown)?;
                }
                Ok(target)
            }
        }
    }

    /// Axis, start, end and step (as ndarray means them) of what is sliced.
    pub fn slices(&self, extents: &[usize]) -> Result<Vec<(usize, [i64; 3])>> {
        let needed = |name: &str, i| {
            self.listed(name, i)?.ok_or_else(|| format!("has no {name}")).map(|list| {
                list.into_iter().map(|n| n.fixed().unwrap_or(i64::MAX)).collect::<Vec<i64>>()
            })
        };
        let (starts, ends) = (needed("starts", 1)?, needed("ends", 2)?);
        let all = |values: Option<Vec<Int>>| {
            values.map(|values| values.iter().map(|n| n.fixed().unwrap_or(0)).collect::<Vec<i64>>())
        };
        let axes =
            all(self.listed("axes", 3)?).unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = all(self.listed("steps", 4)?).unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err("has starts, ends, axes and steps of different lengths".into());
        }
        let mut slices = Vec::new();
        for i in 0..starts.len() {
            let axis =
                resolved(axes[i], extents.len()).ok_or("slices an axis that is not there")?;
            let n = i64::try_from(extents[axis]).unwrap_or(i64::MAX);
            // The largest number of 32 bits stands for the end, too.
            let from_end = |x: i64| match x {
                x if x < 0 => x.saturating_add(n),
                x if x >= i64::from(i32::MAX) => n,
                x => x,
            };
            let (start, end, step) = (from_end(starts[i]), from_end(ends[i]), steps[i]);
            let (start, end) = if step > 0 {
                (start.clamp(0, n), end.clamp(0, n))
            } else {
                // Downwards from `start`, which the slice includes as its last.
                (end.clamp(-1, n - 1) + 1, start.clamp(-1, n - 1) + 1)
            };
            if step == 0 || step.checked_neg().is_none() || start >= end {
                return Err(format!("takes nothing of axis {axis}"));
            }
            slices.push((axis, [start, end, step]));
        }
        Ok(slices)
    }

    /// The axis of a split and the ranges of its parts.
    pub fn parts(&self, extents: &[usize]) -> Result<(usize, Vec<[usize; 2]>)> {
        let axis = self.axis("axis", 0, extents.len())?;
        let extent = extents[axis];
        let n = self.node.outputs.len().max(1);
        let sizes: Vec<usize> = match self.listed("split", 1)? {
            Some(sizes) => sizes
                .into_iter()
                .map(|size| {
                    size.fixed().and_then(|size| usize::try_from(size).ok()).unwrap_or(MANY)
                })
                .collect(),
            None => {
                let size = extent.div_ceil(n);
                (0..n).map(|i| size.min(extent.saturating_sub(i * size))).collect()
            }
        };
        let mut parts = Vec::new();
        let mut start = 0usize;
        for size in sizes {
            let end = start.saturating_add(size);
            parts.push([start, end]);
            start = end;
        }
        if start != extent || parts.iter().any(|[start, end]| start == end) {
            return Err(format!("splits {extent} cells into other numbers"));
        }
        Ok((axis, parts))
    }

    /// The axes that a reduction is over.
    pub fn reduced(&self, rank: usize) -> Result<Vec<usize>> {
        let axes = self.axes(rank)?.unwrap_or_default();
        Ok(if axes.is_empty() && self.int("noop_with_empty_axes", 0) == 0 {
            (0..rank).collect()
        } else {
            axes
        })
    }
}

fn resolved(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(axis).ok().filter(|axis| *axis < rank)
}

/// Extents without some of the axes, unless these are kept.
pub fn without<T: Clone>(extents: &[T], axes: &[usize], keep: bool) -> Vec<T> {
    let kept = extents.iter().enumerate().filter(|(axis, _)| keep || !axes.contains(axis));
    kept.map(|(_, extent)| extent.clone()).collect()
}
