//! core
pub mod error;
pub mod graph;
pub mod kernels;
pub mod layers;
pub mod methods;
pub mod model;
pub mod rules;
pub mod stabilizer;
pub mod tensor;
