//! Layer-wise relevance propagation (Bach et al., 2015).

use super::{Method, Start};
use crate::error::{Kind, Result};
use crate::graph::{Node, Tape};
use crate::kernels::Kernels;
use crate::layers::{Activation, Layer, Part, TYPES};
use crate::rules::{rule, Place, Rule, RULES};
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

/// The method: a rule for every class of layers.
pub struct Lrp<B: Kernels> {
    /// By class.
    rules: Vec<(&'static str, Box<dyn Rule<B>>)>,
    /// For all other classes.
    default: Box<dyn Rule<B>>,
    /// Classes whose rule is for them alone and stands above `winner_takes_all`.
    special: Vec<&'static str>,
    winner_takes_all: bool,
}

impl<B: Kernels> Lrp<B> {
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

    fn rule(&self, class: &str) -> &dyn Rule<B> {
        self.rules.iter().find(|(c, _)| *c == class).map_or(&*self.default, |(_, rule)| &**rule)
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

impl<B: Kernels> Method<B> for Lrp<B> {
    fn start(&self, chosen: &Tensor<B>, last: Option<&Activation>) -> Start<B> {
        // What a probability has to say is its distance from one half.
        let undecided = if last.is_some_and(Activation::is_probability) { 0.5 } else { 0.0 };
        let relevance = chosen.clone().add_scalar(-undecided);
        Start { signal: relevance.clone(), goal: relevance }
    }

    fn step(&self, tape: &Tape<B>, node: &Node<B>, r: Tensor<B>) -> Result<Vec<Tensor<B>>> {
        let class = node.layer_type.class;
        let x = tape.operands(node);
        let y = tape.value(node.value);
        Ok(match &node.layer {
            Layer::Affine(layer) => {
                self.rule(class).relevance(&Place { layer: &**layer, x: &x, z: y }, r)
            }
            Layer::Selection(layer) => {
                if self.winner_takes_all && !self.special.contains(&class) {
                    vec![layer.pullback(r, &x[0])]
                } else {
                    let layer = layer.average();
                    let z = layer.apply(&x, Part::All);
                    self.rule(class).relevance(&Place { layer, x: &x, z: &z }, r)
                }
            }
            Layer::Pointwise(_) => vec![r],
            Layer::Structural(layer) => layer.pullback(r),
        })
    }

    fn finish(&self, _: &Tensor<B>, r: Tensor<B>) -> Tensor<B> {
        r
    }
}
