//! Zip archives, whose members are parts of the file.

use rawzip::{CompressionMethod, ZipArchive};

use super::bytes::damaged;
use crate::error::{Kind, Result};

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"PK\x03\x04";

/// A zip archive.
pub struct Archive<'a>(Vec<(String, Member<'a>)>);

struct Member<'a> {
    data: &'a [u8],
    stored: bool,
    crc: u32,
}

impl<'a> Archive<'a> {
    /// The archive with these bytes.
    ///
    /// # Errors
    /// [`Kind::File`] if the archive is damaged.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let broken = |e: rawzip::Error| damaged(format!("as a zip archive, {e}"));
        let archive = ZipArchive::from_slice(bytes).map_err(broken)?;
        let mut members = Vec::new();
        for entry in archive.entries() {
            let entry = entry.map_err(broken)?;
            let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
            let (start, end) =
                archive.get_entry(entry.wayfinder()).map_err(broken)?.compressed_data_range();
            let data = bytes.get(start as usize..end as usize);
            let member = Member {
                data: data.ok_or_else(|| damaged(format!("{name} leads beyond its end")))?,
                stored: entry.compression_method() == CompressionMethod::STORE,
                crc: entry.crc32(),
            };
            members.push((name, member));
        }
        Ok(Self(members))
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The bytes of a member, if there is one of this name.
    ///
    /// # Errors
    /// [`Kind::File`] if the member is damaged or compressed.
    pub fn member(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let Some((_, member)) = self.0.iter().find(|(key, _)| key == name) else {
            return Ok(None);
        };
        if !member.stored {
            return Err(Kind::File.error(format!(
                "{name} is compressed in the zip archive, which Keras does not do: unpack it and \
                 pack it again without compression (`zip -0`)"
            )));
        }
        if rawzip::crc32(member.data) != member.crc {
            return Err(damaged(format!("{name} does not have its checksum")));
        }
        Ok(Some(member.data))
    }
}
