//! What the fuzz targets share: bytes become a file, and the file is read as planning and training read it.
//!
//! An error is as good as rows. What ends the process, and so is a finding, is a panic (but for one that
//! comes from a decoder of others and is caught by the guard), an array that does not hold together, and an
//! error that does not name the file, and so is an allocation out of all proportion to a file of some kilobytes.
//! Memory in all and time are watched by libFuzzer's own limits.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::collections::HashSet;
use std::fs;
use std::panic::{set_hook, take_hook};
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, LazyLock, Mutex, Once};

use arrow::array::{
    Array, ArrayRef, Float64Array, NullArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use millstream::Result;
use millstream::features::{Encoder, ReadHint, RowFilter, SplitCache, Translate};
use millstream::input::{
    ColumnType, Dataset, Extent, ReadAs, ReadOptions, Request, Split, TextFormat, guarded,
};
use millstream::learn::Chunk;
use millstream::model::{Model, interactions, learned};
use xxhash_rust::xxh3::xxh3_64;

/// The most bytes that may be allocated at once. (libFuzzer's own such limit needs a sanitizer, and with one targets
/// take far longer to build and to run; there is hardly any unsafe code in what they are to try.)
const MOST_AT_ONCE: usize = 512 << 20;

/// Batches after which reading stops: runs of equal values may stand for any number of rows in a few bytes.
const ENOUGH_BATCHES: usize = 200;

/// Reads bytes of a format that others' decoders read, too.
pub fn read_binary(data: &[u8]) {
    watch(true);
    read(data, &ReadOptions::default(), Choices(xxh3_64(data)));
}

/// Reads text, half of the time as what it looks like, and with options chosen by its bytes.
pub fn read_text(data: &[u8], format: TextFormat) {
    watch(false);
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
    read(data, &options, choices);
}

/// Loads a model, and does with it what comes first of all that is done with models. The length of its
/// header is put right, or few changes would get beyond that.
pub fn load_model(data: &[u8]) {
    watch(false);
    let mut data = data.to_vec();
    if let Some((length, json)) = data.split_first_chunk_mut::<8>() {
        let mut values = serde_json::Deserializer::from_slice(json).into_iter::<serde::de::IgnoredAny>();
        if let Some(Ok(_)) = values.next() {
            *length = (values.byte_offset() as u64).to_le_bytes();
        }
    }
    let path = file(&data);
    match Model::load(&path) {
        Ok(model) => score(&model).unwrap_or_else(|error| drop(error.to_string())),
        Err(error) => assert!(error.to_string().contains(path.to_str().unwrap()), "no file: {error}"),
    }
}

/// Shows what the model has learned, and scores a few rows.
fn score(model: &Model) -> Result<()> {
    interactions(model, &learned(model));
    let encoder = Encoder::new(Arc::new(model.about.plan.clone()), RowFilter::Unlabelled);
    let column = |hint| -> ArrayRef {
        match hint {
            ReadHint::Number => Arc::new(Float64Array::from(vec![Some(1.5), Some(-1e300), None])),
            ReadHint::Time => Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(i64::MAX), None])),
            ReadHint::Text => {
                Arc::new(StringArray::from(vec![Some("some words, and some"), Some("v1"), None]))
            }
            ReadHint::Native => Arc::new(NullArray::new(3)),
        }
    };
    let columns = encoder.columns().into_iter().map(|(name, hint)| (name, column(hint)));
    // Without columns there would be no rows.
    let columns = columns.chain([("another".to_string(), column(ReadHint::Native))]);
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
    let batch = batch.expect("columns of three rows");
    let mut chunk = Chunk::new(encoder.plan().shape(), batch.num_rows());
    encoder.encode(&batch, &mut SplitCache::default(), &mut chunk)?;
    model.linear.margins(&chunk, &mut Vec::new());
    Ok(())
}

fn read(data: &[u8], options: &ReadOptions, mut choices: Choices) {
    let path = file(data);
    let name = path.to_str().unwrap().to_string();
    if let Err(error) = read_file(&name, options, &mut choices) {
        // The message for an option that no file suits need not name a file.
        let is_named = error.to_string().contains(&name)
            || options.types.keys().any(|column| error.message().contains(column.as_str()));
        assert!(is_named, "no file: {error}");
    }
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
            let mut stream = dataset.read(split, request)?;
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
    fn translate(&self, values: &ArrayRef) -> Result<Vec<u32>> {
        Ok((0..values.len() as u32).collect())
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

/// A file of these bytes in memory, the same for all of this process's inputs.
fn file(data: &[u8]) -> PathBuf {
    static PATH: LazyLock<PathBuf> =
        LazyLock::new(|| PathBuf::from(format!("/dev/shm/millstream-fuzz-{}", process::id())));
    // Not written over, since it may still be mapped.
    let _ = fs::remove_file(&*PATH);
    fs::write(&*PATH, data).expect("/dev/shm can be written");
    PATH.clone()
}

/// Ends the process at a panic, guarded or not, but for guarded ones of others' decoders if the format has
/// such. Of those each place is shown once.
fn watch(decoders_of_others: bool) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The guard's own hook comes before this one, or it would hide what is guarded.
        let _ = guarded(|| Ok(()));
        let before = take_hook();
        let seen = Mutex::new(HashSet::new());
        set_hook(Box::new(move |info| {
            let trace = Backtrace::force_capture().to_string();
            if !decoders_of_others || is_ours(&trace) {
                eprintln!("{info}\n{trace}");
                process::abort();
            }
            if seen.lock().unwrap().insert(info.location().map(ToString::to_string)) {
                eprintln!("GUARDED {info}\n{trace}");
            }
            before(info);
        }));
    });
}

/// Whether millstream comes before any decoder of others in the stack of calls, from its top on.
fn is_ours(trace: &str) -> bool {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/").replace("/fuzz/..", "");
    let mut calls = trace.lines().map(|line| {
        line.trim_start_matches([' ', ':', '<', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    });
    calls
        .find_map(|call| {
            let is_decoder = call.starts_with("parquet::") || call.starts_with("arrow_ipc::");
            // What the crate says of a footer is asked by millstream, too.
            if is_decoder && !call.starts_with("parquet::file::metadata") {
                return Some(false);
            }
            let is_inlined = call.starts_with("at ") && call.contains(&source);
            (call.starts_with("millstream::") || is_inlined).then_some(true)
        })
        .unwrap_or(true)
}

/// The system's allocator, which ends the process at an allocation that is too large.
struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

fn within_limits(bytes: usize) {
    if bytes > MOST_AT_ONCE {
        let trace = Backtrace::force_capture().to_string();
        // Arrow's reader makes room, of which it may use nothing, for what a page's header says: up to 2 GiB.
        if !trace.contains("serialized_reader::decode_page") {
            eprintln!("{bytes} bytes are allocated at once\n{trace}");
            process::abort();
        }
    }
}

unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        within_limits(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        within_limits(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        within_limits(bytes);
        unsafe { System.realloc(at, layout, bytes) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}
