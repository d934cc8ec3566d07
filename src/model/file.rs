//! The model's file: safetensors, with one entry of metadata, a JSON text.
//!
//! Tensors (all of f32): `bias`, `dense`, and `table.N` for each category column and then each list
//! column in the plan's order; each once with the suffix `.weight` and once with `.accumulator`, and with as
//! many numbers for each feature as the model's form has: one, one for each class, or a weight and factors. A
//! table begins with the categories that the plan knows by name (first the missing one); a power of
//! two of slots shared by hash follows.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{About, Model};
use crate::error::{Error, Result};
use crate::learn::{Linear, State, Weights};
use crate::output::AtomicFile;

/// The metadata's key; one only, because several would be written in random order.
const KEY: &str = "millstream";
/// Grows with every change that older programs can't read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header<A> {
    version: u32,
    steps: u64,
    #[serde(flatten)]
    about: A,
}

fn tensors<'a>(weights: &'a Weights, suffix: &str) -> Vec<(String, &'a [f32])> {
    let mut tensors = vec![
        (format!("bias.{suffix}"), weights.bias.as_slice()),
        (format!("dense.{suffix}"), weights.dense.as_slice()),
    ];
    for (i, table) in weights.tables.iter().enumerate() {
        tensors.push((format!("table.{i}.{suffix}"), table));
    }
    tensors
}

/// The file up to the tensors' numbers: the length of a JSON text, and the text.
fn preamble(tensors: &[(String, &[f32])], json: String) -> Result<Vec<u8>> {
    let mut end = 0;
    let infos = tensors.iter().map(|(name, numbers)| {
        let start = end;
        end += 4 * numbers.len();
        (
            name.clone(),
            TensorInfo { dtype: Dtype::F32, shape: vec![numbers.len()], data_offsets: (start, end) },
        )
    });
    let fault = |e: &dyn std::fmt::Display| Error::data(format!("can't write the model: {e}"));
    let metadata = Metadata::new(Some(HashMap::from([(KEY.to_string(), json)])), infos.collect())
        .map_err(|e| fault(&e))?;
    let mut text = serde_json::to_vec(&metadata).map_err(|e| fault(&e))?;
    // The numbers shall be aligned.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    Ok(bytes)
}

/// Writes to a file and hashes what it writes.
struct Hashing {
    file: AtomicFile,
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|e| self.file.fault(&e))
    }
}

impl Model {
    /// Writes the model. Returns the bytes and the SHA-256 of the file.
    ///
    /// # Errors
    /// If the disk fails or is full.
    pub fn save(&self, file: AtomicFile) -> Result<(u64, String)> {
        let header = Header { version: VERSION, steps: self.state.steps, about: &self.about };
        let json =
            serde_json::to_string(&header).map_err(|e| Error::data(format!("can't write the plan: {e}")))?;
        let mut all = tensors(&self.linear.weights, "weight");
        all.extend(tensors(&self.state.accumulators, "accumulator"));
        let mut out = Hashing { file, hash: Sha256::new(), bytes: 0 };
        out.write(&preamble(&all, json)?)?;
        let mut buffer = Vec::new();
        for numbers in all.iter().flat_map(|(_, numbers)| numbers.chunks(1 << 14)) {
            buffer.clear();
            buffer.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
            out.write(&buffer)?;
        }
        out.file.commit()?;
        let digest = out.hash.finalize();
        Ok((out.bytes, digest.iter().map(|b| format!("{b:02x}")).collect()))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// If the file is no model, was damaged, or comes from a later millstream.
    pub fn load(path: &Path) -> Result<Model> {
        let fault = |e: std::io::Error| Error::io("can't read", path, &e);
        let mut file = fs::File::open(path).map_err(fault)?;
        if file.metadata().map_err(fault)?.is_dir() {
            return Err(Error::usage("is a folder, expected a model").in_file(path));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fault)?;
        parse(&bytes).map_err(|e| e.in_file(path))
    }
}

fn no_model(why: impl std::fmt::Display) -> Error {
    Error::data(format!("not a model of millstream ({why})"))
        .remedy("name a file written by millstream train")
}

fn parse(bytes: &[u8]) -> Result<Model> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(no_model)?;
    let json =
        metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| no_model("it has no plan"))?;
    let version: Version = serde_json::from_str(json).map_err(no_model)?;
    if version.version != VERSION {
        return Err(Error::data(format!("the model has version {}, expected {VERSION}", version.version))
            .remedy("read it with the millstream that wrote it, or train again"));
    }
    let header: Header<About> = serde_json::from_str(json).map_err(no_model)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(no_model)?;
    let sizes = header.about.plan.tables();
    let shape = header.about.plan.shape();
    let form = header.about.form;
    let lanes = form.lanes();
    let linear = Linear {
        form,
        weights: read_weights(&tensors, "weight", shape.dense, &sizes, lanes)?,
        known: sizes.iter().map(|&(known, _)| known).collect(),
    };
    let accumulators = read_weights(&tensors, "accumulator", shape.dense, &sizes, lanes)?;
    Ok(Model {
        about: header.about,
        linear,
        state: State { accumulators, steps: header.steps, ..State::default() },
    })
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn read_weights(
    tensors: &SafeTensors<'_>,
    suffix: &str,
    dense: usize,
    tables: &[(usize, u32)],
    lanes: usize,
) -> Result<Weights> {
    let read = |name: String| -> Result<Vec<f32>> {
        let tensor = tensors.tensor(&name).map_err(|_| no_model(format!("it lacks the tensor {name}")))?;
        if tensor.dtype() != Dtype::F32 {
            return Err(no_model(format!("the tensor {name} is not of f32")));
        }
        let (numbers, rest) = tensor.data().as_chunks::<4>();
        if !rest.is_empty() {
            return Err(no_model(format!("the tensor {name} is cut short")));
        }
        Ok(numbers.iter().map(|b| f32::from_le_bytes(*b)).collect())
    };
    let sized = |name: String, right: &dyn Fn(usize) -> bool| -> Result<Vec<f32>> {
        let numbers = read(name.clone())?;
        if right(numbers.len()) {
            Ok(numbers)
        } else {
            Err(no_model(format!("the tensor {name} does not fit the plan")))
        }
    };
    let bias = sized(format!("bias.{suffix}"), &|n| n == lanes)?;
    let dense = sized(format!("dense.{suffix}"), &|n| n == dense * lanes)?;
    let tables = tables.iter().enumerate().map(|(i, &(known, _))| {
        let fits = |n: usize| (n / lanes).checked_sub(known).is_some_and(usize::is_power_of_two);
        sized(format!("table.{i}.{suffix}"), &|n| n.is_multiple_of(lanes) && fits(n))
    });
    Ok(Weights { bias, dense, tables: tables.collect::<Result<_>>()? })
}
