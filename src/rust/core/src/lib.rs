//! The engine of the R package innsight: attributions for neural networks, without R.
//!
//! # One idea
//! A network is a graph of layers of a few **kinds**, and every method is one walk backwards over the
//! values of a forward pass. If the kinds are right, a rule is a few lines and holds for every layer.
//!
//! | kind | members | what a method needs of it |
//! |---|---|---|
//! | [`Affine`](layers::Affine), z = W x + b | dense, convolution, transposed or not, means over windows, batch norm, add | `apply(x, part)`, `pullback(s, part)` = Wᵀ s, for a [`Part`](layers::Part) of the weights, and the bias |
//! | [`Nonlinear`](layers::Nonlinear) | activation functions, normalisation, products | f, the products with its Jacobian and with its exact multipliers between two points, its affine form at x if it has one |
//! | [`Selection`](layers::Selection) | max pooling, local and global | which cell won, and the mean over the same windows |
//! | [`Structural`](layers::Structural) | flatten, reshape, permute, pad, upsample, concatenate, skip | the way there and back |
//!
//! The gradient is the pullback at every layer. LRP is x ⊙ Wᵀ (r / z) at the affine layers, with the
//! parts of W that the [rule](rules) asks for, and leaves the others alone.
//!
//! # Rows
//! The first axis of every tensor counts rows. The values of a forward pass have one row a sample. The
//! signals that travel back have one row a (sample, target) pair, a sample's targets side by side: ten
//! output nodes are ten times the rows of one kernel call, never an axis or a loop of their own, and
//! what depends on the sample alone (values, denominators) is computed once and broadcast.
//!
//! # Where things are
//! - [`model`]: what a network is before it is built; the R package's documented list.
//! - [`graph`]: the network on a device, [`forward`](graph::Network::forward) to a [`graph::Tape`] and
//!   [`backward`](graph::Network::backward), the one walk.
//! - [`layers`], [`rules`], [`methods`]: one file each, and one line in the table of the module.
//! - [`tensor`]: tensors whose rank is a run-time value, over burn's backend primitives; the only file
//!   besides [`kernels`] that talks to burn.
//! - [`kernels`]: the hot operations as a trait over burn's `Backend`, with burn's own operations as
//!   defaults (the GPU takes them) and im2col with matrix products on the CPU.
//!
//! # Promises
//! Input of any kind gives an [`error::Error`], never a panic; a panic is a defect. Nothing is
//! allocated for a layer before its extents have been checked. Results do not depend on the number of
//! threads, on the other rows of a batch or on the other targets.
#![deny(unsafe_code)]

pub mod error;
pub mod graph;
pub mod kernels;
pub mod layers;
pub mod methods;
pub mod model;
pub mod rules;
pub mod stabilizer;
pub mod tensor;
