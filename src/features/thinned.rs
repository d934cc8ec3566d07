//! Thinning: numbers of evenly spaced rows, in bounded memory.

/// Every n-th of the values pushed, n doubling whenever too many are kept.
#[derive(Debug)]
pub(super) struct Thinned<T> {
    kept: Vec<T>,
    most: usize,
    stride: u64,
    seen: u64,
}

impl<T: Copy> Thinned<T> {
    pub(super) fn new(most: usize) -> Self {
        Thinned { kept: Vec::new(), most, stride: 1, seen: 0 }
    }

    pub(super) fn push(&mut self, value: T) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == self.most {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(value);
            }
        }
        self.seen += 1;
    }

    pub(super) fn values(&self) -> &[T] {
        &self.kept
    }
}
