//! Which build of a kernel runs, chosen once by what the processor can do. One of the places
//! with `unsafe`.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use super::{expand, math, poisson, softmax};

/// An instruction set that this processor has: a value other than `Baseline` can only be had from
/// [`Level::best`] and [`Level::available`], which ask the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Level {
    /// The widest instruction set that this processor has.
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Level::available().pop().unwrap_or(Level(Set::Baseline)))
    }

    /// All that this processor has, the baseline first.
    pub fn available() -> Vec<Level> {
        #[allow(unused_mut)] // on other processors there is only the baseline
        let mut levels = vec![Level(Set::Baseline)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            levels.push(Level(Set::Avx2));
        }
        levels
    }
}

/// Defines a kernel that runs `$module::$name`, compiled for the baseline and for AVX2.
macro_rules! kernel {
    ($module:ident::$name:ident($($argument:ident: $type:ty),*)) => {
        impl Level {
            #[doc = concat!("[`", stringify!($name), "`](super::", stringify!($name), ") on this instruction set.")]
            pub fn $name(self, $($argument: $type),*) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) {
                    $module::$name($($argument),*)
                }
                match self.0 {
                    Set::Baseline => $module::$name($($argument),*),
                    // SAFETY: a `Level` of AVX2 exists only where the processor was found to have it.
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx2 => unsafe { avx2($($argument),*) },
                }
            }
        }
    };
}

kernel!(math::logistic_gradient(margins: &mut [f32], labels: &[f32]));
kernel!(math::logistic_loss(margins: &[f32], labels: &[f32], out: &mut [f32]));
kernel!(math::signed_log(values: &mut [f32], mean: f32, factor: f32));
kernel!(math::clamp(values: &mut [f32], low: f32, high: f32, gap: f32));
kernel!(math::flag_nan(values: &mut [f32], by: f32, flags: &mut [f32]));
kernel!(math::probability(margins: &mut [f32]));
kernel!(math::ln(values: &mut [f32]));
kernel!(poisson::poisson_mean(margins: &mut [f32]));
kernel!(poisson::poisson_gradient(margins: &mut [f32], labels: &[f32]));
kernel!(poisson::poisson_loss(margins: &[f32], labels: &[f32], out: &mut [f32]));
kernel!(poisson::poisson_deviance(margins: &[f32], labels: &[f32], out: &mut [f32]));
kernel!(softmax::softmax(margins: &mut [f32], classes: usize));
kernel!(softmax::softmax_loss(margins: &mut [f32], labels: &[f32], losses: &mut [f32]));

impl Level {
    /// [`expand`](super::expand()) on this instruction set.
    pub fn expand(self, values: &[u32], bits: &[u64], gap: u32, out: &mut [u32]) {
        match self.0 {
            Set::Baseline => expand::one_by_one(values, bits, gap, out),
            // SAFETY: a `Level` of AVX2 exists only where the processor was found to have it, and `popcnt`.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { expand::by_eight(values, bits, gap, out) },
        }
    }
}

/// Work that is compiled for each instruction set: what is inlined into [`Kernel::run`], which must be inlined
/// itself.
pub(crate) trait Kernel {
    /// Does it.
    fn run(self);
}

/// Does `kernel`'s work with the widest instructions that this processor has.
pub(crate) fn run(kernel: impl Kernel) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2(kernel: impl Kernel) {
        kernel.run();
    }
    match Level::best().0 {
        Set::Baseline => kernel.run(),
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => unsafe { avx2(kernel) },
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// [`prefetch`] for all cache lines of a slice.
#[inline(always)]
pub fn prefetch_all<T>(values: &[T]) {
    let (first, bytes) = (values.as_ptr().cast::<i8>(), size_of_val(values));
    // From the beginning of the first one's line.
    let before = first.addr() % LINE;
    for offset in (0..before + bytes).step_by(LINE) {
        prefetch_line(first.wrapping_add(offset).wrapping_sub(before));
    }
}

/// Asks the processor to bring the cache lines of `value` near: into its second cache, since the first would not hold
/// what the next mini-batch needs as well, and has few places for lines on their way. A hint: no effect on results.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    for offset in (0..size_of::<T>()).step_by(LINE) {
        prefetch_line(std::ptr::from_ref(value).cast::<i8>().wrapping_add(offset));
    }
}

#[inline(always)]
fn prefetch_line(line: *const i8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: SSE is part of the x86-64 baseline, and a prefetch reads nothing that the program could see, nor does
        // it fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
