//! The table of extended attributes (kernel 3.8, format 8). Equal sets are stored once; values are never stored apart from their names.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use crate::codec::Compressor;
use crate::error::{Error, Result};
use crate::format::{
    METADATA_LEN, NO_TABLE, NO_XATTRS, XATTR_ENTRY_LEN, XATTR_PREFIXES, put16, put32, put64,
};
use crate::metadata::{MetadataWriter, Output};
use crate::tree::Xattrs;

#[derive(Default)]
pub(super) struct XattrTable {
    indices: HashMap<Arc<Xattrs>, u32>,
    sets: Vec<Arc<Xattrs>>,
}

impl XattrTable {
    /// The set's index, which it gets when it is first seen.
    pub(super) fn index(&mut self, set: &Arc<Xattrs>) -> Result<u32> {
        if let Some(index) = self.indices.get(set) {
            return Ok(*index);
        }
        let index = u32::try_from(self.sets.len())
            .ok()
            .filter(|index| *index < NO_XATTRS)
            .ok_or(Error::TooMany {
                what: "different sets of extended attributes",
                limit: NO_XATTRS.into(),
            })?;
        self.indices.insert(set.clone(), index);
        self.sets.push(set.clone());
        Ok(index)
    }

    /// Writes the table where `out` is. Gives back where its header lies, if there is any.
    pub(super) fn write<W: Write>(
        self,
        out: &mut Output<W>,
        for_pairs: Compressor,
        mut for_entries: Compressor,
    ) -> Result<u64> {
        if self.sets.is_empty() {
            return Ok(NO_TABLE);
        }
        let start = out.position;
        let mut entries = Vec::with_capacity(self.sets.len() * XATTR_ENTRY_LEN);
        let mut pairs = MetadataWriter::new(out, for_pairs);
        for set in &self.sets {
            let (block, offset) = pairs.position();
            let mut bytes = Vec::new();
            // What `listxattr` and `getxattr` would need: names with their zero, and values.
            let mut size = 0;
            for (name, value) in &**set {
                // `Tree::insert` lets no other prefix in.
                for (kind, prefix) in XATTR_PREFIXES.iter().enumerate() {
                    if let Some(rest) = name.strip_prefix(prefix.as_bytes()) {
                        put16(&mut bytes, kind as u16);
                        put16(&mut bytes, rest.len() as u16);
                        bytes.extend_from_slice(rest);
                    }
                }
                put32(&mut bytes, value.len() as u32);
                bytes.extend_from_slice(value);
                size += name.len() + 1 + value.len();
            }
            pairs.write(&bytes)?;
            put64(&mut entries, block << 16 | u64::from(offset));
            put32(&mut entries, set.len() as u32);
            put32(&mut entries, size as u32);
        }
        pairs.finish()?;

        let mut list = Vec::new();
        for block in entries.chunks(METADATA_LEN) {
            put64(&mut list, out.position);
            let mut writer = MetadataWriter::new(out, for_entries);
            writer.write(block)?;
            for_entries = writer.finish()?;
        }
        let at = out.position;
        let mut header = Vec::new();
        put64(&mut header, start);
        put32(&mut header, self.sets.len() as u32);
        put32(&mut header, 0);
        out.write(&header)?;
        out.write(&list)?;
        Ok(at)
    }
}
