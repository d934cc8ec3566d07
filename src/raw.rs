//! Raw numbers: how serde writes vectors of numbers as their bytes, which is what `#[serde(with = "crate::raw")]`
//! asks for. Element by element they would take longer, and more room.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// A number of a fixed number of bytes.
pub(crate) trait Raw: Copy {
    /// Its bytes.
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;

    fn to_bytes(self) -> Self::Bytes;

    fn from_bytes(bytes: Self::Bytes) -> Self;
}

macro_rules! raw {
    ($($number:ty),*) => {$(
        impl Raw for $number {
            type Bytes = [u8; size_of::<$number>()];

            #[inline(always)]
            fn to_bytes(self) -> Self::Bytes {
                self.to_le_bytes()
            }

            #[inline(always)]
            fn from_bytes(bytes: Self::Bytes) -> Self {
                Self::from_le_bytes(bytes)
            }
        }
    )*};
}

raw!(f32, f64, u32, u64);

/// Appends the bytes of some numbers.
pub(crate) fn put<T: Raw>(out: &mut Vec<u8>, numbers: &[T]) {
    let start = out.len();
    out.resize(start + size_of_val(numbers), 0);
    for (place, number) in out[start..].chunks_exact_mut(size_of::<T>()).zip(numbers) {
        place.copy_from_slice(number.to_bytes().as_ref());
    }
}

/// The bytes of some numbers.
pub(crate) fn bytes(numbers: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytemuck::cast_slice(numbers));
    }
    let mut bytes = Vec::new();
    put(&mut bytes, numbers);
    Cow::Owned(bytes)
}

/// The numbers that some bytes are, but for what is left over at their end.
pub(crate) fn numbers<T: Raw>(bytes: &[u8]) -> impl Iterator<Item = T> {
    bytes.chunks_exact(size_of::<T>()).filter_map(|bytes| bytes.try_into().ok()).map(T::from_bytes)
}

pub(crate) fn serialize<T: Raw, S: Serializer>(numbers: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::new();
    put(&mut bytes, numbers);
    serializer.serialize_bytes(&bytes)
}

pub(crate) fn deserialize<'de, T: Raw, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Bytes<T>(PhantomData<T>);

    impl<T: Raw> Visitor<'_> for Bytes<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "bytes of numbers of {} bytes each", size_of::<T>())
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<T>, E> {
            if !bytes.len().is_multiple_of(size_of::<T>()) {
                return Err(E::invalid_length(bytes.len(), &self));
            }
            Ok(numbers(bytes).collect())
        }
    }

    deserializer.deserialize_bytes(Bytes(PhantomData))
}

/// Vectors of vectors.
pub(crate) mod nested {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Raw;

    #[derive(Serialize)]
    #[serde(bound = "")]
    struct Inner<'a, T: Raw>(#[serde(with = "super")] &'a [T]);

    #[derive(Deserialize)]
    #[serde(bound = "")]
    struct Owned<T: Raw>(#[serde(with = "super")] Vec<T>);

    pub(crate) fn serialize<T: Raw, S: Serializer>(all: &[Vec<T>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(|numbers| Inner(numbers)))
    }

    pub(crate) fn deserialize<'de, T: Raw, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<T>>, D::Error> {
        let all = Vec::<Owned<T>>::deserialize(deserializer)?;
        Ok(all.into_iter().map(|numbers| numbers.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        #[serde(with = "super")]
        small: Vec<f32>,
        #[serde(with = "super::nested")]
        large: Vec<Vec<u64>>,
    }

    #[test]
    fn numbers_come_back_as_the_bits_they_were() {
        let small = vec![0.0, -0.0, 1e-45, f32::MIN, f32::INFINITY, 1.0 / 3.0];
        let sample = Sample { small, large: vec![vec![], vec![1, u64::MAX], vec![7]] };
        let bytes = rmp_serde::to_vec_named(&sample).unwrap();
        let found: Sample = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(found, sample);
        assert_eq!(found.small[1].to_bits(), (-0.0f32).to_bits());
    }
}
