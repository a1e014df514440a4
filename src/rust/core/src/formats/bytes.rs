//! Bytes of a file, of which none is trusted.

use std::cell::Cell;

use crate::error::{Error, Kind, Result};

/// Says what is wrong with a file that ought to be readable.
pub fn damaged(how: impl std::fmt::Display) -> Error {
    Kind::File.error(format!("The file is damaged or incomplete: {how}"))
}

/// A place in a file from which is read on, never beyond the end.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The place this many bytes after the start.
    pub fn at(bytes: &'a [u8], offset: u64) -> Result<Self> {
        let mut cursor = Self(bytes);
        cursor.take(offset)?;
        Ok(cursor)
    }

    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    pub fn take(&mut self, n: u64) -> Result<&'a [u8]> {
        let split = usize::try_from(n).ok().and_then(|n| self.0.split_at_checked(n));
        let (taken, rest) = split.ok_or_else(|| damaged("a part of it leads beyond its end"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn skip(&mut self, n: u64) -> Result<()> {
        self.take(n).map(|_| ())
    }

    /// A part of this many bytes as a cursor of its own.
    pub fn part(&mut self, n: u64) -> Result<Self> {
        self.take(n).map(Self)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// What may still be made of a file. Formats whose parts refer to each other could unfold without
/// end, through circles or by naming one part very often; honest files name a part about once.
#[derive(Debug)]
pub struct Budget(Cell<u64>);

impl Budget {
    /// Four times the bytes that there are, and something for small files.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Cell::new(4 * bytes.len() as u64 + 4096))
    }

    pub fn spend(&self, n: u64) -> Result<()> {
        let left = self.0.get().checked_sub(n);
        self.0.set(left.ok_or_else(|| damaged("its parts refer to each other in circles"))?);
        Ok(())
    }
}
