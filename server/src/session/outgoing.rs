//! The bytes that wait for the peer to read them.

/// Frames on their way out. Empty, it holds no memory: most connections are idle most of the time.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    bytes: Vec<u8>,
    /// How many of `bytes` were written already.
    written: usize,
}

impl WriteBuffer {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.written)
    }

    pub fn waiting(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Where further frames are appended.
    pub fn end(&mut self) -> &mut Vec<u8> {
        // A slow peer's bytes are moved when half of them are gone, and not with each write.
        if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        &mut self.bytes
    }

    /// That many more were written.
    pub fn advance(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
        if self.written >= self.bytes.len() {
            *self = WriteBuffer::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_appended_is_what_waits(steps: Vec<(Vec<u8>, u8)>) {
            let (mut buffer, mut model) = (WriteBuffer::default(), Vec::new());
            for (appended, written) in steps {
                buffer.end().extend(&appended);
                model.extend(appended);
                let written = usize::from(written).min(model.len());
                buffer.advance(written);
                model.drain(..written);
                prop_assert_eq!(buffer.waiting(), &model[..]);
                prop_assert_eq!(buffer.len(), model.len());
                prop_assert!(!model.is_empty() || buffer.bytes.capacity() == 0);
            }
        }
    }
}
