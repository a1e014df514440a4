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

impl<'a> From<Node<'a>> for Object<'a> {
    fn from(node: Node<'a>) -> Self {
        Self { node, attributes: Vec::new() }
    }
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

/// R nests calls, lists and environments in each other; modules of R torch get to 60, and to 13 more
/// for each module around them.
const MAX_DEPTH: usize = 400;

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

    /// The object whose flags have been read. What nests has a function of its own, which keeps the
    /// frames on the stack small.
    fn object_of(&mut self, flags: i32, depth: usize) -> Result<Object<'a>> {
        let node = match flags as u8 {
            // These have their attributes elsewhere, or none.
            item::PAIRLIST => return self.pairlist(flags, depth),
            item::CALL | item::DOTS | item::CLOSURE | item::PROMISE => {
                return self.call(flags, depth)
            }
            item::ENVIRONMENT => return self.environment(depth),
            item::COMPACT => return self.compact(depth),
            item::SYMBOL => return self.symbol(depth).map(Object::from),
            item::REFERENCE => return self.reference(flags >> 8).map(Object::from),
            item::NULL => return Ok(Object::default()),

            item::STRING => Node::Character(vec![self.text()?]),
            item::LOGICAL => Node::Logical(self.numbers(i32::from_be_bytes)?),
            item::INTEGER => Node::Integer(self.numbers(i32::from_be_bytes)?),
            item::DOUBLE => Node::Double(self.numbers(f64::from_be_bytes)?),
            item::CHARACTER => self.texts(depth)?,
            item::LIST | item::EXPRESSION => self.list(depth)?,
            item::POINTER => self.pointer(depth)?,
            item::BYTECODE => {
                self.int()?;
                self.bytecode(depth)?
            }
            item::RAW | item::SPECIAL | item::BUILTIN => self.skipped(1)?,
            item::COMPLEX => self.skipped(16)?,
            item::PERSISTENT | item::PACKAGE | item::NAMESPACE => {
                self.int()?;
                self.list(depth)?;
                self.refer_to(Node::Other)
            }
            item::WEAK_REFERENCE => self.refer_to(Node::Other),
            item::S4
            | item::BASE_ENVIRONMENT
            | item::EMPTY_ENVIRONMENT
            | item::GLOBAL_ENVIRONMENT
            | item::BASE_NAMESPACE
            | item::MISSING_ARGUMENT
            | item::UNBOUND => Node::Other,
            unknown => return Err(damaged(format!("R has no objects of type {unknown}"))),
        };
        let attributes = self.attributes_if(flags, depth)?;
        Ok(Object { node, attributes })
    }

    fn attributes(&mut self, depth: usize) -> Result<Bindings<'a>> {
        match self.object(depth)?.node {
            Node::Pairlist(attributes) => Ok(attributes),
            _ => Ok(Vec::new()),
        }
    }

    fn attributes_if(&mut self, flags: i32, depth: usize) -> Result<Bindings<'a>> {
        match flags & 0x200 {
            0 => Ok(Vec::new()),
            _ => self.attributes(depth),
        }
    }

    fn tag_if(&mut self, flags: i32, depth: usize) -> Result<Node<'a>> {
        match flags & 0x400 {
            0 => Ok(Node::Null),
            _ => Ok(self.object(depth)?.node),
        }
    }

    fn symbol(&mut self, depth: usize) -> Result<Node<'a>> {
        match self.object(depth)?.node {
            Node::Character(name) if name.len() == 1 => {
                Ok(self.refer_to(Node::Symbol(name[0].unwrap_or_default())))
            }
            _ => Err(damaged("a symbol of R has no name")),
        }
    }

    fn reference(&mut self, packed: i32) -> Result<Node<'a>> {
        let number = if packed == 0 { self.int()? } else { packed };
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let node = place.and_then(|place| self.references.get(place));
        node.cloned().ok_or_else(|| damaged("an R object refers to what is not there"))
    }

    fn text(&mut self) -> Result<Option<&'a str>> {
        let length = match self.int()? {
            -1 => return Ok(None),
            n => u64::try_from(n).map_err(|_| damaged("a text of R has no length"))?,
        };
        // Only names and settings matter, which are ASCII.
        let text = std::str::from_utf8(self.cursor.take(length)?);
        Ok(Some(text.unwrap_or("\u{FFFD}")))
    }

    fn texts(&mut self, depth: usize) -> Result<Node<'a>> {
        let mut texts = Vec::new();
        for _ in 0..self.length()? {
            match self.object(depth)?.node {
                Node::Character(text) => texts.extend(text),
                _ => return Err(damaged("a text of R is something else")),
            }
        }
        Ok(Node::Character(texts))
    }

    fn list(&mut self, depth: usize) -> Result<Node<'a>> {
        let mut values = Vec::new();
        for _ in 0..self.length()? {
            values.push(self.object(depth)?);
        }
        Ok(Node::List(values))
    }

    /// Elements of this size, which do not matter.
    fn skipped(&mut self, size: u64) -> Result<Node<'a>> {
        let length = self.length()?;
        self.cursor.skip(length.saturating_mul(size))?;
        Ok(Node::Other)
    }

    fn pointer(&mut self, depth: usize) -> Result<Node<'a>> {
        let node = self.refer_to(Node::Pointer);
        self.object(depth)?;
        self.object(depth)?;
        Ok(node)
    }

    /// A call, or a function: its environment, its arguments and its body.
    fn call(&mut self, flags: i32, depth: usize) -> Result<Object<'a>> {
        let attributes = self.attributes_if(flags, depth)?;
        self.tag_if(flags, depth)?;
        self.object(depth)?;
        self.object(depth)?;
        Ok(Object { node: Node::Other, attributes })
    }

    fn environment(&mut self, depth: usize) -> Result<Object<'a>> {
        self.int()?;
        let number = self.environments.len();
        self.environments.push(Vec::new());
        let node = self.refer_to(Node::Environment(number));
        self.object(depth)?;
        let frame = self.object(depth)?;
        let buckets = match self.object(depth)?.node {
            Node::List(buckets) => buckets,
            _ => Vec::new(),
        };
        let bindings = |part: Object<'a>| match part.node {
            Node::Pairlist(bindings) => bindings,
            _ => Vec::new(),
        };
        let parts = std::iter::once(frame).chain(buckets);
        self.environments[number] = parts.flat_map(bindings).collect();
        let attributes = self.attributes(depth)?;
        Ok(Object { node, attributes })
    }

    /// A vector in a compact form.
    fn compact(&mut self, depth: usize) -> Result<Object<'a>> {
        let class = self.object(depth)?;
        let state = self.object(depth)?;
        let attributes = self.attributes(depth)?;
        Ok(Object { node: expanded(&class, state), attributes })
    }

    fn refer_to(&mut self, node: Node<'a>) -> Node<'a> {
        self.references.push(node.clone());
        node
    }

    /// A pairlist whose first flags have been read, and then its end.
    fn pairlist(&mut self, mut flags: i32, depth: usize) -> Result<Object<'a>> {
        let mut pairs = Vec::new();
        let mut attributes = Vec::new();
        while flags as u8 == item::PAIRLIST {
            attributes.extend(self.attributes_if(flags, depth)?);
            let name = match self.tag_if(flags, depth)? {
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

    fn bytecode(&mut self, depth: usize) -> Result<Node<'a>> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("an R object is nested deeply"))?;
        self.object(depth)?;
        for _ in 0..self.length()? {
            match self.int()? {
                constant if constant == i32::from(item::BYTECODE) => {
                    self.bytecode(depth)?;
                }
                constant => self.code(constant, depth)?,
            }
        }
        Ok(Node::Other)
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
