//! Reads bytes as planning and training read a file: opened, and read to its end twice, every column as the file has it, then
//! as the bytes' hash says. An error is as good as rows.

mod model;

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::thread;

use arrow::array::{Array, ArrayRef, RecordBatch};
use millstream::Result;
use millstream::features::Translate;
use millstream::input::{
    ColumnType, Dataset, Extent, ReadAs, ReadOptions, Request, Split, TextFormat, guarded,
};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use model::load_model;

/// Batches after which reading stops: runs of equal values may stand for any number of rows in a few bytes.
const ENOUGH_BATCHES: usize = 200;

/// Reads bytes of a format that others' decoders read, too.
///
/// # Errors
/// The file's.
///
/// # Panics
/// If an array is not sound, or an error does not name the file.
pub(crate) fn read_binary(data: &[u8]) -> Result<()> {
    read(data, &ReadOptions::default(), Choices(xxh3_64(data)))
}

/// Reads text, half of the time as what it looks like, and with options chosen by its bytes.
///
/// # Errors
/// The file's.
///
/// # Panics
/// If an array is not sound, or an error does not name the file.
pub(crate) fn read_text(data: &[u8], format: TextFormat) -> Result<()> {
    let mut choices = Choices(xxh3_64(data));
    let mut options = ReadOptions { format: choices.of(&[Some(format), None]), ..ReadOptions::default() };
    if choices.of(&[false, false, true]) {
        options.delimiter = choices.of(&[None, Some(b'|'), Some(b' ')]);
        options.header = choices.of(&[None, Some(true), Some(false)]);
        options.quotes = choices.of(&[None, Some(true), Some(false)]);
        options.comment = choices.of(&[None, Some(b'#')]);
        options.decimal_comma = choices.of(&[false, true]);
        options.nulls = choices.of(&[vec![], vec!["x".to_string()]]);
    }
    if choices.of(&[false, false, false, true]) {
        let wanted = [
            ColumnType::Text,
            ColumnType::Integer,
            ColumnType::Float,
            ColumnType::Float32,
            ColumnType::Boolean,
            ColumnType::Time,
            ColumnType::Map,
        ];
        let name = choices.of(&["a", "b", "a.b", "label", "features"]);
        options.types.insert(name.to_string(), choices.of(&wanted));
    }
    read(data, &options, choices)
}

fn read(data: &[u8], options: &ReadOptions, mut choices: Choices) -> Result<()> {
    let path = file(data);
    let name = path.to_str().unwrap().to_string();
    let result = read_file(&name, options, &mut choices);
    if let Err(error) = &result {
        // The message for an option that no file suits need not name a file.
        let is_named = error.to_string().contains(&name)
            || options.types.keys().any(|column| error.message().contains(column.as_str()));
        assert!(is_named, "no file: {error}");
    }
    result
}

fn read_file(name: &str, options: &ReadOptions, choices: &mut Choices) -> Result<()> {
    let dataset = Dataset::open(&[name.to_string()], options)?;
    let native: Vec<(String, ReadAs)> =
        dataset.schema().fields().iter().map(|f| (f.name().clone(), ReadAs::Native)).collect();
    let mut request =
        Request { batch_rows: choices.of(&[1, 7, 4096]), columns: native, ..Request::default() };
    request.rejects = choices.of(&[false, true]);
    let whole = read_all(&dataset, dataset.splits(), &request);
    for (_, read_as) in &mut request.columns {
        *read_as = choices.of(&[ReadAs::Native, ReadAs::Number, ReadAs::Text, ReadAs::Time]);
    }
    request.translations = request
        .columns
        .iter()
        .map(|_| choices.of(&[None, Some(Arc::new(Positions) as Arc<dyn Translate>)]))
        .collect();
    let splits: Vec<Split> = dataset.splits().iter().flat_map(|split| cut(split, choices)).collect();
    whole.and(read_all(&dataset, &splits, &request))
}

/// A range of text in two, as ranges of larger files are.
fn cut(split: &Split, choices: &mut Choices) -> Vec<Split> {
    match split.extent {
        Extent::Bytes { start, end } if choices.of(&[false, true]) && end - start > 1 => {
            let middle = start + 1 + choices.0 % (end - start - 1);
            let range = |start, end| Split { extent: Extent::Bytes { start, end }, ..split.clone() };
            vec![range(start, middle), range(middle, end)]
        }
        _ => vec![split.clone()],
    }
}

/// Reads splits, guarded as the pipeline guards them.
fn read_all(dataset: &Dataset, splits: &[Split], request: &Request) -> Result<()> {
    let mut batches = 0;
    for split in splits {
        dataset.open_bytes(request);
        let read = guarded(|| {
            let mut stream = dataset.read(split, request, None)?;
            while let Some(batch) = stream.next_batch()? {
                check(&batch, request);
                stream.place(batch.num_rows() - 1);
                stream.take_rejects();
                batches += 1;
                if batches > ENOUGH_BATCHES {
                    break;
                }
            }
            stream.take_rejects();
            Ok(())
        });
        read.map_err(|error| error.in_file(dataset.path(split.file)))?;
    }
    Ok(())
}

fn check(batch: &RecordBatch, request: &Request) {
    assert!((1..=request.batch_rows).contains(&batch.num_rows()), "{} rows", batch.num_rows());
    assert_eq!(batch.num_columns(), request.columns.len());
    for column in batch.columns() {
        assert_eq!(column.len(), batch.num_rows());
        column.to_data().validate_full().expect("arrays are sound");
    }
}

/// Makes of each value the place at which it was seen.
#[derive(Debug)]
struct Positions;

impl Translate for Positions {
    fn translate(&self, _: &ArrayRef, out: &mut [u32]) -> Result<()> {
        out.iter_mut().zip(0..).for_each(|(out, place)| *out = place);
        Ok(())
    }

    fn translate_texts(&self, texts: &[&[u8]], out: &mut [u32]) -> Result<()> {
        assert!(texts.iter().all(|text| std::str::from_utf8(text).is_ok()));
        out.iter_mut().zip(0..).for_each(|(out, place)| *out = place);
        Ok(())
    }

    fn missing(&self) -> u32 {
        u32::MAX
    }
}

/// What is left to chance, which is the input's hash.
struct Choices(u64);

impl Choices {
    fn of<T: Clone>(&mut self, from: &[T]) -> T {
        let chosen = from[(self.0 % from.len() as u64) as usize].clone();
        self.0 = (self.0 / from.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        chosen
    }
}

/// A file of these bytes in memory, the same for all inputs of this thread.
fn file(data: &[u8]) -> PathBuf {
    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    thread_local! {
        static PLACE: Place = {
            let name = format!("/dev/shm/millstream-fuzz-{}-{:?}", process::id(), thread::current().id());
            Place(PathBuf::from(name))
        };
    }
    PLACE.with(|Place(path)| {
        // Not written over, since it may still be mapped.
        let _ = fs::remove_file(path);
        fs::write(path, data).expect("/dev/shm can be written");
        path.clone()
    })
}
