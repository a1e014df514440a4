//! The network while it is read: layers of the package beside forms that are only on the way there.
//!
//! Every node is made by a function that brings it into a canonical form. Permutations sink below
//! everything that acts cell by cell, so that those to and from channels-last cancel; neighbouring
//! reshapes and scales become one.

use ndarray::{ArrayD, IxDyn};

use super::constant::{cells, Constant, CELLS};
use super::function;
use crate::formats::Value;

/// Why something cannot be read, a sentence without subject.
pub type Result<T> = std::result::Result<T, String>;

/// A node of the network.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// What it does.
    pub op: Op<'a>,
    /// The nodes that feed it.
    pub inputs: Vec<usize>,
    /// The extents of its result, without the rows.
    pub shape: Vec<usize>,
    /// The operator and the name that the file gives it.
    pub origin: (String, String),
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum Op<'a> {
    /// An input of the network.
    Input,
    /// A dense layer or a convolution.
    Affine {
        kind: &'static str,
        weight: Constant<'a>,
        bias: Option<Constant<'a>>,
        fields: Fields<'a>,
    },
    /// Any other layer.
    Layer { kind: &'static str, fields: Fields<'a> },
    /// scale · x + shift; the arrays have the axes of x, with extents that are its own or 1.
    Scale { scale: Option<ArrayD<f64>>, shift: Option<ArrayD<f64>> },
    /// A function of numbers, cell by cell; see [`function`].
    Function { symbol: &'static str, arguments: Vec<Argument> },
    /// Axes in another order.
    Permute(Vec<usize>),
    /// Other extents.
    Reshape,
    /// The mean or maximum over some axes, which stay with extent 1.
    Reduce { method: &'static str, axes: Vec<usize> },
}

/// The fields of a layer.
pub type Fields<'a> = Vec<(&'static str, Value<'a>)>;

/// An argument of a function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument {
    /// The input with this position.
    Input(usize),
    /// A constant.
    Number(f64),
}

/// The arguments of a function of two nodes.
pub const PAIR: [Argument; 2] = [Argument::Input(0), Argument::Input(1)];

/// The nodes, in an order in which every one comes after its inputs.
#[derive(Debug, Default)]
pub struct Graph<'a> {
    /// The nodes.
    pub nodes: Vec<Node<'a>>,
    /// The origin of those that are made now.
    pub origin: (String, String),
}

/// The axes of an array with these extents that are longer than 1.
fn long_axes(shape: &[usize], order: impl IntoIterator<Item = usize>) -> Vec<usize> {
    order.into_iter().filter(|axis| shape[*axis] != 1).collect()
}

/// The order that undoes another one.
pub fn inverse(axes: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; axes.len()];
    for (i, axis) in axes.iter().enumerate() {
        inverse[*axis] = i;
    }
    inverse
}

/// Elements by position.
pub fn pick<T: Clone>(values: &[T], positions: &[usize]) -> Vec<T> {
    positions.iter().map(|i| values[*i].clone()).collect()
}

impl<'a> Graph<'a> {
    /// A node as it is given.
    pub fn push(&mut self, op: Op<'a>, inputs: Vec<usize>, shape: Vec<usize>) -> Result<usize> {
        if cells(&shape).is_none_or(|n| n == 0) {
            return Err(format!("gives an array {shape:?}, which is empty or too large"));
        }
        self.nodes.push(Node { op, inputs, shape, origin: self.origin.clone() });
        Ok(self.nodes.len() - 1)
    }

    /// A layer that is none of the forms below.
    pub fn layer(
        &mut self,
        kind: &'static str,
        fields: Fields<'a>,
        inputs: Vec<usize>,
        shape: Vec<usize>,
    ) -> Result<usize> {
        self.push(Op::Layer { kind, fields }, inputs, shape)
    }

    /// The extents of a node.
    pub fn shape(&self, id: usize) -> &[usize] {
        &self.nodes[id].shape
    }

    /// What a node permutes, and the order; itself if it does not.
    pub fn base(&self, id: usize) -> (usize, Vec<usize>) {
        match &self.nodes[id] {
            Node { op: Op::Permute(axes), inputs, .. } => (inputs[0], axes.clone()),
            node => (id, (0..node.shape.len()).collect()),
        }
    }

    /// The axes of `id` in another order.
    pub fn permute(&mut self, id: usize, axes: &[usize]) -> Result<usize> {
        let (base, order) = self.base(id);
        let axes = pick(&order, axes);
        let shape = pick(self.shape(base), &axes);
        if long_axes(self.shape(base), axes.iter().copied()).is_sorted() {
            return self.reshape(base, &shape);
        }
        self.push(Op::Permute(axes), vec![base], shape)
    }

    /// The cells of `id` with other extents.
    pub fn reshape(&mut self, id: usize, shape: &[usize]) -> Result<usize> {
        let node = &self.nodes[id];
        if node.shape == shape {
            return Ok(id);
        }
        if cells(shape) != cells(&node.shape) {
            return Err(format!("cannot make {shape:?} of an array {:?}", node.shape));
        }
        match &node.op {
            Op::Reshape => return self.reshape(node.inputs[0], shape),
            Op::Permute(axes) => {
                // Axes of extent 1 that come or go leave the permutation of the others.
                let base = node.inputs[0];
                let extents = &self.nodes[base].shape;
                let moved = long_axes(extents, axes.iter().copied());
                let long = long_axes(shape, 0..shape.len());
                if pick(extents, &moved) == pick(shape, &long) {
                    let mut still = moved.clone();
                    still.sort_unstable();
                    let rank = |axis| still.iter().position(|other| *other == axis).unwrap_or(0);
                    let mut inner = shape.to_vec();
                    let mut outer: Vec<usize> = (0..shape.len()).collect();
                    for (from, to) in moved.iter().zip(&long) {
                        outer[*to] = long[rank(*from)];
                    }
                    for (axis, to) in still.iter().zip(&long) {
                        inner[*to] = extents[*axis];
                    }
                    let base = self.reshape(base, &inner)?;
                    return self.permute(base, &outer);
                }
            }
            _ => {}
        }
        self.push(Op::Reshape, vec![id], shape.to_vec())
    }

    /// A layer that treats an axis or several in a way of their own and all others alike: it is made
    /// for the base of a permutation, with the axes of that.
    pub fn on_axes(
        &mut self,
        id: usize,
        axes: &[usize],
        make: impl FnOnce(&mut Self, usize, &[usize]) -> Result<usize>,
    ) -> Result<usize> {
        let (base, order) = self.base(id);
        let made = make(self, base, &pick(&order, axes))?;
        self.permute(made, &order)
    }

    /// An array that is to be repeated to the extents of `id`, with all axes, in the order of the base.
    pub fn aligned(&self, id: usize, x: ArrayD<f64>) -> Result<ArrayD<f64>> {
        let wanted = self.shape(id);
        let lead = x.ndim().saturating_sub(wanted.len());
        let extents =
            [&vec![1; wanted.len().saturating_sub(x.ndim())], &x.shape()[lead..]].concat();
        let fits = extents.iter().zip(wanted).all(|(n, wanted)| *n == 1 || n == wanted);
        if !fits || lead > 1 || x.shape()[..lead].iter().any(|n| *n != 1) {
            return Err(format!("repeats its input {wanted:?} to {:?}", x.shape()));
        }
        let x = x.to_shape(IxDyn(&extents)).map_err(|e| e.to_string())?;
        Ok(x.permuted_axes(IxDyn(&inverse(&self.base(id).1))).to_owned())
    }

    /// The bases of nodes with as many axes each, and the order that puts their axes as they are.
    pub fn bases(&mut self, ids: &[usize]) -> Result<(Vec<usize>, Vec<usize>)> {
        let rank = self.shape(ids[0]).len();
        if ids.iter().any(|id| self.shape(*id).len() != rank) {
            return Err("combines arrays with different numbers of axes".into());
        }
        let order = ids.iter().find_map(|id| match &self.nodes[*id].op {
            Op::Permute(axes) => Some(axes.clone()),
            _ => None,
        });
        let order = order.unwrap_or_else(|| (0..rank).collect());
        let bases =
            ids.iter().map(|id| self.permute(*id, &inverse(&order))).collect::<Result<_>>()?;
        Ok((bases, order))
    }

    /// scale · x + shift with arrays that can be repeated along axes to the extents of x.
    pub fn scale(
        &mut self,
        id: usize,
        scale: Option<ArrayD<f64>>,
        shift: Option<ArrayD<f64>>,
    ) -> Result<usize> {
        let (base, order) = self.base(id);
        let fit = |x| self.aligned(id, x);
        let (scale, shift) = (scale.map(fit).transpose()?, shift.map(fit).transpose()?);
        let made = self.scaled(base, scale, shift, false)?;
        self.permute(made, &order)
    }

    /// The same with arrays that have all axes; a scale before it may be merged into it.
    fn scaled(
        &mut self,
        base: usize,
        mut scale: Option<ArrayD<f64>>,
        mut shift: Option<ArrayD<f64>>,
        merge: bool,
    ) -> Result<usize> {
        let plain = |x: &Option<ArrayD<f64>>, neutral| {
            x.as_ref().is_none_or(|x| x.iter().all(|x| *x == neutral))
        };
        let mut input = base;
        let before = Some(&self.nodes[base]).filter(|node| {
            let Op::Scale { scale: a, shift: b } = &node.op else { return false };
            // Together they may have many more cells than each of them.
            let arrays: Vec<_> = [a, b, &scale, &shift].into_iter().flatten().collect();
            let extent = |axis: usize| arrays.iter().map(|x| x.shape()[axis]).max().unwrap_or(1);
            let cells: usize = (0..node.shape.len()).map(extent).product();
            merge && cells <= arrays.iter().map(|x| x.len()).sum::<usize>().max(CELLS)
        });
        if let Some(Node { op: Op::Scale { scale: a, shift: b }, inputs, .. }) = before {
            // c (a x + b) + d
            let product = |c: &ArrayD<f64>, x: &ArrayD<f64>| broadcast(c, x, |c, x| c * x);
            let moved = match (b, &scale) {
                (Some(b), Some(c)) => Some(product(c, b)),
                (b, _) => b.clone(),
            };
            scale = match (a, scale) {
                (Some(a), Some(c)) => Some(product(&c, a)),
                (a, c) => c.or_else(|| a.clone()),
            };
            shift = match (moved, shift) {
                (Some(b), Some(d)) => Some(broadcast(&b, &d, |b, d| b + d)),
                (b, d) => d.or(b),
            };
            input = inputs[0];
        }
        if plain(&scale, 1.0) {
            scale = None;
        }
        if plain(&shift, 0.0) {
            shift = None;
        }
        if scale.is_none() && shift.is_none() {
            return Ok(input);
        }
        let shape = self.shape(input).to_vec();
        self.push(Op::Scale { scale, shift }, vec![input], shape)
    }

    /// The input times a number.
    pub fn times(&mut self, id: usize, factor: f64) -> Result<usize> {
        match factor {
            1.0 => Ok(id),
            _ => self.scale(id, Some(ArrayD::from_elem(IxDyn(&[]), factor)), None),
        }
    }

    /// The input plus a number.
    pub fn plus(&mut self, id: usize, number: f64) -> Result<usize> {
        self.scale(id, None, Some(ArrayD::from_elem(IxDyn(&[]), number)))
    }

    /// A function of nodes, whose extents agree or are 1, and numbers.
    pub fn function(
        &mut self,
        symbol: &'static str,
        inputs: &[usize],
        arguments: Vec<Argument>,
    ) -> Result<usize> {
        let (bases, order) = self.bases(inputs)?;
        let mut shape = vec![1; order.len()];
        for base in &bases {
            for (extent, own) in shape.iter_mut().zip(self.shape(*base)) {
                match (*extent, *own) {
                    (a, b) if a == b || b == 1 => {}
                    (1, b) => *extent = b,
                    (a, b) => return Err(format!("combines arrays with the extents {a} and {b}")),
                }
            }
        }
        let made = self.push(Op::Function { symbol, arguments }, bases, shape)?;
        self.permute(made, &order)
    }

    /// A function of one node and numbers.
    pub fn unary(&mut self, symbol: &'static str, id: usize, numbers: &[f64]) -> Result<usize> {
        let numbers = numbers.iter().map(|x| Argument::Number(*x));
        self.function(symbol, &[id], [Argument::Input(0)].into_iter().chain(numbers).collect())
    }

    /// The mean or maximum over some axes, which stay with extent 1.
    pub fn reduce(&mut self, id: usize, method: &'static str, axes: &[usize]) -> Result<usize> {
        let mut shape = self.shape(id).to_vec();
        for axis in axes {
            shape[*axis] = 1;
        }
        if self.shape(id) == shape {
            return Ok(id);
        }
        self.on_axes(id, axes, |graph, base, axes| {
            let mut axes = axes.to_vec();
            axes.sort_unstable();
            let mut shape = graph.shape(base).to_vec();
            for axis in &axes {
                shape[*axis] = 1;
            }
            graph.push(Op::Reduce { method, axes }, vec![base], shape)
        })
    }

    /// The same network made of layers alone: known functions and norms become one layer each. Gives
    /// the new nodes by the old ones' ids; those that none of `ends` needs are left out.
    pub fn lowered(&self, ends: &[usize]) -> Result<(Self, Vec<Option<usize>>)> {
        let mut new = Self::default();
        let mut ids: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let needed = self.needed(ends);
        let mut uses = vec![0; self.nodes.len()];
        for (node, _) in self.nodes.iter().zip(&needed).filter(|(_, needed)| **needed) {
            for input in &node.inputs {
                uses[*input] += 1;
            }
        }
        for end in ends {
            uses[*end] += 1;
        }
        for (id, node) in self.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
            new.origin = node.origin.clone();
            let at = |old: usize| ids[old].ok_or("refers to a node behind it");
            let inputs: Vec<usize> =
                node.inputs.iter().map(|old| at(*old)).collect::<std::result::Result<_, _>>()?;
            let made = if let Some((x, activation)) = function::known(self, id) {
                let shape = new.shape(at(x)?).to_vec();
                new.push(activation, vec![at(x)?], shape)?
            } else if let Some((x, axes, eps)) = self.layer_norm(id) {
                let fields = vec![("axes", axes_field(&axes)), ("eps", eps.into())];
                let shape = new.shape(at(x)?).to_vec();
                new.layer("LayerNorm", fields, vec![at(x)?], shape)?
            } else {
                match &node.op {
                    Op::Reduce { method, axes } => new.pooled(inputs[0], method, axes)?,
                    Op::Permute(axes) => new.permute(inputs[0], axes)?,
                    Op::Reshape => new.reshape(inputs[0], &node.shape)?,
                    Op::Scale { scale, shift } => {
                        let merge = uses[node.inputs[0]] == 1;
                        new.scaled(inputs[0], scale.clone(), shift.clone(), merge)?
                    }
                    Op::Function { symbol, arguments } => {
                        new.composed(symbol, &inputs, arguments)?
                    }
                    op => new.push(op.clone(), inputs, node.shape.clone())?,
                }
            };
            ids[id] = Some(made);
        }
        Ok((new, ids))
    }

    /// A function as others, where it can be put so.
    fn composed(
        &mut self,
        symbol: &'static str,
        inputs: &[usize],
        arguments: &[Argument],
    ) -> Result<usize> {
        match (symbol, inputs, arguments) {
            ("Sub", &[a, b], _) => {
                let minus = self.times(b, -1.0)?;
                self.function("Add", &[a, minus], PAIR.to_vec())
            }
            ("Max", &[a, b], _) => {
                let above = self.composed("Sub", &[a, b], arguments)?;
                let above = self.unary("Relu", above, &[])?;
                self.function("Add", &[b, above], PAIR.to_vec())
            }
            ("Min", &[a, b], _) => {
                let [a, b] = [self.times(a, -1.0)?, self.times(b, -1.0)?];
                let max = self.composed("Max", &[a, b], arguments)?;
                self.times(max, -1.0)
            }
            ("Pow", &[x], &[Argument::Input(0), Argument::Number(n)])
                if n.fract() == 0.0 && (3.0..=8.0).contains(&n) =>
            {
                (1..n as usize)
                    .try_fold(x, |power, _| self.function("Mul", &[power, x], PAIR.to_vec()))
            }
            _ => self.function(symbol, inputs, arguments.to_vec()),
        }
    }

    /// Which nodes others need.
    pub fn needed(&self, ends: &[usize]) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for end in ends {
            needed[*end] = true;
        }
        for (id, node) in self.nodes.iter().enumerate().rev() {
            if needed[id] {
                for input in &node.inputs {
                    needed[*input] = true;
                }
            }
        }
        needed
    }

    /// Global pooling over some axes, with the others as channels.
    fn pooled(&mut self, id: usize, method: &'static str, axes: &[usize]) -> Result<usize> {
        let shape = self.shape(id).to_vec();
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let channels: usize = pick(&shape, &kept).iter().product();
        let order = [kept.as_slice(), axes].concat();
        let mut planes = self.permute(id, &order)?;
        if kept.len() != 1 || axes.len() > 2 {
            let cells: usize = pick(&shape, axes).iter().product();
            planes = self.reshape(planes, &[channels, cells])?;
        }
        let pooled = self.layer(
            "GlobalPooling",
            vec![("method", method.into())],
            vec![planes],
            vec![channels],
        )?;
        let mut result = shape;
        for axis in axes {
            result[*axis] = 1;
        }
        self.reshape(pooled, &result)
    }

    /// (x - mean) / sqrt(mean((x - mean)²) + eps), spelt out: the input, the axes and eps.
    fn layer_norm(&self, id: usize) -> Option<(usize, Vec<usize>, f64)> {
        // Axes of extent 1 may have been moved about.
        let plain = |mut id: usize| {
            while let Op::Reshape = self.nodes[id].op {
                id = self.nodes[id].inputs[0];
            }
            &self.nodes[id]
        };
        let of = |id: usize, wanted: &str| match plain(id) {
            Node { op: Op::Function { symbol, .. }, inputs, .. } if *symbol == wanted => {
                Some(inputs.as_slice())
            }
            _ => None,
        };
        let mean = |id: usize| match plain(id) {
            Node { op: Op::Reduce { method: "average", axes }, inputs, .. } => {
                Some((inputs[0], axes))
            }
            _ => None,
        };
        let [centred, deviation] = of(id, "Div")? else { return None };
        let [x, mean_x] = of(*centred, "Sub")? else { return None };
        let (averaged, axes) = mean(*mean_x)?;
        let [shifted] = of(*deviation, "Sqrt")? else { return None };
        let Node { op: Op::Scale { scale: None, shift: Some(eps) }, inputs, .. } = plain(*shifted)
        else {
            return None;
        };
        let (square, square_axes) = mean(inputs[0])?;
        let [a, b] = of(square, "Mul")? else { return None };
        let mut reduced = self.shape(*x).to_vec();
        for axis in axes {
            reduced[*axis] = 1;
        }
        let fits = averaged == *x
            && self.shape(id) == self.shape(*x)
            && [a, b] == [centred, centred]
            && axes == square_axes
            && eps.len() == 1
            && [*mean_x, *deviation].iter().all(|id| self.shape(*id) == reduced);
        fits.then(|| (*x, axes.clone(), eps.first().copied().unwrap_or_default()))
    }
}

/// Axes as the package counts them: the rows are axis 1.
pub fn axes_field<'a>(axes: &[usize]) -> Value<'a> {
    Value::Numbers(axes.iter().map(|axis| (axis + 2) as f64).collect())
}

/// A function of two arrays whose extents agree or are 1.
pub fn broadcast(a: &ArrayD<f64>, b: &ArrayD<f64>, f: impl Fn(f64, f64) -> f64) -> ArrayD<f64> {
    let shape: Vec<usize> = a.shape().iter().zip(b.shape()).map(|(a, b)| *a.max(b)).collect();
    match (a.broadcast(IxDyn(&shape)), b.broadcast(IxDyn(&shape))) {
        (Some(a), Some(b)) => ndarray::Zip::from(a).and(b).map_collect(|a, b| f(*a, *b)),
        _ => ArrayD::zeros(IxDyn(&shape)),
    }
}
