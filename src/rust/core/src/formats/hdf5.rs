//! HDF5 as h5py writes it by default: superblock 0, object headers of version 1, groups as symbol
//! tables, arrays in one piece. Attributes are read where they are texts.

use std::collections::{HashMap, VecDeque};

use super::bytes::{damaged, Budget, Cursor};
use super::value::{Array, Dtype};
use crate::error::{Error, Kind, Result};

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// An address that is none.
const NOWHERE: u64 = u64::MAX;
/// Groups in groups, and nodes in nodes of a B-tree.
const MAX_DEPTH: usize = 64;

/// An HDF5 file.
pub struct File<'a> {
    bytes: &'a [u8],
    budget: Budget,
}

/// A group or an array, with its attributes.
#[derive(Default)]
pub struct Object<'a> {
    attributes: HashMap<String, Vec<String>>,
    /// Where a group's B-tree and its heap of names are.
    group: Option<(u64, u64)>,
    array: Option<Array<'a>>,
}

impl Object<'_> {
    /// The texts of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&[String]> {
        self.attributes.get(name).map(Vec::as_slice)
    }
}

impl<'a> File<'a> {
    /// The file with these bytes, and its first group.
    ///
    /// # Errors
    /// [`Kind::File`] if the file is damaged or has a newer structure.
    pub fn open(bytes: &'a [u8]) -> Result<(Self, Object<'a>)> {
        let file = Self { bytes, budget: Budget::of(bytes) };
        let mut superblock = Cursor::at(bytes, MAGIC.len() as u64)?;
        let version = superblock.u8()?;
        if version > 1 {
            return Err(newer());
        }
        superblock.skip(4)?;
        if superblock.array()? != [8, 8] {
            return Err(damaged("its addresses do not have 8 bytes"));
        }
        // Sizes of nodes and flags, four addresses, and the name of the first group.
        superblock.skip(9 + 4 * u64::from(version) + 4 * 8 + 8)?;
        let root = file.object(superblock.u64()?)?;
        Ok((file, root))
    }

    /// All arrays in a group and the groups in it, by their paths.
    ///
    /// # Errors
    /// [`Kind::File`] if the file is damaged.
    pub fn arrays(&self, group: &Object) -> Result<Vec<(String, Array<'a>)>> {
        let mut arrays = Vec::new();
        self.collect(group, "", MAX_DEPTH, &mut arrays)?;
        Ok(arrays)
    }

    fn collect(
        &self,
        group: &Object,
        prefix: &str,
        depth: usize,
        arrays: &mut Vec<(String, Array<'a>)>,
    ) -> Result<()> {
        let depth = deeper(depth)?;
        for (name, address) in self.members(group)? {
            let path = format!("{prefix}{name}");
            self.budget.spend(path.len() as u64)?;
            let member = self
                .object(address)
                .map_err(|e| Error { message: format!("{} (at {path:?})", e.message), ..e })?;
            match member.array {
                Some(array) => arrays.push((path, array)),
                None => self.collect(&member, &(path + "/"), depth, arrays)?,
            }
        }
        Ok(())
    }

    /// The names in a group and where their objects are.
    ///
    /// # Errors
    /// [`Kind::File`] if the file is damaged.
    pub fn members(&self, group: &Object) -> Result<Vec<(String, u64)>> {
        let mut members = Vec::new();
        if let Some((tree, heap)) = group.group {
            let mut heap = self.structure(heap, b"HEAP")?;
            heap.skip(4)?;
            let size = heap.u64()?;
            heap.skip(8)?;
            let names = Cursor::at(self.bytes, heap.u64()?)?.take(size)?;
            self.node(tree, names, MAX_DEPTH, &mut members)?;
        }
        Ok(members)
    }

    /// A node of the B-tree of a group.
    fn node(
        &self,
        address: u64,
        names: &'a [u8],
        depth: usize,
        members: &mut Vec<(String, u64)>,
    ) -> Result<()> {
        let depth = deeper(depth)?;
        let mut node = self.structure(address, b"TREE")?;
        let kind = node.u8()?;
        let level = node.u8()?;
        let children = node.u16()?;
        node.skip(16)?;
        if kind != 0 {
            return Err(damaged("a group has the index of an array"));
        }
        for _ in 0..children {
            node.skip(8)?;
            let child = node.u64()?;
            if level > 0 {
                self.node(child, names, depth, members)?;
                continue;
            }
            let mut leaf = self.structure(child, b"SNOD")?;
            leaf.skip(2)?;
            for _ in 0..leaf.u16()? {
                let name = Cursor::at(names, leaf.u64()?)?.rest();
                let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
                self.budget.spend(8 + name.len() as u64)?;
                members.push((String::from_utf8_lossy(name).into_owned(), leaf.u64()?));
                if leaf.u32()? == 2 {
                    return Err(Kind::File.error("Links in an HDF5 file are not followed"));
                }
                leaf.skip(20)?;
            }
        }
        Ok(())
    }

    /// The group or array at an address.
    ///
    /// # Errors
    /// [`Kind::File`] if the file is damaged, or stores the array in a way that is not known.
    pub fn object(&self, address: u64) -> Result<Object<'a>> {
        let mut header = Cursor::at(self.bytes, address)?;
        if header.rest().starts_with(b"OHDR") {
            return Err(newer());
        }
        if header.u8()? != 1 {
            return Err(damaged("there is no object where one should be"));
        }
        header.skip(1)?;
        let mut left = header.u16()?;
        header.skip(4)?;
        let size = header.u32()?;
        header.skip(4)?;
        let mut blocks = VecDeque::from([header.part(size.into())?]);
        let mut object = Object::default();
        let (mut shape, mut dtype, mut data) = (None, None, None);
        while let Some(mut block) = blocks.pop_front() {
            while left > 0 && block.rest().len() >= 8 {
                left -= 1;
                self.budget.spend(8)?;
                let (kind, size, flags) = (block.u16()?, block.u16()?, block.u8()?);
                block.skip(3)?;
                let mut body = block.part(size.into())?;
                if flags & 2 != 0 && matches!(kind, 0x01 | 0x03 | 0x0C) {
                    return Err(Kind::File.error("Named types in an HDF5 file are not known"));
                }
                match kind {
                    0x01 => shape = Some(extents(body)?),
                    0x03 => dtype = Some(Datatype::read(body)?),
                    0x08 => data = Some(self.data(body)?),
                    0x0C => object.attributes.extend(self.text_attribute(body)?),
                    0x10 => {
                        let mut next = Cursor::at(self.bytes, body.u64()?)?;
                        blocks.push_back(next.part(body.u64()?)?);
                    }
                    0x11 => object.group = Some((body.u64()?, body.u64()?)),
                    _ => {}
                }
            }
        }
        if let (Some(shape), Some(dtype), Some(data)) = (shape, dtype, data) {
            self.budget.spend(data.len() as u64)?;
            let Datatype::Numbers(dtype) = dtype else {
                let message = "An array in the HDF5 file does not hold little-endian numbers";
                return Err(Kind::File.error(message));
            };
            object.array = Some(dtype.array(&shape, data)?);
        }
        Ok(object)
    }

    /// The bytes of an array, from its layout message.
    fn data(&self, mut layout: Cursor<'a>) -> Result<&'a [u8]> {
        match (layout.u8()?, layout.u8()?) {
            (3 | 4, 0) => {
                let size = layout.u16()?;
                layout.take(size.into())
            }
            (3 | 4, 1) => {
                let (address, size) = (layout.u64()?, layout.u64()?);
                if address == NOWHERE && size == 0 {
                    return Ok(&[]);
                }
                Cursor::at(self.bytes, address)?.take(size)
            }
            (3 | 4, _) => Err(Kind::File.error(
                "The HDF5 file is compressed or in chunks, which Keras does not do: load the model \
                 in Keras and save it again",
            )),
            _ => Err(newer()),
        }
    }

    /// An attribute, if it holds texts or nothing.
    fn text_attribute(&self, mut body: Cursor<'a>) -> Result<Option<(String, Vec<String>)>> {
        let version = body.u8()?;
        body.skip(1)?;
        let sizes = [body.u16()?, body.u16()?, body.u16()?];
        match version {
            1 | 2 => {}
            3 => body.skip(1)?,
            _ => return Err(damaged("it has an attribute of an unknown version")),
        }
        let mut parts = [&[][..]; 3];
        for (part, size) in parts.iter_mut().zip(sizes) {
            *part = body.take(size.into())?;
            if version == 1 {
                body.skip(u64::from(size.wrapping_neg() % 8))?;
            }
        }
        let [name, dtype, shape] = parts;
        let count = extents(Cursor::new(shape))?
            .iter()
            .try_fold(1u64, |n, &extent| n.checked_mul(extent))
            .ok_or_else(|| damaged("an attribute has an impossible shape"))?;
        let mut texts = Vec::new();
        match Datatype::read(Cursor::new(dtype))? {
            _ if count == 0 => {}
            Datatype::Texts(size) => {
                for _ in 0..count {
                    self.budget.spend(8 + size)?;
                    texts.push(text(body.take(size)?));
                }
            }
            Datatype::HeapTexts => {
                for _ in 0..count {
                    let length = body.u32()?;
                    let found = self.on_heap(body.u64()?, body.u32()?)?;
                    texts.push(text(found.get(..length as usize).unwrap_or(found)));
                }
            }
            _ => return Ok(None),
        }
        Ok(Some((text(name), texts)))
    }

    /// An entry of a global heap.
    fn on_heap(&self, address: u64, index: u32) -> Result<&'a [u8]> {
        if index == 0 {
            return Ok(&[]);
        }
        let mut heap = self.structure(address, b"GCOL")?;
        heap.skip(4)?;
        let size = heap.u64()?;
        let mut entries = heap.part(size.saturating_sub(16))?;
        while entries.rest().len() >= 16 {
            self.budget.spend(1)?;
            let entry = entries.u16()?;
            entries.skip(6)?;
            let size = entries.u64()?;
            if u32::from(entry) == index {
                let found = entries.take(size)?;
                self.budget.spend(found.len() as u64)?;
                return Ok(found);
            }
            entries.skip(size.checked_next_multiple_of(8).unwrap_or(size))?;
        }
        Err(damaged("a text is missing"))
    }

    /// The inside of a structure with this mark.
    fn structure(&self, address: u64, mark: &[u8; 4]) -> Result<Cursor<'a>> {
        self.budget.spend(8)?;
        let mut structure = Cursor::at(self.bytes, address)?;
        if &structure.array()? != mark {
            let mark = String::from_utf8_lossy(mark);
            return Err(damaged(format!("there is no {mark} where one should be")));
        }
        Ok(structure)
    }
}

/// The types of HDF5, as far as they matter here.
enum Datatype {
    Numbers(Dtype),
    /// Texts of this many bytes.
    Texts(u64),
    /// Texts on the heap.
    HeapTexts,
    Other,
}

impl Datatype {
    fn read(mut message: Cursor) -> Result<Self> {
        let class = message.u8()? & 15;
        let [bits, ..] = message.array::<3>()?;
        let size = message.u32()?;
        let big_endian = bits & 1 != 0;
        let signed = bits & 8 != 0;
        Ok(match (class, size) {
            (0 | 1, _) if big_endian => Self::Other,
            (0, 1..=8) => Self::Numbers(Dtype::Whole { size: size as usize, signed }),
            (1, 2) => Self::Numbers(Dtype::F16),
            (1, 4) => Self::Numbers(Dtype::F32),
            (1, 8) => Self::Numbers(Dtype::F64),
            (3, _) => Self::Texts(size.into()),
            // As Keras writes bfloat16, which HDF5 does not have.
            (5, 2) => Self::Numbers(Dtype::Bf16),
            (8, 1) => Self::Numbers(Dtype::Whole { size: 1, signed: false }),
            (9, 16) if bits & 15 == 1 => Self::HeapTexts,
            _ => Self::Other,
        })
    }
}

/// The extents of a dataspace message; none for a scalar.
fn extents(mut space: Cursor) -> Result<Vec<u64>> {
    let version = space.u8()?;
    let rank = space.u8()?;
    space.skip(1)?;
    let kind = space.u8()?;
    match (version, kind) {
        (1, _) => space.skip(4)?,
        (2, 2) => return Ok(vec![0]),
        (2, _) => {}
        _ => return Err(damaged("it has an array of an unknown version")),
    }
    (0..rank).map(|_| space.u64()).collect()
}

/// A text of fixed size ends with its first zero.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

fn deeper(depth: usize) -> Result<usize> {
    depth.checked_sub(1).ok_or_else(|| damaged("its groups are nested too deeply"))
}

fn newer() -> Error {
    Kind::File.error(
        "The HDF5 file has a structure that h5py only writes when asked to (`libver`, \
         `track_order`): load the model in Keras and save it again",
    )
}
