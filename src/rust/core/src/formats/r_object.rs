//! R's serialization format (binary XDR, versions 2 and 3), read without R: nothing is evaluated, and
//! no bytes can harm more than their own reading. Of functions only the attributes are kept.

use super::bytes::{damaged, Cursor};
use crate::error::{Kind, Result};

/// A value of R and its attributes.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    pub node: Node<'a>,
    pub attributes: Bindings<'a>,
}

/// Named values, in order.
pub type Bindings<'a> = Vec<(&'a str, Object<'a>)>;

/// A value of R without its attributes.
#[derive(Debug, Clone, Default)]
pub enum Node<'a> {
    #[default]
    Null,
    /// NA is the smallest integer.
    Logical(Vec<i32>),
    Integer(Vec<i32>),
    Double(Vec<f64>),
    /// NA is none.
    Character(Vec<Option<&'a str>>),
    List(Vec<Object<'a>>),
    Pairlist(Bindings<'a>),
    Symbol(&'a str),
    /// A number for [`Archive::environments`].
    Environment(usize),
    /// A pointer, a tensor in R torch.
    Pointer,
    /// A function, an expression or the like.
    Other,
}

impl<'a> Object<'a> {
    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&Object<'a>> {
        find(&self.attributes, name)
    }

    /// The elements of a list with their names.
    pub fn elements(&self) -> Vec<(&'a str, &Object<'a>)> {
        match &self.node {
            Node::List(values) => {
                let names = match self.attribute("names").map(|names| &names.node) {
                    Some(Node::Character(names)) => names.as_slice(),
                    _ => &[],
                };
                let names = names.iter().map(|name| name.unwrap_or_default());
                names.chain(std::iter::repeat("")).zip(values).collect()
            }
            Node::Pairlist(pairs) => pairs.iter().map(|(name, value)| (*name, value)).collect(),
            _ => Vec::new(),
        }
    }
}

/// The value of this name.
pub fn find<'b, 'a>(bindings: &'b Bindings<'a>, name: &str) -> Option<&'b Object<'a>> {
    bindings.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// What a serialized value consists of.
pub struct Archive<'a> {
    pub root: Object<'a>,
    /// The values bound in each environment.
    pub environments: Vec<Bindings<'a>>,
}

impl<'a> Archive<'a> {
    /// Reads `serialize(x, NULL)`.
    ///
    /// # Errors
    /// [`Kind::File`] if the bytes are damaged or in another of R's formats.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader =
            Reader { cursor: Cursor::new(bytes), references: Vec::new(), environments: Vec::new() };
        if &reader.cursor.array()? != b"X\n" {
            return Err(Kind::File.error("An R object is stored in a form that is not binary"));
        }
        let version = reader.int()?;
        reader.cursor.skip(8)?;
        match version {
            2 => {}
            3 => {
                let encoding = reader.length()?;
                reader.cursor.skip(encoding)?;
            }
            _ => return Err(damaged("an R object has an unknown version")),
        }
        let root = reader.object(MAX_DEPTH)?;
        Ok(Self { root, environments: reader.environments })
    }
}

/// R nests calls, lists and environments in each other; modules of R torch get to 73, and to ten more
/// for each that is in another.
const MAX_DEPTH: usize = 500;

struct Reader<'a> {
    cursor: Cursor<'a>,
    /// What later items can refer to.
    references: Vec<Node<'a>>,
    environments: Vec<Bindings<'a>>,
}

/// The types of items, see "Serialization Formats" in R internals.
mod item {
    pub const SYMBOL: u8 = 1;
    pub const PAIRLIST: u8 = 2;
    pub const CLOSURE: u8 = 3;
    pub const ENVIRONMENT: u8 = 4;
    pub const PROMISE: u8 = 5;
    pub const CALL: u8 = 6;
    pub const SPECIAL: u8 = 7;
    pub const BUILTIN: u8 = 8;
    pub const STRING: u8 = 9;
    pub const LOGICAL: u8 = 10;
    pub const INTEGER: u8 = 13;
    pub const DOUBLE: u8 = 14;
    pub const COMPLEX: u8 = 15;
    pub const CHARACTER: u8 = 16;
    pub const DOTS: u8 = 17;
    pub const LIST: u8 = 19;
    pub const EXPRESSION: u8 = 20;
    pub const BYTECODE: u8 = 21;
    pub const POINTER: u8 = 22;
    pub const WEAK_REFERENCE: u8 = 23;
    pub const RAW: u8 = 24;
    pub const S4: u8 = 25;
    pub const COMPACT: u8 = 238;
    pub const PAIRLIST_WITH_ATTRIBUTES: u8 = 239;
    pub const CALL_WITH_ATTRIBUTES: u8 = 240;
    pub const BASE_ENVIRONMENT: u8 = 241;
    pub const EMPTY_ENVIRONMENT: u8 = 242;
    pub const SEEN_CODE: u8 = 243;
    pub const CODE_TO_SEE: u8 = 244;
    pub const PERSISTENT: u8 = 247;
    pub const PACKAGE: u8 = 248;
    pub const NAMESPACE: u8 = 249;
    pub const BASE_NAMESPACE: u8 = 250;
    pub const MISSING_ARGUMENT: u8 = 251;
    pub const UNBOUND: u8 = 252;
    pub const GLOBAL_ENVIRONMENT: u8 = 253;
    pub const NULL: u8 = 254;
    pub const REFERENCE: u8 = 255;
}

impl<'a> Reader<'a> {
    fn int(&mut self) -> Result<i32> {
        self.cursor.array().map(i32::from_be_bytes)
    }

    fn length(&mut self) -> Result<u64> {
        match self.int()? {
            // Long vectors.
            -1 => Ok(self.cursor.array().map(u64::from_be_bytes)?),
            n => u64::try_from(n).map_err(|_| damaged("an R object has a negative length")),
        }
    }

    /// The numbers of a vector, `N` bytes each.
    fn numbers<T, const N: usize>(&mut self, number: fn([u8; N]) -> T) -> Result<Vec<T>> {
        let length = self.length()?;
        let bytes = self.cursor.take(length.saturating_mul(N as u64))?;
        let (chunks, _) = bytes.as_chunks::<N>();
        Ok(chunks.iter().copied().map(number).collect())
    }

    fn object(&mut self, depth: usize) -> Result<Object<'a>> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("an R object is nested deeply"))?;
        let flags = self.int()?;
        self.object_of(flags, depth)
    }

    /// The object whose flags have been read.
    fn object_of(&mut self, flags: i32, depth: usize) -> Result<Object<'a>> {
        let has_attributes = flags & 0x200 != 0;
        let has_tag = flags & 0x400 != 0;
        let node = match flags as u8 {
            item::NULL => Node::Null,
            item::SYMBOL => {
                let name = match self.object(depth)?.node {
                    Node::Character(mut name) => name.pop().flatten().unwrap_or_default(),
                    _ => return Err(damaged("a symbol of R has no name")),
                };
                self.refer_to(Node::Symbol(name))
            }
            item::PAIRLIST => return self.pairlist(flags, depth),
            item::CALL | item::DOTS | item::CLOSURE | item::PROMISE => {
                let attributes = if has_attributes { self.attributes(depth)? } else { Vec::new() };
                if has_tag {
                    self.object(depth)?;
                }
                self.object(depth)?;
                // What follows in a call is a pairlist.
                self.object(depth)?;
                return Ok(Object { node: Node::Other, attributes });
            }
            item::ENVIRONMENT => {
                self.int()?;
                let number = self.environments.len();
                self.environments.push(Vec::new());
                self.references.push(Node::Environment(number));
                self.object(depth)?;
                let frame = self.object(depth)?;
                let hashed = self.object(depth)?;
                let attributes = self.attributes(depth)?;
                let buckets = match hashed.node {
                    Node::List(buckets) => buckets,
                    _ => Vec::new(),
                };
                self.environments[number] = std::iter::once(frame)
                    .chain(buckets)
                    .filter_map(|part| match part.node {
                        Node::Pairlist(bindings) => Some(bindings),
                        _ => None,
                    })
                    .flatten()
                    .collect();
                return Ok(Object { node: Node::Environment(number), attributes });
            }
            item::SPECIAL | item::BUILTIN => {
                let length = self.length()?;
                self.cursor.skip(length)?;
                Node::Other
            }
            item::STRING => Node::Character(vec![match self.int()? {
                -1 => None,
                n => {
                    let length = u64::try_from(n);
                    let length = length.map_err(|_| damaged("a text of R has no length"))?;
                    let text = std::str::from_utf8(self.cursor.take(length)?);
                    // Only names and settings matter, which are ASCII.
                    Some(text.unwrap_or("\u{FFFD}"))
                }
            }]),
            item::LOGICAL => Node::Logical(self.numbers(i32::from_be_bytes)?),
            item::INTEGER => Node::Integer(self.numbers(i32::from_be_bytes)?),
            item::DOUBLE => Node::Double(self.numbers(f64::from_be_bytes)?),
            item::COMPLEX | item::RAW => {
                let size = if flags as u8 == item::RAW { 1 } else { 16 };
                let length = self.length()?;
                self.cursor.skip(length.saturating_mul(size))?;
                Node::Other
            }
            item::CHARACTER => {
                let mut texts = Vec::new();
                for _ in 0..self.length()? {
                    match self.object(depth)?.node {
                        Node::Character(mut text) => texts.extend(text.pop()),
                        _ => return Err(damaged("a text of R is something else")),
                    }
                }
                Node::Character(texts)
            }
            item::LIST | item::EXPRESSION => {
                let mut values = Vec::new();
                for _ in 0..self.length()? {
                    values.push(self.object(depth)?);
                }
                Node::List(values)
            }
            item::BYTECODE => {
                self.int()?;
                self.bytecode(depth)?;
                Node::Other
            }
            item::POINTER => {
                self.references.push(Node::Pointer);
                self.object(depth)?;
                self.object(depth)?;
                Node::Pointer
            }
            item::WEAK_REFERENCE => self.refer_to(Node::Other),
            item::COMPACT => {
                let class = self.object(depth)?;
                let state = self.object(depth)?;
                let attributes = self.attributes(depth)?;
                return Ok(Object { node: expanded(&class, state), attributes });
            }
            item::PERSISTENT | item::PACKAGE | item::NAMESPACE => {
                self.int()?;
                for _ in 0..self.length()? {
                    self.object(depth)?;
                }
                self.refer_to(Node::Other)
            }
            item::REFERENCE => {
                let number = match flags >> 8 {
                    0 => self.int()?,
                    number => number,
                };
                let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
                let node = place.and_then(|place| self.references.get(place));
                node.ok_or_else(|| damaged("an R object refers to what is not there"))?.clone()
            }
            item::S4
            | item::BASE_ENVIRONMENT
            | item::EMPTY_ENVIRONMENT
            | item::GLOBAL_ENVIRONMENT
            | item::BASE_NAMESPACE
            | item::MISSING_ARGUMENT
            | item::UNBOUND => Node::Other,
            unknown => return Err(damaged(format!("R has no objects of type {unknown}"))),
        };
        let own = !matches!(flags as u8, item::REFERENCE | item::SYMBOL | item::NULL);
        let attributes = if has_attributes && own { self.attributes(depth)? } else { Vec::new() };
        Ok(Object { node, attributes })
    }

    fn refer_to(&mut self, node: Node<'a>) -> Node<'a> {
        self.references.push(node.clone());
        node
    }

    fn attributes(&mut self, depth: usize) -> Result<Bindings<'a>> {
        match self.object(depth)?.node {
            Node::Pairlist(attributes) => Ok(attributes),
            _ => Ok(Vec::new()),
        }
    }

    /// A pairlist whose first flags have been read, and then its end.
    fn pairlist(&mut self, mut flags: i32, depth: usize) -> Result<Object<'a>> {
        let mut pairs = Vec::new();
        let mut attributes = Vec::new();
        while flags as u8 == item::PAIRLIST {
            if flags & 0x200 != 0 {
                attributes = self.attributes(depth)?;
            }
            let tag = if flags & 0x400 != 0 { self.object(depth)?.node } else { Node::Null };
            let name = match tag {
                Node::Symbol(name) => name,
                _ => "",
            };
            pairs.push((name, self.object(depth)?));
            flags = self.int()?;
        }
        if flags as u8 != item::NULL {
            self.object_of(flags, depth)?;
        }
        Ok(Object { node: Node::Pairlist(pairs), attributes })
    }

    fn bytecode(&mut self, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("an R object is nested deeply"))?;
        self.object(depth)?;
        for _ in 0..self.length()? {
            match self.int()? {
                constant if constant == i32::from(item::BYTECODE) => self.bytecode(depth)?,
                constant => self.code(constant, depth)?,
            }
        }
        Ok(())
    }

    /// A constant of bytecode. Calls in it may have been seen before.
    fn code(&mut self, mut kind: i32, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("an R object is nested deeply"))?;
        loop {
            if kind as u8 == item::CODE_TO_SEE {
                self.int()?;
                kind = self.int()?;
            }
            match kind as u8 {
                item::SEEN_CODE => return self.int().map(|_| ()),
                item::CALL | item::PAIRLIST => {}
                item::CALL_WITH_ATTRIBUTES | item::PAIRLIST_WITH_ATTRIBUTES => {
                    self.object(depth)?;
                }
                _ => return self.object(depth).map(|_| ()),
            }
            self.object(depth)?;
            let first = self.int()?;
            self.code(first, depth)?;
            kind = self.int()?;
        }
    }
}

/// The vector that R keeps in a compact form; of the forms, those that small vectors have.
fn expanded<'a>(class: &Object<'a>, state: Object<'a>) -> Node<'a> {
    let class = match class.elements().first() {
        Some((_, Object { node: Node::Symbol(name), .. })) => *name,
        _ => return Node::Other,
    };
    match (class, state.node) {
        ("compact_intseq" | "compact_realseq", Node::Double(range)) => match range[..] {
            [n, first, step] if (0.0..=64.0).contains(&n) => {
                let values = (0..n as usize).map(|i| first + step * i as f64);
                match class {
                    "compact_intseq" => Node::Integer(values.map(|x| x as i32).collect()),
                    _ => Node::Double(values.collect()),
                }
            }
            _ => Node::Other,
        },
        // The vector itself, and what is known of its order.
        (_, Node::Pairlist(mut parts)) if class.starts_with("wrap_") && !parts.is_empty() => {
            parts.swap_remove(0).1.node
        }
        _ => Node::Other,
    }
}
