//! Functions of one cell.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::{Nonlinear, Pair};
use crate::kernels::{Kernels, Rectifier};
use crate::stabilizer::delta;
use crate::tensor::Tensor;

/// A function of one cell, by its derivative.
pub(super) trait Elementwise<B: Kernels>: Send + Sync {
    /// f(x).
    fn value(&self, x: Tensor<B>) -> Tensor<B>;
    /// f'(x), where y = f(x).
    fn derivative(&self, x: Tensor<B>, y: Tensor<B>) -> Tensor<B>;
    /// Δy / Δx, and the derivative where there is no difference.
    fn secant(&self, x: &Pair<B>, y: &Pair<B>) -> Tensor<B> {
        let (dx, dy) = (x.delta(), y.delta());
        let apart = dx.clone().abs().above(delta::<B>());
        let middle = x.middle();
        let slope = self.derivative(middle.clone(), self.value(middle));
        slope.where_one(apart, dy / dx.fill_zeros(1.0))
    }
    /// s f'(x), where x and y = f(x) have one row a sample.
    fn pullback(&self, s: Tensor<B>, x: &Tensor<B>, y: &Tensor<B>) -> Tensor<B> {
        s.mul_samples(&self.derivative(x.clone(), y.clone()))
    }
    /// See [`Nonlinear::kinks`].
    fn kinks(&self) -> Option<Vec<f64>> {
        None
    }
}

/// A function of one cell as a layer.
pub(super) struct Cellwise<F>(pub F);

impl<B: Kernels, F: Elementwise<B>> Nonlinear<B> for Cellwise<F> {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        self.0.value(x[0].clone())
    }

    fn secant(&self, s: Tensor<B>, x: &[Pair<B>], y: &Pair<B>) -> Vec<Tensor<B>> {
        vec![s.mul_samples(&self.0.secant(&x[0], y))]
    }

    fn pullback(&self, s: Tensor<B>, x: &[Tensor<B>], y: &Tensor<B>) -> Vec<Tensor<B>> {
        vec![self.0.pullback(s, &x[0], y)]
    }

    fn is_elementwise(&self) -> bool {
        true
    }

    fn kinks(&self) -> Option<Vec<f64>> {
        self.0.kinks()
    }
}

/// `below` where x ≤ bound, `above` where x > bound.
pub(super) fn switch<B: Kernels>(
    x: Tensor<B>,
    bound: f64,
    below: Tensor<B>,
    above: Tensor<B>,
) -> Tensor<B> {
    below.where_one(x.above(bound), above)
}

fn ones<B: Kernels>(like: &Tensor<B>) -> Tensor<B> {
    Tensor::full(&like.shape(), 1.0, &like.device())
}

impl Rectifier {
    /// Without threshold and bound.
    pub(super) fn leaky(slope: f64) -> Self {
        Self { slope, threshold: 0.0, max: f64::INFINITY }
    }
}

impl<B: Kernels> Elementwise<B> for Rectifier {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.rectify(self)
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        ones(&x).rectify_pullback(&x, self)
    }

    fn secant(&self, x: &Pair<B>, _: &Pair<B>) -> Tensor<B> {
        x.at.rectify_secant(&x.reference, self, delta::<B>())
    }

    fn pullback(&self, s: Tensor<B>, x: &Tensor<B>, _: &Tensor<B>) -> Tensor<B> {
        s.rectify_pullback(x, self)
    }

    /// Other thresholds than zero are a jump.
    fn kinks(&self) -> Option<Vec<f64>> {
        let kinks = [0.0, self.max].into_iter().filter(|x| x.is_finite()).collect();
        (self.threshold == 0.0).then_some(kinks)
    }
}

/// slope · x + offset, kept between `lower` and `upper`.
pub(super) struct Ramp {
    pub slope: f64,
    pub offset: f64,
    pub lower: f64,
    pub upper: f64,
}

impl<B: Kernels> Elementwise<B> for Ramp {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.scale(self.slope).add_scalar(self.offset).between(self.lower, self.upper)
    }

    fn derivative(&self, _: Tensor<B>, y: Tensor<B>) -> Tensor<B> {
        // Inside, y lies above the lower and -y above the negative upper bound.
        let inside = y.clone().above(self.lower) * y.scale(-1.0).above(-self.upper);
        inside.scale(self.slope)
    }

    fn kinks(&self) -> Option<Vec<f64>> {
        Some([self.lower, self.upper].map(|y| (y - self.offset) / self.slope).to_vec())
    }
}

/// x · min(max(x + 3, 0), 6) / 6.
pub(super) struct HardSwish;

impl<B: Kernels> Elementwise<B> for HardSwish {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.clone().add_scalar(3.0).between(0.0, 6.0).scale(1.0 / 6.0) * x
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let parabola = x.clone().scale(1.0 / 3.0).add_scalar(0.5);
        switch(x.clone(), -3.0, x.clone().scale(0.0), switch(x.clone(), 3.0, parabola, ones(&x)))
    }
}

/// log(1 + exp(beta x)) / beta, and x where beta x exceeds the threshold.
pub(super) struct Softplus {
    pub beta: f64,
    pub threshold: f64,
}

impl<B: Kernels> Elementwise<B> for Softplus {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        let scaled = x.clone().scale(self.beta);
        let soft = scaled.clone().at_most(self.threshold).exp().log1p().scale(1.0 / self.beta);
        switch(scaled, self.threshold, soft, x)
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let scaled = x.scale(self.beta);
        switch(scaled.clone(), self.threshold, Sigmoid.value(scaled.clone()), ones(&scaled))
    }
}

/// 1 / (1 + exp(-x)).
pub(super) struct Sigmoid;

impl<B: Kernels> Elementwise<B> for Sigmoid {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.scale(-1.0).exp().add_scalar(1.0).recip()
    }

    fn derivative(&self, _: Tensor<B>, y: Tensor<B>) -> Tensor<B> {
        y.clone() - y.clone() * y
    }
}

/// The hyperbolic tangent.
pub(super) struct Tanh;

impl<B: Kernels> Elementwise<B> for Tanh {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.tanh()
    }

    fn derivative(&self, _: Tensor<B>, y: Tensor<B>) -> Tensor<B> {
        (y.clone() * y).scale(-1.0).add_scalar(1.0)
    }
}

/// x / (1 + |x|).
pub(super) struct Softsign;

impl<B: Kernels> Elementwise<B> for Softsign {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.clone() / x.abs().add_scalar(1.0)
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let root = x.abs().add_scalar(1.0).recip();
        root.clone() * root
    }
}

/// scale · x above zero, scale · alpha (exp(rate · x) - 1) below.
pub(super) struct Elu {
    pub alpha: f64,
    pub rate: f64,
    pub scale: f64,
}

impl Elu {
    /// exp(rate · x) where x is negative.
    fn power<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        x.negative().scale(self.rate).exp()
    }
}

impl<B: Kernels> Elementwise<B> for Elu {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        let below = self.power(x.clone()).add_scalar(-1.0).scale(self.alpha);
        switch(x.clone(), 0.0, below, x).scale(self.scale)
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let below = self.power(x.clone()).scale(self.alpha * self.rate);
        switch(x.clone(), 0.0, below, ones(&x)).scale(self.scale)
    }
}

/// exp(x).
pub(super) struct Exponential;

impl<B: Kernels> Elementwise<B> for Exponential {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.exp()
    }

    fn derivative(&self, _: Tensor<B>, y: Tensor<B>) -> Tensor<B> {
        y
    }
}

/// log σ(x) = min(x, 0) - log(1 + exp(-|x|)).
pub(super) struct LogSigmoid;

impl<B: Kernels> Elementwise<B> for LogSigmoid {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.clone().negative() - x.abs().scale(-1.0).exp().log1p()
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        Sigmoid.value(x.scale(-1.0))
    }
}

/// x tanh(log(1 + exp(x))) (Misra, 2019).
pub(super) struct Mish;

impl Mish {
    fn tanh<B: Kernels>(x: Tensor<B>) -> Tensor<B> {
        let log = LogSigmoid.value(x.scale(-1.0));
        log.scale(-1.0).tanh()
    }
}

impl<B: Kernels> Elementwise<B> for Mish {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        Self::tanh(x.clone()) * x
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let tanh = Self::tanh(x.clone());
        let outer = Elementwise::<B>::derivative(&Tanh, tanh.clone(), tanh.clone());
        tanh + outer * Sigmoid.value(x.clone()) * x
    }
}

/// (x + √(x² + b)) / 2 (Barron, 2021).
pub(super) struct Squareplus {
    pub b: f64,
}

impl Squareplus {
    fn root<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        (x.clone() * x).add_scalar(self.b).sqrt()
    }
}

impl<B: Kernels> Elementwise<B> for Squareplus {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        (self.root(x.clone()) + x).scale(0.5)
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        (x.clone() / self.root(x).fill_zeros(1.0)).add_scalar(1.0).scale(0.5)
    }
}

/// x - tanh(x).
pub(super) struct TanhShrink;

impl<B: Kernels> Elementwise<B> for TanhShrink {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.clone() - x.tanh()
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let tanh = x.tanh();
        tanh.clone() * tanh
    }
}

/// x where |x| exceeds lambd, else 0.
pub(super) struct HardShrink {
    pub lambd: f64,
}

impl<B: Kernels> Elementwise<B> for HardShrink {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.clone().abs().above(self.lambd) * x
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        x.abs().above(self.lambd)
    }
}

/// x brought nearer to 0 by lambd, and 0 where |x| is less.
pub(super) struct SoftShrink {
    pub lambd: f64,
}

impl<B: Kernels> Elementwise<B> for SoftShrink {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.clone() - x.between(-self.lambd, self.lambd)
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        x.abs().above(self.lambd)
    }

    fn kinks(&self) -> Option<Vec<f64>> {
        Some(vec![-self.lambd, self.lambd])
    }
}

/// x Φ(x), Φ being the normal distribution (Hendrycks and Gimpel, 2016).
pub(super) struct Gelu;

impl Gelu {
    fn distribution<B: Kernels>(x: Tensor<B>) -> Tensor<B> {
        x.scale(FRAC_1_SQRT_2).erf().add_scalar(1.0).scale(0.5)
    }
}

impl<B: Kernels> Elementwise<B> for Gelu {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        Self::distribution(x.clone()) * x
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let density = (x.clone() * x.clone()).scale(-0.5).exp().scale((0.5 / PI).sqrt());
        Self::distribution(x.clone()) + density * x
    }
}

/// x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, the usual approximation of [`Gelu`].
pub(super) struct GeluTanh;

impl GeluTanh {
    const CUBIC: f64 = 0.044715;

    fn tanh<B: Kernels>(x: Tensor<B>) -> Tensor<B> {
        let cube = x.clone() * x.clone() * x.clone();
        (x + cube.scale(Self::CUBIC)).scale((2.0 / PI).sqrt()).tanh()
    }
}

impl<B: Kernels> Elementwise<B> for GeluTanh {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        Self::tanh(x.clone()).add_scalar(1.0).scale(0.5) * x
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let tanh = Self::tanh(x.clone());
        let inner = (x.clone() * x.clone()).scale(3.0 * Self::CUBIC).add_scalar(1.0);
        let outer = Elementwise::<B>::derivative(&Tanh, tanh.clone(), tanh.clone());
        let slope = outer * inner.scale((2.0 / PI).sqrt()) * x;
        (tanh.add_scalar(1.0) + slope).scale(0.5)
    }
}

/// x / (1 + exp(-x)), also known as swish.
pub(super) struct Silu;

impl<B: Kernels> Elementwise<B> for Silu {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        Sigmoid.value(x.clone()) * x
    }

    fn derivative(&self, x: Tensor<B>, y: Tensor<B>) -> Tensor<B> {
        // σ + x σ (1 - σ)
        let sigmoid: Tensor<B> = Sigmoid.value(x);
        y.clone() + sigmoid.clone() - y * sigmoid
    }
}
