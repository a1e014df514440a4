//! The rules of layer-wise relevance propagation: how a layer's relevance is shared out among its
//! inputs. A rule is one file and one line in the table below, and holds for every affine layer.

mod alpha_beta;
mod epsilon;
mod equal;
mod pass;
mod simple;
mod ties;
mod uniform;

use std::cell::RefCell;

use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::layers::{Affine, Part};
use crate::tensor::Tensor;

/// An affine layer at the point where a rule is asked.
pub struct Place<'a, B: Kernels> {
    /// The layer.
    pub layer: &'a dyn Affine<B>,
    /// The operands, one row a sample.
    pub x: &'a [Tensor<B>],
    /// The output with the bias, one row a sample. For a max pooling that is explained as an average
    /// this is the average.
    pub z: &'a Tensor<B>,
    /// Where biases and stabilizers are noted, if they are.
    pub books: Option<&'a Books<B>>,
}

/// An account of the relevance that a layer does not hand on, (rows, 1).
#[derive(Default)]
pub struct Books<B: Kernels> {
    bias: RefCell<Option<Tensor<B>>>,
    stabilizer: RefCell<Option<Tensor<B>>>,
}

impl<B: Kernels> Books<B> {
    /// Notes relevance of a bias.
    pub fn bias(&self, share: Tensor<B>) {
        note(&self.bias, share);
    }

    /// Notes relevance of a stabilizer.
    pub fn stabilizer(&self, share: Tensor<B>) {
        note(&self.stabilizer, share);
    }

    /// Bias and stabilizer since the last time.
    pub fn take(&self) -> [Option<Tensor<B>>; 2] {
        [self.bias.take(), self.stabilizer.take()]
    }
}

fn note<B: Kernels>(sum: &RefCell<Option<Tensor<B>>>, share: Tensor<B>) {
    let before = sum.take();
    sum.replace(Some(before.into_iter().fold(share, |a, b| a + b)));
}

impl<B: Kernels> Place<'_, B> {
    /// r over a denominator, which is z, with `bias` as a part of it, plus a stabilizer.
    fn divide(
        &self,
        r: Tensor<B>,
        z: &Tensor<B>,
        bias: Option<Tensor<B>>,
        denominator: Tensor<B>,
    ) -> Tensor<B> {
        let s = r.div_samples(&denominator);
        if let Some(books) = self.books {
            bias.into_iter().for_each(|b| books.bias((s.clone() * b).row_sums()));
            let stabilizer = denominator - z.clone();
            books.stabilizer(s.clone().mul_samples(&stabilizer).row_sums());
        }
        s
    }

    /// x ⊙ Wᵀ s with a part of W, for every operand.
    fn share(&self, s: Tensor<B>, x: &[Tensor<B>], part: Part) -> Vec<Tensor<B>> {
        let pulled = self.layer.pullback(s, part).into_iter();
        pulled.zip(x).map(|(c, x)| c.mul_samples(x)).collect()
    }

    /// R_i = Σ_j R_j / (number of inputs of j), whatever the values are.
    fn share_equally(&self, r: Tensor<B>) -> Vec<Tensor<B>> {
        let one_row = |x: &Tensor<B>| {
            let mut shape = x.shape();
            shape[0] = 1;
            Tensor::full(&shape, 1.0, &x.device())
        };
        let ones: Vec<_> = self.x.iter().map(one_row).collect();
        let counts = self.layer.apply(&ones, Part::Ones);
        self.layer.pullback(r / counts, Part::Ones)
    }
}

/// A rule with its parameter: the relevance of every operand, from that of the output, one row a
/// (sample, target) pair.
pub type Rule<B> = Box<dyn Fn(&Place<B>, Tensor<B>) -> Vec<Tensor<B>> + Send + Sync>;

/// What a user can know of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// The name.
    pub name: &'static str,
    /// The classes of layers that it is for; empty for all affine ones.
    pub layers: &'static [&'static str],
    /// The parameter, if there is one.
    pub parameter: Option<Parameter>,
    /// The formula and the source in a line.
    pub description: &'static str,
}

/// The parameter of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// The name in formulas.
    pub name: &'static str,
    /// The value if none is given.
    pub default: f64,
    /// The smallest value.
    pub lower: f64,
    /// The largest value.
    pub upper: f64,
}

macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        /// Every rule.
        pub const RULES: &[Info] = &[$($rule::INFO),*];

        /// The rule of this name; `parameter` is `None` for the default.
        ///
        /// # Errors
        /// [`Kind::Rule`] if there is no such rule or the parameter lies out of its range.
        pub fn rule<B: Kernels>(name: &str, parameter: Option<f64>) -> Result<Rule<B>> {
            $(if name == $rule::INFO.name {
                let parameter = checked(&$rule::INFO, parameter)?;
                return Ok(Box::new(move |place, r| $rule::relevance(place, parameter, r)));
            })*
            let names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
            Err(Kind::Rule.error(format!("There is no rule '{name}', but {}", names.join(", "))))
        }
    };
}

rules! { simple, epsilon, alpha_beta, pass, equal, uniform, ties }

fn checked(info: &Info, given: Option<f64>) -> Result<f64> {
    let Some(Parameter { name, default, lower, upper }) = info.parameter else {
        return Ok(0.0);
    };
    let value = given.unwrap_or(default);
    if value.is_finite() && (lower..=upper).contains(&value) {
        return Ok(value);
    }
    Err(Kind::Rule.error(format!(
        "The {name} of rule '{}' must lie between {lower} and {upper}, but is {value}",
        info.name
    )))
}
