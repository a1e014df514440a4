//! The parts of ONNX's protocol buffers that describe networks, borrowed from the bytes of a file.
//!
//! Sub-graphs in attributes are left out, so nothing nests deeper than the types below.

use crate::error::{Kind, Result};

/// A file has at most so many nodes, attributes, names and the like together.
const MESSAGES: usize = 1 << 22;

/// A value as it is stored.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

fn damaged(what: &str) -> crate::error::Error {
    Kind::File.error(format!("This is no ONNX file, or a damaged one: {what}"))
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(n).ok_or_else(|| damaged("it ends too early"))?;
    *bytes = tail;
    Ok(head)
}

fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let mut value = [0; N];
    value.copy_from_slice(take(bytes, N)?);
    Ok(value)
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = fixed(bytes)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(damaged("a number is too long"))
}

/// The next field: its number and value.
fn field<'a>(bytes: &mut &'a [u8]) -> Result<(u64, Wire<'a>)> {
    let tag = varint(bytes)?;
    if tag >> 3 == 0 {
        return Err(damaged("a field has no number"));
    }
    let wire = match tag & 7 {
        0 => Wire::Varint(varint(bytes)?),
        1 => Wire::Fixed64(fixed(bytes)?),
        2 => {
            let length = usize::try_from(varint(bytes)?).unwrap_or(usize::MAX);
            Wire::Bytes(take(bytes, length)?)
        }
        5 => Wire::Fixed32(fixed(bytes)?),
        _ => return Err(damaged("a field has an unknown type")),
    };
    Ok((tag >> 3, wire))
}

/// Something that fields of a message are put into; `left` counts what may still be made.
trait Field<'a> {
    fn put(&mut self, wire: Wire<'a>, left: &mut usize) -> Result<()>;
}

/// A number that may be packed into lists.
trait Packed: Copy {
    fn of(wire: Wire) -> Option<Self>;
    fn unpack(bytes: &mut &[u8]) -> Result<Self>;
}

macro_rules! packed {
    ($($type:ty: $wire:ident($value:ident) => $of:expr, $bytes:ident => $unpack:expr;)*) => {$(
        impl Packed for $type {
            fn of(wire: Wire) -> Option<Self> {
                if let Wire::$wire($value) = wire { Some($of) } else { None }
            }
            fn unpack($bytes: &mut &[u8]) -> Result<Self> {
                Ok($unpack)
            }
        }
    )*};
}

packed! {
    i64: Varint(v) => v as i64, bytes => varint(bytes)? as i64;
    f32: Fixed32(v) => f32::from_le_bytes(v), bytes => f32::from_le_bytes(fixed(bytes)?);
    f64: Fixed64(v) => f64::from_le_bytes(v), bytes => f64::from_le_bytes(fixed(bytes)?);
}

impl<'a, T: Packed> Field<'a> for T {
    fn put(&mut self, wire: Wire<'a>, _: &mut usize) -> Result<()> {
        *self = T::of(wire).ok_or_else(|| damaged("a number has another type"))?;
        Ok(())
    }
}

/// Numbers, packed or one by one.
#[derive(Debug, Clone, Default)]
pub struct Numbers<T>(pub Vec<T>);

impl<'a, T: Packed> Field<'a> for Numbers<T> {
    fn put(&mut self, wire: Wire<'a>, _: &mut usize) -> Result<()> {
        match wire {
            Wire::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    self.0.push(T::unpack(&mut bytes)?);
                }
            }
            single => self.0.push(T::of(single).ok_or_else(|| damaged("a list of numbers"))?),
        }
        Ok(())
    }
}

impl<'a> Field<'a> for &'a [u8] {
    fn put(&mut self, wire: Wire<'a>, _: &mut usize) -> Result<()> {
        let Wire::Bytes(bytes) = wire else { return Err(damaged("bytes have another type")) };
        *self = bytes;
        Ok(())
    }
}

impl<'a> Field<'a> for &'a str {
    fn put(&mut self, wire: Wire<'a>, left: &mut usize) -> Result<()> {
        let mut bytes: &[u8] = &[];
        bytes.put(wire, left)?;
        *self = std::str::from_utf8(bytes).map_err(|_| damaged("a name is not UTF-8"))?;
        Ok(())
    }
}

impl<'a, T: Field<'a> + Default> Field<'a> for Vec<T> {
    fn put(&mut self, wire: Wire<'a>, left: &mut usize) -> Result<()> {
        *left = left.checked_sub(1).ok_or_else(|| damaged("it has millions of parts"))?;
        let mut item = T::default();
        item.put(wire, left)?;
        self.push(item);
        Ok(())
    }
}

impl<'a, T: Field<'a> + Default> Field<'a> for Option<T> {
    fn put(&mut self, wire: Wire<'a>, left: &mut usize) -> Result<()> {
        self.get_or_insert_default().put(wire, left)
    }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($number:literal => $field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Default)]
        pub struct $name<'a> {
            $(pub $field: $type,)*
        }

        impl<'a> Field<'a> for $name<'a> {
            fn put(&mut self, wire: Wire<'a>, left: &mut usize) -> Result<()> {
                let mut bytes: &[u8] = &[];
                bytes.put(wire, left)?;
                while !bytes.is_empty() {
                    let (number, wire) = field(&mut bytes)?;
                    match number {
                        $($number => self.$field.put(wire, left)?,)*
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    )*};
}

messages! {
    /// A file.
    Model {
        2 => producer_name: &'a str,
        3 => producer_version: &'a str,
        7 => graph: Option<Graph<'a>>,
        8 => opset_import: Vec<OperatorSet<'a>>,
    }
    /// The version of a domain's operators.
    OperatorSet {
        1 => domain: &'a str,
        2 => version: i64,
    }
    /// A network.
    Graph {
        1 => nodes: Vec<Node<'a>>,
        5 => initializers: Vec<Tensor<'a>>,
        11 => inputs: Vec<ValueInfo<'a>>,
        12 => outputs: Vec<ValueInfo<'a>>,
    }
    /// An operator of a network.
    Node {
        1 => inputs: Vec<&'a str>,
        2 => outputs: Vec<&'a str>,
        3 => name: &'a str,
        4 => op_type: &'a str,
        5 => attributes: Vec<Attribute<'a>>,
        7 => domain: &'a str,
    }
    /// A setting of an operator.
    Attribute {
        1 => name: &'a str,
        2 => f: f32,
        3 => i: i64,
        4 => s: &'a [u8],
        5 => t: Option<Tensor<'a>>,
        7 => floats: Numbers<f32>,
        8 => ints: Numbers<i64>,
    }
    /// Numbers.
    Tensor {
        1 => dims: Numbers<i64>,
        2 => data_type: i64,
        4 => float_data: Numbers<f32>,
        5 => int32_data: Numbers<i64>,
        7 => int64_data: Numbers<i64>,
        8 => name: &'a str,
        9 => raw_data: Option<&'a [u8]>,
        10 => double_data: Numbers<f64>,
        11 => uint64_data: Numbers<i64>,
        13 => external_data: Vec<Entry<'a>>,
        14 => data_location: i64,
    }
    /// Where numbers are that lie in another file.
    Entry {
        1 => key: &'a str,
        2 => value: &'a str,
    }
    /// An input or output.
    ValueInfo {
        1 => name: &'a str,
        2 => type_: Option<Type<'a>>,
    }
    /// Its type.
    Type {
        1 => tensor: Option<TensorType<'a>>,
        4 => sequence: Option<&'a [u8]>,
        5 => map: Option<&'a [u8]>,
    }
    /// The type of a tensor.
    TensorType {
        1 => elem_type: i64,
        2 => shape: Option<Shape<'a>>,
    }
    /// Extents.
    Shape {
        1 => dims: Vec<Dimension<'a>>,
    }
    /// An extent, a number or a name.
    Dimension {
        1 => value: Option<i64>,
        2 => param: &'a str,
    }
}

impl<'a> Model<'a> {
    /// The model in the bytes of a file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut model = Self::default();
        model.put(Wire::Bytes(bytes), &mut { MESSAGES })?;
        Ok(model)
    }
}
