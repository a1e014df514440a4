//! A model and its networks, one for every precision, device and layout that has been asked for.

use std::cell::RefCell;
use std::mem::size_of;
use std::ops::Range;
use std::rc::Rc;

use burn_ndarray::NdArray;
use extendr_api::prelude::*;
use innsight_core::error::{Kind, Result};
use innsight_core::graph::{Network, Output, Tape, Value};
use innsight_core::kernels::cpu::{in_parallel, set_memory, set_threads};
use innsight_core::kernels::Kernels;
use innsight_core::methods::{
    self as method, add, average, ends, explain, integrate_exactly, join, transposed, Attributions,
    ConnectionWeights, DeepLift, Entry, ExpectedGradient, Gradient, IntegratedGradient, Lrp,
    LrpRules, Points, SmoothGrad,
};
use innsight_core::model::{Model, Order};
use innsight_core::tensor::{largest, Tensor};

use crate::arrays::{read, reals, Layout, Spot};
use crate::request::{Call, Explanation, Method, Place};

/// A network on one of the backends.
enum Backend {
    Float(Network<NdArray<f32>>),
    Double(Network<NdArray<f64>>),
    #[cfg(feature = "gpu")]
    Gpu(Network<burn_wgpu::Wgpu>),
}

/// The one place where a backend becomes a type.
macro_rules! on_backend {
    ($backend:expr, $network:ident => $body:expr) => {
        match $backend {
            Backend::Float($network) => $body,
            Backend::Double($network) => $body,
            #[cfg(feature = "gpu")]
            Backend::Gpu($network) => $body,
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Key {
    double: bool,
    gpu: bool,
    order: Order,
}

/// What R holds a pointer to.
pub struct Engine {
    model: Model,
    networks: RefCell<Vec<(Key, Rc<Backend>)>>,
}

/// The engine behind a pointer.
pub fn of(handle: &Robj) -> Result<&Engine> {
    let dead = |_| Kind::Bug.error("The pointer does not lead to a network");
    let pointer: &ExternalPtr<Engine> = handle.try_into().map_err(dead)?;
    pointer.try_addr().map_err(dead)
}

impl Engine {
    pub fn new(model: Model) -> Result<Self> {
        let engine = Self { model, networks: RefCell::default() };
        engine.network(Key { double: false, gpu: false, order: Order::ChannelsFirst })?;
        Ok(engine)
    }

    fn network(&self, key: Key) -> Result<Rc<Backend>> {
        if let Some((_, network)) = self.networks.borrow().iter().find(|(k, _)| *k == key) {
            return Ok(network.clone());
        }
        let (model, order) = (&self.model, key.order);
        let cpu = Default::default();
        let backend = match (key.gpu, key.double) {
            (false, false) => Backend::Float(Network::new(model, &cpu, order)?),
            (false, true) => Backend::Double(Network::new(model, &cpu, order)?),
            #[cfg(feature = "gpu")]
            (true, false) => {
                let device = innsight_core::kernels::gpu::device()?;
                Backend::Gpu(Network::new(model, &device, order)?)
            }
            (true, _) => {
                let reason = match cfg!(feature = "gpu") {
                    true => "A GPU computes in single precision: dtype = \"float\"",
                    false => "This build of the package has no GPU support",
                };
                return Err(Kind::Device.error(reason));
            }
        };
        let network = Rc::new(backend);
        self.networks.borrow_mut().push((key, network.clone()));
        Ok(network)
    }

    fn bytes_of_weights(&self) -> usize {
        let cells = self.model.arrays.iter().map(|array| array.shape.iter().product::<usize>());
        cells.sum::<usize>() * size_of::<f32>()
    }

    /// The network that a call asks for.
    fn network_for(&self, call: &Call) -> Result<Rc<Backend>> {
        set_threads(call.threads);
        set_memory(call.memory as usize);
        let follows = self.model.layers.iter().any(|layer| layer.op.follows_layout());
        let order = match follows && !call.channels_first {
            true => Order::ChannelsLast,
            false => Order::ChannelsFirst,
        };
        self.network(Key { double: call.dtype == "double", gpu: call.device == "gpu", order })
    }

    pub fn info(&self) -> Robj {
        let networks = self.networks.borrow();
        on_backend!(&*networks[0].1, network => info(network))
    }

    pub fn predict(&self, x: &Robj, call: &Call) -> Result<Robj> {
        let weights = self.bytes_of_weights();
        on_backend!(&*self.network_for(call)?, network => {
            let x = inputs(network, x, call)?;
            let outputs = predictions(network, &x, (weights, call.threads))?.into_iter();
            let outputs = outputs.zip(&network.outputs);
            let outputs = outputs.map(|(values, output)| to_r(network, values, output.value));
            Ok(list_from(outputs.collect::<Result<_>>()?))
        })
    }

    pub fn activations(&self, x: &Robj, call: &Call) -> Result<Robj> {
        on_backend!(&*self.network_for(call)?, network => {
            let tape = network.forward(inputs(network, x, call)?)?;
            let value = |v: Value| to_r(network, tape.value(v).clone(), v);
            let layers = network.layers.iter().map(|layer| {
                let inputs = layer.inputs.iter().map(|&v| value(v)).collect::<Result<_>>()?;
                let before = layer.before_activation.map(value).transpose()?;
                Ok(list!(
                    input = list_from(inputs),
                    preactivation = before.unwrap_or(().into()),
                    output = value(layer.output)?
                ).into())
            });
            Ok(list_from(layers.collect::<Result<_>>()?))
        })
    }

    /// The forward pass keeps every value of a data point. The walk back holds a few signals of the
    /// largest size for every row, and what came of it waits to be put in its place.
    pub fn plan(&self, call: &Call) -> Result<Robj> {
        let bytes = if call.dtype == "double" { 8.0 } else { 4.0 };
        on_backend!(&*self.network_for(call)?, network => {
            let (all, largest) = network.cells();
            let inputs: usize = network.inputs.iter().map(|s| s.iter().product::<usize>()).sum();
            Ok(list!(
                bytes_per_data_point = bytes * all as f64,
                bytes_per_row = bytes * (4 * largest + inputs) as f64
            ).into())
        })
    }

    pub fn values(
        &self,
        x: &Robj,
        targets: &[Vec<usize>],
        ignore_last_act: bool,
        call: &Call,
    ) -> Result<Robj> {
        on_backend!(&*self.network_for(call)?, network => {
            target_values(network, (targets, ignore_last_act), x, call)
        })
    }

    pub fn explain(
        &self,
        request: &Explanation,
        data: (&Robj, &Robj),
        place: &Place,
        call: &Call,
    ) -> Result<Robj> {
        let weights = self.bytes_of_weights();
        on_backend!(&*self.network_for(call)?, network => {
            let to_r = ToR { network, request, place, channels_first: call.channels_first };
            let room = if place.room.is_null() { to_r.room()? } else { place.room.clone() };
            explained(&to_r, &room, data, weights, call)?;
            Ok(room)
        })
    }
}

fn list_from(values: Vec<Robj>) -> Robj {
    List::from_values(values).into()
}

fn to_integers(shape: &[usize]) -> Robj {
    shape.iter().map(|&n| n as i32).collect::<Vec<_>>().into()
}

fn info<B: Kernels>(network: &Network<B>) -> Robj {
    let layers = network.layers.iter().map(|layer| {
        let inputs = layer.inputs.iter().map(|&v| to_integers(network.shape(v)));
        List::from_pairs([
            ("type", layer.layer_type.name.into()),
            ("class", layer.layer_type.class.into()),
            ("input_dim", list_from(inputs.collect())),
            ("output_dim", to_integers(network.shape(layer.output))),
        ])
        .into()
    });
    let activation =
        |o: &Output| o.activation.as_ref().map_or_else(|| "linear".to_string(), |a| a.name.clone());
    list!(
        layers = list_from(layers.collect()),
        output_dim = list_from(network.outputs.iter().map(|o| to_integers(&[o.nodes])).collect()),
        activations = network.outputs.iter().map(activation).collect::<Vec<String>>()
    )
    .into()
}

/// The data of a call on the network's device.
fn inputs<B: Kernels>(network: &Network<B>, x: &Robj, call: &Call) -> Result<Vec<Tensor<B>>> {
    let list = List::try_from(x).map_err(|_| Kind::Argument.error("The data is not a list"))?;
    let tensor = |robj: Robj| {
        if reals(&robj)?.iter().any(|x| x.abs() > largest::<B>()) {
            return Err(Kind::Argument.error(
                "The data holds values beyond single precision (3.4e38): use dtype = \"double\"",
            ));
        }
        let (values, shape) = read::<B>(&robj, call.channels_first)?;
        Ok(Tensor::from_vec(values, &shape, &network.device))
    };
    list.values().map(tensor).collect()
}

/// What a tape has of a value, as an array, channels first.
fn to_r<B: Kernels>(network: &Network<B>, tensor: Tensor<B>, value: Value) -> Result<Robj> {
    let rows = tensor.rows();
    let layout = Layout { targets: None, extents: network.shape(value), channels_first: true };
    layout.write(tensor.into_values(), rows)
}

/// What comes of a method for every output, `None` where nothing is asked of it: tensors (samples ×
/// targets, extents), one for every input, then, for methods that give these, the explained values and the
/// predictions. In their stead one with three columns a layer of the model if that is what is asked for.
type Answers<B> = Attributions<B>;

/// Where the answers of a call go.
struct ToR<'a, B: Kernels> {
    network: &'a Network<B>,
    request: &'a Explanation,
    place: &'a Place,
    channels_first: bool,
}

impl<B: Kernels> ToR<'_, B> {
    /// The extents of the tensors of an answer, for all outputs alike.
    fn extents(&self) -> Vec<Vec<usize>> {
        match self.request.ledger {
            true => vec![vec![3 * self.network.layers.len()]],
            false => self.network.inputs.iter().cloned().chain([vec![], vec![]]).collect(),
        }
    }

    /// Arrays for all answers, `NULL` where there is nothing.
    fn room(&self) -> Result<Robj> {
        let of_output = |(output, &nodes): (&Output, &usize)| -> Result<Robj> {
            if nodes == 0 {
                return Ok(().into());
            }
            let mut reached = self.network.reached(output.value);
            reached.extend([self.request.method.walks(); 2]);
            let array =
                |(extents, reached): (Vec<usize>, bool)| match reached || self.request.ledger {
                    true => self.layout(nodes, &extents).room(self.place.samples),
                    false => Ok(().into()),
                };
            let arrays = self.extents().into_iter().zip(reached).map(array);
            Ok(list_from(arrays.collect::<Result<_>>()?))
        };
        let lists = self.network.outputs.iter().zip(&self.place.nodes).map(of_output);
        Ok(list_from(lists.collect::<Result<_>>()?))
    }

    fn layout<'a>(&self, targets: usize, extents: &'a [usize]) -> Layout<'a> {
        Layout { targets: Some(targets), extents, channels_first: self.channels_first }
    }

    /// Puts the answers for rows of the data in their place, one after the other from this row on.
    fn put(&self, room: &Robj, row: usize, answers: Vec<Answers<B>>) -> Result<()> {
        let list = |robj: &Robj| List::try_from(robj).map_err(|e| Kind::Bug.error(e.to_string()));
        let (room, row) = (list(room)?, self.place.row + row);
        for (o, outputs) in transposed(answers).enumerate() {
            let outputs: Vec<_> = outputs.into_iter().flatten().collect();
            if outputs.is_empty() {
                continue;
            }
            let (targets, column) = (self.request.targets[o].len(), self.place.columns[o]);
            let arrays = list(&room.elt(o).map_err(|e| Kind::Bug.error(e.to_string()))?)?;
            let places = arrays.values().zip(self.extents()).enumerate();
            for ((piece, (mut array, extents)), tensors) in places.zip(transposed(outputs)) {
                // Predictions are the same for all copies.
                let add = self.place.add && piece != self.network.inputs.len() + 1;
                let values = tensors.into_iter().flatten().map(Tensor::into_values);
                let values: Vec<_> = values.collect();
                if array.is_null() != values.is_empty() {
                    return Err(Kind::Bug.error("Answers and the room for them differ"));
                }
                if !values.is_empty() {
                    let layout = self.layout(targets, &extents);
                    layout.put(&mut array, values, Spot { row, column, add })?;
                }
            }
        }
        Ok(())
    }
}

/// Copies of a data point at which a method looks, one after the other or all at a time.
enum Copies {
    Each(Range<usize>),
    All(usize),
}

impl Copies {
    fn of<B: Kernels>(method: &Method, references: &[Tensor<B>]) -> Self {
        match method {
            Method::SmoothGrad { copies, .. } | Method::ExpectedGradient { copies, .. } => {
                Self::Each(copies.clone())
            }
            Method::IntegratedGradient { alphas, .. } => Self::Each(0..alphas.len()),
            Method::DeepLift { .. } => Self::All(references.first().map_or(1, Tensor::rows)),
            _ => Self::All(1),
        }
    }
}

/// A part of a call: rows of the data, and copies of each.
type Part = (Range<usize>, Range<usize>);

/// The parts of a call, those of the same rows adjacent, and whether they are for threads of their own:
/// a walk back over many rows is slower than several over few, whose signals stay in the cache and in
/// memory that is in use already. Large weights are to be read for more rows at a time, and by one walk if
/// there are few.
fn parts<B: Kernels>(
    network: &Network<B>,
    targets: &[Vec<usize>],
    samples: usize,
    copies: Copies,
    (weights, threads): (usize, usize),
) -> (Vec<Part>, bool) {
    let (all, largest) = network.cells();
    let targets = targets.iter().map(Vec::len).max().unwrap_or(1);
    let copy = size_of::<B::FloatElem>() * (all + 4 * targets * largest).max(1);
    // Weights, which every part reads, are to be little beside its signals.
    let set = (8 * weights).clamp(B::WORKING_SET, B::WORKING_SET.saturating_mul(4)).max(weights);
    let fitting = (set / copy).max(1);
    let (copies, divisible) = match copies {
        Copies::Each(copies) => (copies, true),
        Copies::All(n) => (0..n, false),
    };
    let rows = (fitting / copies.len().max(1)).max(1);
    let points = samples * copies.len();
    let apart = weights <= B::WORKING_SET || points >= 2 * threads;
    // Small work is not worth a thread, and threads should have the same number of parts.
    let large = points * copy > B::WORKING_SET / 8;
    let even = |parts: usize| if apart && large { parts.next_multiple_of(threads) } else { parts };
    let rows = samples.div_ceil(even(samples.div_ceil(rows)).max(1)).max(1);
    let divided = if divisible { copies.len().div_ceil(fitting) } else { 1 };
    let few = divisible && samples.div_ceil(rows) < threads;
    let divided = if few { even(divided) } else { divided };
    let each = copies.len().div_ceil(divided.max(1));
    let of_rows =
        |rows: Range<usize>| blocks(copies.clone(), each).map(move |copies| (rows.clone(), copies));
    (blocks(0..samples, rows).flat_map(of_rows).collect(), apart)
}

/// The numbers of a range in blocks.
fn blocks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size.max(1)).map(move |start| start..end.min(start + size))
}

/// Bytes of answers that are put in their place together, at least of [`WAVE`] parts: that many rows fill
/// the lines of the cache where R's arrays have them side by side.
const STAGE: usize = 1 << 25;
const WAVE: usize = 8;

fn explained<B: Kernels>(
    to_r: &ToR<B>,
    room: &Robj,
    (x, reference): (&Robj, &Robj),
    weights: usize,
    call: &Call,
) -> Result<()> {
    let (network, request, first) = (to_r.network, to_r.request, to_r.place.row);
    let x = inputs(network, x, call)?;
    let samples = x.first().map_or(1, Tensor::rows);
    let references = match reference.is_null() {
        true => Vec::new(),
        false => inputs(network, reference, call)?,
    };
    let reference = match request.method {
        Method::DeepLift { .. } => Some(network.forward(references.clone())?),
        _ => None,
    };
    let references = (&references[..], reference.as_ref());
    let of_part = |(rows, copies): Part| {
        let (first, x) = (first + rows.start, narrowed(&x, rows));
        answers(network, request, &x, references, (first, copies), weights)
    };
    let (parts, apart) = match &request.method {
        // These take no rows, or one at a time.
        Method::ConnectionWeights { .. } | Method::ExactGradient { .. } => {
            (vec![(0..samples, 0..1)], false)
        }
        method => {
            let (copies, limits) = (Copies::of(method, references.0), (weights, call.threads));
            parts(network, &request.targets, samples, copies, limits)
        }
    };
    let targets: usize = request.targets.iter().map(Vec::len).sum();
    let cells: usize = to_r.extents().iter().map(|extents| extents.iter().product::<usize>()).sum();
    let rows = parts.first().map_or(1, |(rows, _)| rows.len());
    let bytes = (rows * targets * cells * size_of::<B::FloatElem>()).max(1);
    let wave = (STAGE / bytes).max(WAVE).next_multiple_of(call.threads.max(1));
    let mut parts = parts.into_iter().peekable();
    // The first row of parts with the sum over their copies.
    let mut done: Vec<(usize, Answers<B>)> = Vec::new();
    while parts.peek().is_some() {
        let wave: Vec<Part> = parts.by_ref().take(wave).collect();
        let rows: Vec<usize> = wave.iter().map(|(rows, _)| rows.start).collect();
        for (row, answers) in rows.into_iter().zip(of_parts(wave, apart, of_part)) {
            let answers = answers?;
            match done.pop() {
                Some((last, sum)) if last == row => done.push((row, join(vec![sum, answers], add))),
                last => done.extend(last.into_iter().chain([(row, answers)])),
            }
        }
        let unfinished =
            parts.peek().and_then(|(rows, _)| done.pop_if(|(row, _)| *row == rows.start));
        if let Some(&(row, _)) = done.first() {
            to_r.put(room, row, done.drain(..).map(|(_, answers)| answers).collect())?;
        }
        done.extend(unfinished);
    }
    Ok(())
}

/// `f` of all parts, in their order, each on a thread of its own if they are for that.
fn of_parts<P: Send, R: Send>(
    parts: Vec<P>,
    apart: bool,
    f: impl Fn(P) -> R + Sync,
) -> impl Iterator<Item = R> {
    match apart {
        true => in_parallel(parts, f),
        false => parts.into_iter().map(f).collect(),
    }
    .into_iter()
}

/// The rows of the inputs.
fn narrowed<B: Kernels>(x: &[Tensor<B>], rows: Range<usize>) -> Vec<Tensor<B>> {
    x.iter().map(|x| x.clone().narrow(0, rows.clone())).collect()
}

/// The values of every output, computed some rows at a time.
fn predictions<B: Kernels>(
    network: &Network<B>,
    x: &[Tensor<B>],
    limits: (usize, usize),
) -> Result<Vec<Tensor<B>>> {
    let samples = x.first().map_or(1, Tensor::rows);
    let (parts, apart) = parts(network, &[], samples, Copies::All(1), limits);
    let of_part = |(rows, _): Part| -> Result<Vec<_>> {
        let tape = network.forward(narrowed(x, rows))?;
        Ok(network.outputs.iter().map(|output| tape.value(output.value).clone()).collect())
    };
    let parts = of_parts(parts, apart, of_part);
    let parts = parts.collect::<Result<_>>()?;
    Ok(transposed(parts).map(|rows| Tensor::concatenate(&rows, 0)).collect())
}

/// The answers for some rows x of the data, the first of which is number `first`, and some copies of
/// each. With the references come their values, where the method needs them.
fn answers<B: Kernels>(
    network: &Network<B>,
    request: &Explanation,
    x: &[Tensor<B>],
    (references, reference): (&[Tensor<B>], Option<&Tape<B>>),
    (first, copies): (usize, Range<usize>),
    weights: usize,
) -> Result<Answers<B>> {
    let tape = || network.forward(x.to_vec());
    let references = references.to_vec();
    let averaged = |points: &dyn Points<B>| {
        let batch = points.batch(x, first, copies);
        average(network, batch, &request.targets, request.ignore_last_act)
    };
    match &request.method {
        Method::Gradient { times_input } => {
            let tape = &tape()?;
            let method = || Gradient { tape, times_input: *times_input };
            walked(network, request, &method, (Some(tape), 1), weights)
        }
        Method::Lrp { rules, default: (name, parameter), winner_takes_all } => {
            let tape = &tape()?;
            let rules = &LrpRules::new(rules, (name, *parameter), *winner_takes_all)?;
            let books = || request.ledger.then(Default::default);
            let method = || Lrp { tape, rules, books: books() };
            walked(network, request, &method, (Some(tape), 1), weights)
        }
        &Method::DeepLift { rule, max_pool, weight } => {
            let reference =
                reference.ok_or_else(|| Kind::Bug.error("No values of the references"))?;
            let tape = &tape()?;
            let method = || DeepLift { network, tape, reference, weight, rule, max_pool };
            walked(network, request, &method, (Some(tape), reference.rows()), weights)
        }
        Method::ConnectionWeights { times_input } => {
            let (device, x) = (&network.device, times_input.then(|| x.to_vec()));
            let method = || ConnectionWeights { device: device.clone(), x: x.clone() };
            walked(network, request, &method, (None, 1), weights)
        }
        Method::SmoothGrad { n, sigmas, seed, times_input, .. } => {
            let (n, sigmas, seed, times_input) = (*n, sigmas.clone(), *seed, *times_input);
            averaged(&SmoothGrad { n, sigmas, seed, times_input })
        }
        Method::IntegratedGradient { alphas, weights, times_input } => {
            let (alphas, weights, times_input) = (alphas.clone(), weights.clone(), *times_input);
            let reference = references;
            averaged(&IntegratedGradient { reference, alphas, weights, times_input })
        }
        &Method::ExactGradient { times_input, limit } => {
            let targets = (&request.targets[..], request.ignore_last_act);
            integrate_exactly(network, (x, references), targets, times_input, limit)
        }
        &Method::ExpectedGradient { n, seed, .. } => {
            averaged(&ExpectedGradient { references, n, seed })
        }
    }
}

/// The answers of a method that walks through the network once for some targets, over these values if it
/// needs any, of which it makes so many `copies`.
fn walked<B: Kernels, M: method::Method<B>>(
    network: &Network<B>,
    request: &Explanation,
    method: &(dyn Fn() -> M + Sync),
    (tape, copies): (Option<&Tape<B>>, usize),
    weights: usize,
) -> Result<Answers<B>> {
    let flat = |tensor: Tensor<B>| {
        let cells = tensor.shape().iter().product();
        tensor.reshape(&[cells])
    };
    type Explained<'a, B> = (Option<method::Explanation<B>>, (&'a Output, &'a Vec<usize>));
    let answer = |(explanation, (output, targets)): Explained<B>| {
        explanation.map(|e| {
            if request.ledger {
                let rows = tape.map_or(1, Tape::rows) * targets.len();
                return vec![Some(ledger(network, rows, e.ledger))];
            }
            let predictions = tape.map(|tape| tape.value(output.value).clone().select(1, targets));
            let values = [e.goals, predictions].map(|values| values.map(flat));
            e.attributions.into_iter().chain(values).collect()
        })
    };
    let of_targets = |targets: Vec<Vec<usize>>| -> Result<Answers<B>> {
        let (ignore, ledger) = (request.ignore_last_act, request.ledger);
        let explanations = explain(network, &method(), &targets, ignore, ledger)?.into_iter();
        Ok(explanations.zip(network.outputs.iter().zip(&targets)).map(answer).collect())
    };
    let blocks = match tape.map(Tape::rows) {
        Some(1) => target_blocks(network, &request.targets, copies, weights),
        _ => vec![request.targets.clone()],
    };
    let parts = of_parts(blocks, weights <= B::WORKING_SET, of_targets);
    Ok(join(parts.collect::<Result<_>>()?, |targets| Tensor::concatenate(targets, 0)))
}

/// Fewest targets of a block, for which a walk through the network pays.
const TARGETS: usize = 32;

/// The targets of a data point in blocks, whose signals stay in the cache.
fn target_blocks<B: Kernels>(
    network: &Network<B>,
    targets: &[Vec<usize>],
    copies: usize,
    weights: usize,
) -> Vec<Vec<Vec<usize>>> {
    let (_, largest) = network.cells();
    let target = (size_of::<B::FloatElem>() * 4 * copies * largest).max(1);
    let fitting = (B::WORKING_SET.max(weights) / target).max(TARGETS);
    let most = targets.iter().map(Vec::len).max().unwrap_or(0);
    let size = most.div_ceil(most.div_ceil(fitting).max(1));
    let block = |block: Range<usize>| {
        let own = |targets: &Vec<usize>| {
            targets[block.start.min(targets.len())..block.end.min(targets.len())].to_vec()
        };
        targets.iter().map(own).collect()
    };
    blocks(0..most, size).map(block).collect()
}

/// What every layer of the model gave to its bias, to the stabilizer and to nothing: three columns a layer.
fn ledger<B: Kernels>(network: &Network<B>, rows: usize, entries: Vec<Entry<B>>) -> Tensor<B> {
    let zeros = Tensor::full(&[rows, 1], 0.0, &network.device);
    let mut columns = vec![zeros; 3 * network.layers.len()];
    for Entry { layer, bias, stabilizer, missing } in entries {
        let columns = &mut columns[3 * (layer - 1)..];
        for (column, kept) in columns.iter_mut().zip([bias, stabilizer, Some(missing)]) {
            if let Some(kept) = kept {
                *column = column.clone() + kept.reshape(&[rows, 1]);
            }
        }
    }
    Tensor::concatenate(&columns, 1)
}

/// Predictions and explained values at the targets of every output.
fn target_values<B: Kernels>(
    network: &Network<B>,
    (targets, ignore_last_act): (&[Vec<usize>], bool),
    x: &Robj,
    call: &Call,
) -> Result<Robj> {
    let tape = network.forward(inputs(network, x, call)?)?;
    let (mut preds, mut values) = (vec![], vec![]);
    for end in ends(network, targets, ignore_last_act)? {
        let Some(end) = end else {
            [&mut preds, &mut values].into_iter().for_each(|list| list.push(().into()));
            continue;
        };
        for (list, value) in [(&mut preds, end.output.value), (&mut values, end.value)] {
            let chosen = tape.value(value).clone().select(1, end.targets);
            let layout =
                Layout { targets: None, extents: &[end.targets.len()], channels_first: true };
            list.push(layout.write(chosen.into_values(), tape.rows())?);
        }
    }
    Ok(list!(preds = list_from(preds), values = list_from(values)).into())
}
