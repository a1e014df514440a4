//! The one error type of the engine.

/// What went wrong, with a message for the user. The R package raises it as a condition of class
/// `innsight_error_<kind>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// The kind, which is part of the condition's class in R.
    pub kind: Kind,
    /// A sentence for the user; layers are counted from 1.
    pub message: String,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The data or the targets of a call do not fit the network.
    Argument,
    /// The layers are not connected to a directed acyclic graph from inputs to outputs.
    Graph,
    /// A layer cannot take the shape that arrives at it.
    Shape,
    /// Weights are missing, not finite or of the wrong extent.
    Weights,
    /// A setting of a layer cannot be honoured.
    Model,
    /// A file cannot be read: it is damaged, or holds no model in a form that is known.
    File,
    /// A rule does not exist, does not hold for a layer or has a bad parameter.
    Rule,
    /// The computation would need more memory than there can be.
    Memory,
    /// The device is missing or cannot do what was asked.
    Device,
    /// A defect of this package.
    Bug,
}

impl Kind {
    /// The name in the condition's class.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Graph => "graph",
            Self::Shape => "shape",
            Self::Weights => "weights",
            Self::Model => "model",
            Self::File => "file",
            Self::Rule => "rule",
            Self::Memory => "memory",
            Self::Device => "device",
            Self::Bug => "bug",
        }
    }

    /// An error of this kind.
    pub fn error(self, message: impl Into<String>) -> Error {
        Error { kind: self, message: message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;
