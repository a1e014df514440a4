//! Where a piecewise linear network bends on the straight path from a reference to a data point.
//!
//! Between two neighbouring points of the path every value is linear as long as no layer before it
//! bends there. So the layers are visited in order, the places where one bends follow from its
//! operands at neighbouring points, and become points themselves before the next layer is looked at.

use super::points::between;
use crate::error::{Kind, Result};
use crate::graph::{Network, Node, Tape, Value};
use crate::kernels::Kernels;
use crate::layers::{Layer, Selection};
use crate::stabilizer::delta;
use crate::tensor::Tensor;

/// More kinks than this are refused: a quadrature serves better then.
pub const MAX_KINKS: usize = 10_000;

/// The pieces of the path on which the values `ends` are linear in the inputs: the middle of each, and
/// its length. x and the reference have one row; there are at most `limit` pieces.
///
/// # Errors
/// [`Kind::Argument`] if a layer is not piecewise linear or there are too many pieces.
pub fn kinks<B: Kernels>(
    network: &Network<B>,
    x: &[Tensor<B>],
    reference: &[Tensor<B>],
    ends: &[Value],
    limit: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let at = |places: &[f64]| {
        let pairs = x.iter().zip(reference);
        network.forward(pairs.map(|(x, r)| between(x, r, places, places.len()).0).collect())
    };
    let mut places = vec![0.0, 1.0];
    let mut tape = at(&places)?;
    for node in needed(network, ends) {
        loop {
            let new = bends(node, &tape, &places)?;
            if new.is_empty() {
                break;
            }
            places.extend(new);
            places.sort_by(f64::total_cmp);
            let gap = smallest_gap::<B>();
            // The end of the path stays even if another place is next to it.
            places.dedup_by(|b, a| *b - *a < gap && *b != 1.0);
            if places.len() - 1 > limit {
                return Err(Kind::Argument.error(format!(
                    "The path from the reference to a data point has more kinks than {limit}, which \
                     is too many to integrate exactly{}\nTake a quadrature: \
                     integration = \"riemann_middle\"",
                    if limit < MAX_KINKS { " in the memory that innsight.memory allows" } else { "" }
                )));
            }
            tape = at(&places)?;
        }
    }
    let pieces = places.windows(2);
    Ok(pieces.map(|piece| ((piece[0] + piece[1]) / 2.0, piece[1] - piece[0])).unzip())
}

fn smallest_gap<B: Kernels>() -> f64 {
    delta::<B>().max(1e-13)
}

/// The nodes that the given values depend on, in order.
fn needed<'a, B: Kernels>(network: &'a Network<B>, ends: &[Value]) -> Vec<&'a Node<B>> {
    let mut wanted = ends.to_vec();
    let mut nodes: Vec<_> = network.nodes.iter().rev().collect();
    nodes.retain(|node| {
        let take = wanted.contains(&node.value);
        if take {
            wanted.extend(&node.inputs);
        }
        take
    });
    nodes.reverse();
    nodes
}

/// The places between neighbouring points where a node bends.
fn bends<B: Kernels>(node: &Node<B>, tape: &Tape<B>, places: &[f64]) -> Result<Vec<f64>> {
    let x = tape.value(node.inputs[0]);
    let shares = match &node.layer {
        Layer::Affine(_) | Layer::Structural(_) => return Ok(Vec::new()),
        Layer::Selection(layer) => overtakings(&**layer, x),
        Layer::Nonlinear(layer) => match layer.kinks() {
            Some(kinks) => kinks.iter().flat_map(|&kink| crossings(x, kink)).collect(),
            None => {
                let name = node.activation().map_or(node.layer_type.name, |f| &f.name);
                return Err(Kind::Argument.error(format!(
                    "Layer {} ({name}) is not piecewise linear, so that integration = \"exact\" is \
                     not possible\nTake a quadrature: integration = \"gauss_legendre\"",
                    node.index
                )));
            }
        },
    };
    let gap = smallest_gap::<B>();
    let place = |(piece, share): (usize, f64)| {
        let (start, end) = (places[piece], places[piece + 1]);
        let place = start + (end - start) * share;
        (place - start > gap && end - place > gap).then_some(place)
    };
    Ok(shares.into_iter().filter_map(place).collect())
}

/// The pieces on which a cell passes `kink`, and the share of the piece before that.
fn crossings<B: Kernels>(x: &Tensor<B>, kink: f64) -> Vec<(usize, f64)> {
    let cells = x.shape()[1..].iter().product();
    let values = x.clone().into_vec();
    let rows: Vec<_> = values.chunks(cells).collect();
    let passes = |(piece, rows): (usize, &[&[f64]])| {
        let pairs = rows[0].iter().zip(rows[1]).map(|(a, b)| (a - kink, b - kink));
        let pass = pairs.filter(|(a, b)| a * b < 0.0).map(|(a, b)| (piece, a / (a - b)));
        pass.collect::<Vec<_>>()
    };
    rows.windows(2).enumerate().flat_map(passes).collect()
}

/// The pieces on which the winner of a window changes, and the share of the piece before the winner of
/// its start and that of its end meet.
fn overtakings<B: Kernels>(layer: &dyn Selection<B>, x: &Tensor<B>) -> Vec<(usize, f64)> {
    let pieces = x.rows() - 1;
    let (start, end) = (x.clone().narrow(0, 0..pieces), x.clone().narrow(0, 1..pieces + 1));
    // How far each of the two winners is ahead of the other at its own end.
    let lead =
        |own: &Tensor<B>, other: &Tensor<B>| (layer.apply(own) - layer.pick(own, other)).into_vec();
    let (before, after) = (lead(&start, &end), lead(&end, &start));
    let cells = before.len() / pieces;
    let leads = before.into_iter().zip(after).enumerate();
    leads
        .filter(|(_, (before, after))| *before > 0.0 && *after > 0.0)
        .map(|(i, (before, after))| (i / cells, before / (before + after)))
        .collect()
}
