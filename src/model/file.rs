//! The model's file: safetensors, with one entry of metadata, a JSON text.
//!
//! Tensors (all of f32): `bias`, `dense`, and `table.N` for each category column and then each list
//! column in the plan's order; each with the suffix `.weight`, with `.accumulator` and, where the
//! optimiser keeps it, with `.z`, and with as many numbers for each feature as the model's form has: one, one for
//! each class, or a weight and factors. A table begins with the categories that the plan knows by name (first the missing one); a power of
//! two of slots shared by hash follows.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::{fs, thread};

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{About, Model};
use crate::error::{Error, Result};
use crate::features::Target;
use crate::learn::{Linear, MOST_FACTORS, ModelForm, State, Task, Weights};
use crate::output::AtomicFile;
use crate::raw;

/// The metadata's key; one only, because several would be written in random order.
const KEY: &str = "millstream";
/// Grows with every change that older programs can't read.
const VERSION: u32 = 2;

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

fn write(parts: &[Cow<'_, [u8]>], mut file: AtomicFile) -> Result<()> {
    for part in parts {
        file.write_all(part).map_err(|e| file.fault(&e))?;
    }
    file.commit()
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
        if !self.state.z.bias.is_empty() {
            all.extend(tensors(&self.state.z, "z"));
        }
        let preamble = preamble(&all, json)?;
        let numbers = all.iter().map(|(_, numbers)| raw::bytes(numbers));
        let parts: Vec<Cow<'_, [u8]>> = std::iter::once(preamble.into()).chain(numbers).collect();
        // The disk takes about as long as the hash.
        let (written, digest) = thread::scope(|scope| {
            let hashing = scope.spawn(|| parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize());
            (write(&parts, file), hashing.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        written?;
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        Ok((bytes, digest.iter().map(|b| format!("{b:02x}")).collect()))
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
    let plan = &header.about.plan;
    let form = header.about.form;
    check_form(&header.about)?;
    if let Some(flaw) = plan.flaw() {
        return Err(no_model(format!("in its plan, {flaw}")));
    }
    let known: Vec<usize> = plan.tables().iter().map(|&(known, _)| known).collect();
    let sizes = Sizes { lanes: form.lanes(), dense: plan.shape().dense, known: &known };
    let weights = sizes.read(&tensors, "weight")?;
    let accumulators = sizes.read(&tensors, "accumulator")?;
    sizes.check_same_tables(&weights, &accumulators)?;
    let z = if tensors.tensor("bias.z").is_ok() { sizes.read(&tensors, "z")? } else { Weights::default() };
    if !z.bias.is_empty() {
        sizes.check_same_tables(&weights, &z)?;
    }
    let state = State { accumulators, z, steps: header.steps };
    Ok(Model { linear: Linear { form, weights, known }, about: header.about, state })
}

/// Refuses a form that the target and the loss do not have: sizes come from it.
fn check_form(about: &About) -> Result<()> {
    let About { plan, loss, form, .. } = about;
    let suits_target = match (loss.task(), &plan.target) {
        (Task::Binary, Target::Binary { .. }) | (Task::Number | Task::Count, Target::Number { .. }) => {
            !matches!(form, ModelForm::Classes { .. })
        }
        (Task::Classes, Target::Classes { classes, .. }) => {
            classes.len() >= 2 && *form == ModelForm::Classes { classes: classes.len() }
        }
        _ => false,
    };
    if !suits_target {
        return Err(no_model("its form, loss and target do not go together"));
    }
    match *form {
        ModelForm::Factors { factors } if !(1..=MOST_FACTORS).contains(&factors) => {
            Err(no_model(format!("it has {factors} factors, expected 1 to {MOST_FACTORS}")))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// How many numbers the tensors must have.
struct Sizes<'a> {
    lanes: usize,
    dense: usize,
    known: &'a [usize],
}

impl Sizes<'_> {
    fn read(&self, tensors: &SafeTensors<'_>, suffix: &str) -> Result<Weights> {
        let lanes = self.lanes;
        let bias = read(tensors, format!("bias.{suffix}"), |n| n == lanes)?;
        let dense = read(tensors, format!("dense.{suffix}"), |n| Some(n) == self.dense.checked_mul(lanes))?;
        let tables = self.known.iter().enumerate().map(|(i, &known)| {
            let fits = |n: usize| (n / lanes).checked_sub(known).is_some_and(usize::is_power_of_two);
            read(tensors, format!("table.{i}.{suffix}"), |n| n.is_multiple_of(lanes) && fits(n))
        });
        Ok(Weights { bias, dense, tables: tables.collect::<Result<_>>()? })
    }

    /// Tables grow; those of one model have grown alike.
    fn check_same_tables(&self, weights: &Weights, others: &Weights) -> Result<()> {
        let differs = (0..self.known.len()).find(|&i| weights.tables[i].len() != others.tables[i].len());
        differs.map_or(Ok(()), |i| Err(no_model(format!("the tensors of table {i} differ in size"))))
    }
}

/// The numbers of a tensor, if `fits` says that they are as many as they should be.
fn read(tensors: &SafeTensors<'_>, name: String, fits: impl Fn(usize) -> bool) -> Result<Vec<f32>> {
    let tensor = tensors.tensor(&name).map_err(|_| no_model(format!("it lacks the tensor {name}")))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(no_model(format!("the tensor {name} is not of f32")));
    }
    let (numbers, rest) = tensor.data().as_chunks::<4>();
    if !rest.is_empty() {
        return Err(no_model(format!("the tensor {name} is cut short")));
    }
    if !fits(numbers.len()) {
        return Err(no_model(format!("the tensor {name} does not fit the plan")));
    }
    let numbers: Vec<f32> = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err(no_model(format!("the tensor {name} has numbers that are not finite")));
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::features::{Plan, PlannedColumn, Use};
    use crate::learn::{Loss, Optimizer, Penalty, Schedule};

    fn target(classes: usize) -> Target {
        let column = "y".to_string();
        if classes == 0 {
            return Target::Number { column, offset: 1.0, scale: 2.0, mean: 1.0, is_count: false };
        }
        let classes: Vec<String> = (0..classes).map(|i| format!("c{i}")).collect();
        Target::Classes { column, shares: vec![0.1; classes.len()], classes }
    }

    /// A model with a category of two known values and two shared slots.
    fn model(form: ModelForm, has_z: bool) -> Model {
        let (loss, classes) = match form {
            ModelForm::Classes { classes } => (Loss::Softmax, classes),
            _ => (Loss::Squared, 0),
        };
        let used = Use::Category { known: vec!["a".into(), "b".into()], bits: 1 };
        let column = PlannedColumn::used_as("x", used);
        let plan =
            Plan { target: target(classes), weight: None, offset: None, hash_seed: 1, columns: vec![column] };
        let weights = |start: f32| {
            let numbers = |n: usize| (0..n * form.lanes()).map(|i| start + i as f32).collect::<Vec<_>>();
            Weights { bias: numbers(1), dense: Vec::new(), tables: vec![numbers(5)] }
        };
        Model {
            about: About {
                plan,
                loss,
                form,
                optimizer: if has_z { Optimizer::FTRL } else { Optimizer::ADAGRAD },
                learning_rate: 0.5,
                schedule: Schedule::CONSTANT,
                caution: 0.0,
                penalty: Penalty { l1: 0.25, l2: 0.0 },
                batch_size: 64,
                epochs: 1,
                seed: 1,
                data: "none".into(),
                rows: 10,
            },
            linear: Linear { form, weights: weights(0.5), known: vec![3] },
            state: State {
                accumulators: weights(100.5),
                z: if has_z { weights(-7.0) } else { Weights::default() },
                steps: 12,
            },
        }
    }

    const FORMS: [ModelForm; 3] =
        [ModelForm::Linear, ModelForm::Classes { classes: 3 }, ModelForm::Factors { factors: 4 }];

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        for (form, has_z) in FORMS.into_iter().flat_map(|form| [(form, false), (form, true)]) {
            let model = model(form, has_z);
            let (bytes, _) = model.save(AtomicFile::create(&path).unwrap()).unwrap();
            assert_eq!(bytes, fs::metadata(&path).unwrap().len());
            let found = Model::load(&path).unwrap();
            assert!(found == model, "{form:?}, z: {has_z}");
            assert_eq!(
                has_z,
                SafeTensors::deserialize(&fs::read(&path).unwrap()).unwrap().tensor("bias.z").is_ok()
            );
        }
    }

    /// The error of reading a model whose header or weights `damage` has changed.
    fn damaged(form: ModelForm, damage: impl Fn(&mut Value, &mut Weights)) -> String {
        let mut model = model(form, true);
        let header = Header { version: VERSION, steps: 12, about: &model.about };
        let mut json = serde_json::to_value(&header).unwrap();
        damage(&mut json, &mut model.linear.weights);
        let mut all = tensors(&model.linear.weights, "weight");
        all.extend(tensors(&model.state.accumulators, "accumulator"));
        all.extend(tensors(&model.state.z, "z"));
        let mut bytes = preamble(&all, json.to_string()).unwrap();
        bytes.extend(all.iter().flat_map(|(_, numbers)| numbers.iter().flat_map(|x| x.to_le_bytes())));
        let error = parse(&bytes).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("not a model of millstream"), "{error}");
        error
    }

    #[test]
    fn sizes_that_do_not_fit_are_told() {
        let classes = ModelForm::Classes { classes: 3 };
        for count in [0u64, 1, 2, 4, 1 << 40, u64::MAX] {
            let error = damaged(classes, |json, _| json["form"]["classes"] = json!(count));
            assert!(error.contains("do not go together"), "{count}: {error}");
        }
        let factors = ModelForm::Factors { factors: 4 };
        for (count, why) in [
            (0u64, "0 factors"),
            (63, "63 factors"),
            (u64::MAX, "factors, expected 1 to 62"),
            (5, "does not fit"),
        ] {
            let error = damaged(factors, |json, _| json["form"]["factors"] = json!(count));
            assert!(error.contains(why), "{count}: {error}");
        }
        damaged(factors, |json, _| json["form"] = json!({"form": "linear"}));
        damaged(factors, |json, _| json["form"] = json!({"form": "cubic"}));
        damaged(factors, |json, _| json["form"]["factors"] = json!(-1));
        for loss in ["softmax", "logistic"] {
            damaged(ModelForm::Linear, |json, _| json["loss"] = json!(loss));
        }
        damaged(classes, |json, _| json["loss"] = json!("squared"));
        damaged(classes, |json, _| json["plan"]["target"]["classes"] = json!(["a", "b"]));
        damaged(classes, |json, _| json["plan"]["target"]["classes"] = json!([]));
        let error = damaged(classes, |json, _| json["plan"]["target"]["shares"] = json!([0.5]));
        assert!(error.contains("in its plan, not every class has a share"), "{error}");
        for form in FORMS {
            damaged(form, |_, weights| weights.bias.truncate(form.lanes() - 1));
            damaged(form, |_, weights| weights.tables[0].truncate(3 * form.lanes()));
            damaged(form, |_, weights| weights.dense.push(1.0));
            // Still a power of two of shared slots, but not those that the accumulators have.
            let error = damaged(form, |_, weights| weights.tables[0].truncate(4 * form.lanes()));
            assert!(error.contains("differ in size"), "{error}");
        }
        damaged(classes, |_, weights| weights.tables[0].truncate(14));
    }
}
