//! Memory at an address that direct I/O takes (open(2), `O_DIRECT`): a multiple of [`PAGE`](crate::PAGE).

use crate::{BLOCK, PAGE};

/// Room for one block.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// A page more than is used.
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(crate) fn new() -> Buffer {
        let bytes = vec![0; (BLOCK + PAGE) as usize];
        let start = bytes.as_ptr().align_offset(PAGE as usize);
        Buffer { bytes, start }
    }

    /// Its first bytes; at most a block.
    pub(crate) fn first(&mut self, length: usize) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page() {
        let mut buffer = Buffer::new();
        let whole = buffer.first(BLOCK as usize);
        assert_eq!(whole.as_ptr() as usize % PAGE as usize, 0);
        assert_eq!(whole.len(), BLOCK as usize);
    }
}
