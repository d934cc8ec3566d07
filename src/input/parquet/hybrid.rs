//! Parquet's hybrid of runs of equal numbers and runs of bit-packed ones, in which definition levels and the
//! indices of dictionaries are written.

use parquet::errors::{ParquetError, Result};

use super::bits::Bits;

/// Bytes that must follow the numbers in their buffer, whatever they are: numbers are read eight bytes at a time.
pub(super) const SLACK: usize = 8;

/// Reads numbers of up to 32 bits from `bytes[at..end]` of a buffer, which is given with each call.
#[derive(Debug)]
pub(super) struct Hybrid {
    width: usize,
    at: usize,
    end: usize,
    run: Run,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    /// So many more of the same number.
    Same { value: u32, left: usize },
    /// So many more numbers, packed from byte `start` on, of which `taken` were read.
    Packed { start: usize, taken: usize, left: usize },
}

impl Hybrid {
    /// Numbers of `width` bits each.
    pub(super) fn new(width: usize, at: usize, end: usize) -> Result<Self> {
        if width > 32 || at > end {
            return Err(damaged());
        }
        Ok(Hybrid { width, at, end, run: Run::Same { value: 0, left: 0 } })
    }

    /// The next numbers.
    pub(super) fn read(&mut self, bytes: &[u8], mut out: &mut [u32]) -> Result<()> {
        while !out.is_empty() {
            let run = self.run(bytes)?;
            let n = run.left().min(out.len());
            let (now, later) = out.split_at_mut(n);
            match run {
                Run::Same { value, .. } => now.fill(value),
                Run::Packed { start, taken, .. } => unpack(&bytes[start..], taken, self.width, now),
            }
            self.run = run.after(n);
            out = later;
        }
        Ok(())
    }

    /// Appends the next numbers, of one bit each.
    pub(super) fn read_bits(&mut self, bytes: &[u8], mut count: usize, out: &mut Bits) -> Result<()> {
        while count > 0 {
            let run = self.run(bytes)?;
            let n = run.left().min(count);
            match run {
                Run::Same { value, .. } => out.push_same(value == 1, n),
                Run::Packed { start, taken, .. } => out.push_packed(&bytes[start..], taken, n),
            }
            self.run = run.after(n);
            count -= n;
        }
        Ok(())
    }

    /// The run that is being read, or the next one if none is left of it.
    fn run(&mut self, bytes: &[u8]) -> Result<Run> {
        let mut run = self.run;
        while run.left() == 0 {
            run = self.next_run(bytes.get(..self.end).ok_or_else(damaged)?).ok_or_else(damaged)?;
        }
        Ok(run)
    }

    fn next_run(&mut self, bytes: &[u8]) -> Option<Run> {
        let mut header = 0u64;
        for shift in (0..35).step_by(7) {
            let &byte = bytes.get(self.at)?;
            self.at += 1;
            header |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let count = (header >> 1) as usize;
        if header & 1 == 0 {
            let length = self.width.div_ceil(8);
            let mut value = [0; 4];
            value[..length].copy_from_slice(bytes.get(self.at..self.at + length)?);
            self.at += length;
            return Some(Run::Same { value: u32::from_le_bytes(value), left: count });
        }
        if self.width == 0 {
            return Some(Run::Same { value: 0, left: count * 8 });
        }
        // Some programs cut the last group short.
        let length = (count * self.width).min(bytes.len() - self.at);
        let start = self.at;
        self.at += length;
        Some(Run::Packed { start, taken: 0, left: (count * 8).min(length * 8 / self.width) })
            .filter(|run| run.left() > 0 || count == 0)
    }
}

impl Run {
    fn left(self) -> usize {
        match self {
            Run::Same { left, .. } | Run::Packed { left, .. } => left,
        }
    }

    /// The run when `n` more of its numbers were read.
    fn after(self, n: usize) -> Run {
        match self {
            Run::Same { value, left } => Run::Same { value, left: left - n },
            Run::Packed { start, taken, left } => Run::Packed { start, taken: taken + n, left: left - n },
        }
    }
}

fn damaged() -> ParquetError {
    ParquetError::General("levels or indices end early".into())
}

/// Numbers of `width` bits, from number `first` on, which [`SLACK`] bytes must follow.
fn unpack(bytes: &[u8], first: usize, width: usize, out: &mut [u32]) {
    // Eight numbers fill whole bytes.
    let (head, rest) = out.split_at_mut(out.len().min(first.next_multiple_of(8) - first));
    let first_group = first.div_ceil(8);
    let (groups, tail) = rest.as_chunks_mut::<8>();
    let after = first_group + groups.len();
    let one = |i: usize, out: &mut u32| {
        let bit = i * width;
        let word = u64::from_le_bytes(bytes[bit / 8..].first_chunk().copied().unwrap_or_default());
        *out = (word >> (bit % 8)) as u32 & mask(width);
    };
    head.iter_mut().enumerate().for_each(|(i, out)| one(first + i, out));
    tail.iter_mut().enumerate().for_each(|(i, out)| one(8 * after + i, out));
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_groups::<$width>(&bytes[first_group * width..], groups),)*
                _ => unreachable!("a width of 1 to 32"),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

/// Compiled for each width, so that places and shifts are constants.
fn unpack_groups<const WIDTH: usize>(bytes: &[u8], groups: &mut [[u32; 8]]) {
    for (i, group) in groups.iter_mut().enumerate() {
        let bytes = &bytes[i * WIDTH..][..WIDTH + SLACK - 1];
        for (j, out) in group.iter_mut().enumerate() {
            let bit = j * WIDTH;
            let word = u64::from_le_bytes(bytes[bit / 8..].first_chunk().copied().unwrap_or_default());
            *out = (word >> (bit % 8)) as u32 & mask(WIDTH);
        }
    }
}

fn mask(width: usize) -> u32 {
    ((1u64 << width) - 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::BooleanBufferBuilder;
    use proptest::prelude::*;

    /// Numbers as runs of both sorts, as `kinds` says.
    fn write(width: usize, runs: &[(bool, Vec<u32>)]) -> (Vec<u8>, Vec<u32>) {
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        let cut = |n: u32| if width == 0 { 0 } else { n >> (32 - width) };
        let varint = |mut n: usize, bytes: &mut Vec<u8>| {
            while n >= 0x80 {
                bytes.push(n as u8 | 0x80);
                n >>= 7;
            }
            bytes.push(n as u8);
        };
        for (packed, run) in runs {
            let run: Vec<u32> = run.iter().map(|&n| cut(n)).collect();
            if *packed {
                let padded: Vec<u32> = run
                    .iter()
                    .copied()
                    .chain(std::iter::repeat(0))
                    .take(run.len().next_multiple_of(8))
                    .collect();
                varint(padded.len() / 8 * 2 + 1, &mut bytes);
                let bits: Vec<bool> =
                    padded.iter().flat_map(|n| (0..width).map(move |bit| n >> bit & 1 == 1)).collect();
                bytes.extend(
                    bits.chunks(8).map(|b| b.iter().rev().fold(0, |sum, &bit| sum << 1 | u8::from(bit))),
                );
                numbers.extend(&padded);
            } else {
                varint(run.len() * 2, &mut bytes);
                bytes.extend(&run[0].to_le_bytes()[..width.div_ceil(8)]);
                numbers.extend(run.iter().map(|_| run[0]));
            }
        }
        (bytes, numbers)
    }

    proptest! {
        #[test]
        fn numbers_come_back_in_parts_of_any_size(
            width in 0usize..=32,
            runs in prop::collection::vec((prop::bool::ANY, prop::collection::vec(any::<u32>(), 1..70)), 0..8),
            sizes in prop::collection::vec(0usize..50, 1..20),
        ) {
            let (mut bytes, numbers) = write(width, &runs);
            let end = bytes.len();
            bytes.extend([0xff; SLACK]);
            let mut hybrid = Hybrid::new(width, 0, end).unwrap();
            let mut bits = (width == 1).then(|| (Hybrid::new(1, 0, end).unwrap(), Bits::default()));
            let mut read = Vec::new();
            for size in sizes.iter().cycle().take(1000) {
                let n = (*size).min(numbers.len() - read.len());
                let mut part = vec![77; n];
                hybrid.read(&bytes, &mut part).unwrap();
                if let Some((hybrid, bits)) = &mut bits {
                    hybrid.read_bits(&bytes, n, bits).unwrap();
                }
                read.extend(part);
            }
            if sizes.iter().any(|&size| size > 0) {
                prop_assert_eq!(&read, &numbers);
            }
            if let Some((_, bits)) = bits {
                let mut builder = BooleanBufferBuilder::new(0);
                bits.append_to(&mut builder);
                let found: Vec<u32> = builder.finish().iter().map(u32::from).collect();
                prop_assert_eq!(found, read.clone());
            }
            // There are no more.
            if read.len() == numbers.len() {
                prop_assert!(hybrid.read(&bytes, &mut [0]).is_err());
            }
        }

        #[test]
        fn any_bytes_give_numbers_or_an_error(
            width in 0usize..=40, mut bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0usize..5000
        ) {
            let end = bytes.len();
            bytes.extend([0; SLACK]);
            if let Ok(mut hybrid) = Hybrid::new(width, 0, end) {
                let _ = hybrid.read(&bytes, &mut vec![0; count]);
            }
        }
    }
}
