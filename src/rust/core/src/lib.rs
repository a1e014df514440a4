//! The engine of the R package innsight: attributions for neural networks, without R.
//!
//! # One idea
//! A network is a graph of layers of a few **kinds**, and every method is one walk backwards over the
//! values of a forward pass. If the kinds are right, a rule is a few lines and holds for every layer.
//!
//! | kind | members | what a method needs of it |
//! |---|---|---|
//! | [`Affine`](layers::Affine), z = W x + b | dense, convolution and its transpose, means over windows, batch norm, add | `apply(x, part)`, `pullback(s, part)` = Wᵀ s, for a [`Part`](layers::Part) of the weights, and the bias |
//! | [`Nonlinear`](layers::Nonlinear) | activation functions, layer and group norm, products | f, the product with its Jacobian, and with multipliers M for which M Δx = Δy exactly |
//! | [`Selection`](layers::Selection) | max pooling, local and global | which cell won, and the mean over the same windows |
//! | [`Structural`](layers::Structural) | flatten, reshape, permute, pad, upsample, concatenate, skip | the way there and back |
//!
//! The gradient is the pullback at every layer. LRP is x ⊙ Wᵀ (r / z) at the affine layers, with the
//! parts of W that the [rule](rules) asks for; a norm is affine once its deviation is held fixed, and all
//! else passes relevance on. DeepLift is the pullback with multipliers in place of Jacobians, two of
//! them under reveal-cancel. Connection weights are the pullback alone. Integrated and expected
//! gradients and SmoothGrad are means of gradients at some [points](methods::Points).
//!
//! A method that conserves a sum can be asked for a ledger: [`methods::explain`] then compares what
//! arrives at every layer with what leaves it.
//!
//! # Rows
//! The first axis of every tensor counts rows. The values of a forward pass have one row a sample. The
//! signals that travel back have one row a (sample, target) pair, a sample's targets side by side: ten
//! output nodes are ten times the rows of one kernel call, never an axis or a loop of their own. So are
//! the copies that a method makes of a sample: noisy ones, points of a path, pairs with references;
//! their rows are (sample, copy, target). What depends on the sample alone (values, denominators) is
//! computed once and broadcast.
//!
//! # Where things are
//! - [`model`]: what a network is before it is built; the R package's documented list.
//! - [`graph`]: the network on a device, [`forward`](graph::Network::forward) to a [`graph::Tape`] and
//!   [`backward`](graph::Network::backward), the one walk.
//! - [`layers`], [`rules`], [`methods`]: one file each, and one line in the table of the module.
//! - [`formats`]: readers of model files, from bytes to the lists of the R package.
//! - [`tensor`]: tensors whose rank is a run-time value, over burn's backend primitives; the only file
//!   besides [`kernels`] that talks to burn.
//! - [`kernels`]: the hot operations as a trait over burn's `Backend`, with burn's own operations as
//!   defaults (the GPU takes them) and products by vectors of the processor on the CPU.
//!
//! # Promises
//! Input of any kind gives an [`error::Error`], never a panic; a panic is a defect. Nothing is
//! allocated for a layer before its extents have been checked. Results do not depend on the number of
//! threads, on the other rows of a batch or on the other targets.
#![deny(unsafe_code)]

pub mod error;
pub mod formats;
pub mod graph;
pub mod kernels;
pub mod layers;
pub mod methods;
pub mod model;
pub mod rules;
pub mod stabilizer;
pub mod tensor;
