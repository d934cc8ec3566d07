//! Expansion: values that stand one after the other are put into the rows that are there.

use std::hint::select_unpredictable;

/// Values that must follow those that have a row, whatever they are: they are taken eight at a time.
pub const BEHIND: usize = 8;

/// The algorithm, row by row.
pub(super) fn one_by_one(values: &[u32], bits: &[u64], gap: u32, out: &mut [u32]) {
    let mut next = 0;
    for (rows, &word) in out.chunks_mut(64).zip(bits) {
        next = one_word(values, next, word, gap, rows);
    }
}

/// The rows of one word; returns the next value.
#[inline(always)]
fn one_word(values: &[u32], mut next: usize, word: u64, gap: u32, rows: &mut [u32]) -> usize {
    for (row, out) in rows.iter_mut().enumerate() {
        // Gaps come at random: a branch would be guessed wrong.
        let is_there = word >> row & 1 == 1;
        *out = select_unpredictable(is_there, values[next], gap);
        next += usize::from(is_there);
    }
    next
}

/// For eight rows' bits, the first row's the lowest, which of the next eight values each row gets.
#[cfg(target_arch = "x86_64")]
const ORDERS: [[u8; 8]; 256] = {
    let mut orders = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut row, mut next) = (0, 0);
        while row < 8 {
            orders[byte][row] = next;
            next += (byte >> row & 1) as u8;
            row += 1;
        }
        byte += 1;
    }
    orders
};

/// The same for eight rows at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn by_eight(values: &[u32], bits: &[u64], gap: u32, out: &mut [u32]) {
    use std::arch::x86_64::{
        _mm_cvtsi64_si128, _mm256_and_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi32, _mm256_cvtepu8_epi32,
        _mm256_permutevar8x32_epi32, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256,
    };
    let gaps = _mm256_set1_epi32(gap.cast_signed());
    let places = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    let mut next = 0;
    for (rows, &word) in out.chunks_mut(64).zip(bits) {
        let (eights, rest) = rows.as_chunks_mut::<8>();
        let mut left = word;
        for rows in eights {
            let byte = left as u8;
            left >>= 8;
            let some: [u32; 8] = *values[next..].first_chunk().expect("values that have no row");
            let order = i64::from_le_bytes(ORDERS[usize::from(byte)]);
            let order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(order));
            let spread = _mm256_permutevar8x32_epi32(bytemuck::cast(some), order);
            let bits = _mm256_and_si256(_mm256_set1_epi32(byte.into()), places);
            let is_gap = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
            *rows = bytemuck::cast(_mm256_blendv_epi8(spread, gaps, is_gap));
            next += byte.count_ones() as usize;
        }
        next = one_word(values, next, left, gap, rest);
    }
}
