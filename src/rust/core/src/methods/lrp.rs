//! Layer-wise relevance propagation (Bach et al., 2015).

use super::{End, Method, Start};
use crate::error::{Kind, Result};
use crate::graph::{Node, Tape, Value};
use crate::kernels::Kernels;
use crate::layers::{Activation, Affine, Layer, Part, TYPES};
use crate::rules::{rule, Books, Place, Rule, RULES};
use crate::tensor::Tensor;

/// The rule for the layers of a class.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The class, or another name of it; see [`TYPES`].
    pub class: String,
    /// The rule.
    pub rule: String,
    /// Its parameter, `None` for the default.
    pub parameter: Option<f64>,
}

/// A rule for every class of layers.
pub struct LrpRules<B: Kernels> {
    /// By class.
    rules: Vec<(&'static str, Rule<B>)>,
    /// For all other classes.
    default: Rule<B>,
    /// Classes whose rule is for them alone and stands above `winner_takes_all`.
    special: Vec<&'static str>,
    winner_takes_all: bool,
}

impl<B: Kernels> LrpRules<B> {
    /// `choices` by class, and a rule with its parameter for all other layers. With
    /// `winner_takes_all` the relevance of a maximum goes to the cell that it is, else the
    /// maximum is explained as if it were an average.
    ///
    /// # Errors
    /// [`Kind::Rule`] for unknown classes and rules, parameters out of range, and rules that do not
    /// hold for the class that they are given for.
    pub fn new(
        choices: &[Choice],
        (default, parameter): (&str, Option<f64>),
        winner_takes_all: bool,
    ) -> Result<Self> {
        let mut rules = Vec::new();
        let mut special = Vec::new();
        for choice in choices {
            let name = choice.class.as_str();
            let known = |t: &&crate::layers::Type| {
                t.class == name || t.name == name || t.aliases.contains(&name)
            };
            let class = TYPES
                .iter()
                .find(known)
                .map(|t| t.class)
                .ok_or_else(|| Kind::Rule.error(format!("There is no layer class '{name}'")))?;
            if suits(&choice.rule, class)? {
                special.push(class);
            }
            rules.push((class, rule(&choice.rule, choice.parameter)?));
        }
        if suits(default, "")? {
            return Err(Kind::Rule.error(format!("Rule '{default}' is not for all layers")));
        }
        Ok(Self { rules, default: rule(default, parameter)?, special, winner_takes_all })
    }

    /// Whether the relevance of a maximum goes to its winner.
    fn winner_takes(&self, class: &str) -> bool {
        self.winner_takes_all && !self.special.contains(&class)
    }

    fn rule(&self, class: &str) -> &Rule<B> {
        self.rules.iter().find(|(c, _)| *c == class).map_or(&self.default, |(_, rule)| rule)
    }
}

/// Whether a rule is for this class alone; fails if it is for others.
fn suits(name: &str, class: &str) -> Result<bool> {
    match RULES.iter().find(|rule| rule.name == name) {
        Some(rule) if rule.layers.contains(&class) => Ok(true),
        Some(rule) if !rule.layers.is_empty() => Err(Kind::Rule.error(format!(
            "Rule '{name}' holds for {} alone{}",
            rule.layers.join(", "),
            if class.is_empty() { String::new() } else { format!(", not for {class}") }
        ))),
        _ => Ok(false),
    }
}

/// The method.
pub struct Lrp<'a, B: Kernels> {
    /// The values at x.
    pub tape: &'a Tape<B>,
    /// The rules.
    pub rules: &'a LrpRules<B>,
    /// Keeps account of biases and stabilizers, if asked.
    pub books: Option<Books<B>>,
}

impl<B: Kernels> Lrp<'_, B> {
    fn share(
        &self,
        node: &Node<B>,
        layer: &dyn Affine<B>,
        z: &Tensor<B>,
        r: Tensor<B>,
    ) -> Vec<Tensor<B>> {
        let x = &self.tape.operands(node);
        let place = Place { layer, x, z, books: self.books.as_ref() };
        self.rules.rule(node.layer_type.class)(&place, r)
    }
}

impl<B: Kernels> Method<B> for Lrp<'_, B> {
    type Signal = Tensor<B>;

    fn start(&self, end: &End) -> Start<B> {
        // What a probability has to say is its distance from one half.
        let last = end.output.activation.as_ref().filter(|_| end.value == end.output.value);
        let undecided = if last.is_some_and(Activation::is_probability) { 0.5 } else { 0.0 };
        let signal = end.chosen(self.tape).add_scalar(-undecided);
        Start { at: end.value, signal: signal.clone(), goal: Some(signal) }
    }

    fn step(&self, node: &Node<B>, r: Tensor<B>) -> Result<Vec<Tensor<B>>> {
        let y = self.tape.value(node.value);
        Ok(match &node.layer {
            Layer::Affine(layer) => self.share(node, &**layer, y, r),
            Layer::Nonlinear(layer) => match layer.frozen(&self.tape.operands(node)) {
                Some(layer) => self.share(node, &*layer, y, r),
                None => layer.pass(r.scale(1.0 / node.inputs.len() as f64)),
            },
            Layer::Selection(layer) if self.rules.winner_takes(node.layer_type.class) => {
                vec![layer.pullback(r, self.tape.value(node.inputs[0]))]
            }
            Layer::Selection(layer) => {
                let z = layer.average().apply(&self.tape.operands(node), Part::All);
                self.share(node, layer.average(), &z, r)
            }
            Layer::Structural(layer) => {
                let shares = layer.pullback(r.clone());
                if let Some(books) = &self.books {
                    // What belongs to constants is lost on the way.
                    let kept = shares.iter().cloned().map(Tensor::row_sums);
                    books.bias(kept.fold(r.row_sums(), |rest, part| rest - part));
                }
                shares
            }
        })
    }

    fn finish(&self, _: Value, r: Tensor<B>) -> Tensor<B> {
        r
    }

    fn total(&self, _: Value, r: &Tensor<B>) -> Option<Tensor<B>> {
        Some(r.clone().row_sums())
    }

    fn absorbed(&self) -> [Option<Tensor<B>>; 2] {
        self.books.as_ref().map_or([None, None], Books::take)
    }
}
