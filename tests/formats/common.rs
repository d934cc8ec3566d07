//! Reading a dataset and encoding it, as training does, with rows as plain values.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::RecordBatch;
use millstream::Result;
use millstream::features::{
    Encoder, Overrides, Plan, ReadHint, RowFilter, SplitCache, Survey, Wishes, decide,
};
use millstream::input::{Dataset, ReadAs, ReadOptions, Request, guarded};
use millstream::learn::{Alone, Chunk, ListColumn};

/// The encoded features of one row: bits of the numbers, codes of the categories, of the lists (with
/// the bits of their values behind them), and the label's bits.
pub(crate) type Row = (Vec<u32>, Vec<u32>, Vec<Vec<u32>>, u32);

pub(crate) fn open(path: &Path) -> Result<Dataset> {
    Dataset::open(&[path.to_str().unwrap().to_string()], &ReadOptions::default())
}

/// All columns, as the files have them.
pub(crate) fn native(dataset: &Dataset, batch_rows: usize) -> Request {
    let columns = dataset.schema().fields().iter().map(|f| (f.name().clone(), ReadAs::Native));
    Request { columns: columns.collect(), batch_rows, rejects: false, ..Request::default() }
}

/// Gives every batch of every split to `f`, guarded as the pipeline guards it.
pub(crate) fn each_batch(
    dataset: &Dataset,
    request: &Request,
    mut f: impl FnMut(usize, &RecordBatch) -> Result<()>,
) -> Result<()> {
    for (index, split) in dataset.splits().iter().enumerate() {
        guarded(|| {
            let mut stream = dataset.read(split, request, None)?;
            while let Some(batch) = stream.next_batch()? {
                assert!(batch.num_rows() > 0 && batch.num_rows() <= request.batch_rows);
                assert_eq!(batch.num_columns(), request.columns.len());
                f(index, &batch)?;
            }
            Ok(())
        })
        .map_err(|e| e.in_file(dataset.path(index)))?;
    }
    Ok(())
}

/// The plan that the whole dataset suggests.
pub(crate) fn plan(dataset: &Dataset, target: &str) -> Result<Plan> {
    // The tables hold the same values in many types.
    let overrides = Overrides { keep_duplicates: true, ..Overrides::default() };
    let mut survey = Survey::new(dataset.schema(), Some(target), &overrides);
    each_batch(dataset, &native(dataset, 100), |_, batch| survey.add(batch, &Alone))?;
    let wishes = Wishes {
        target: target.into(),
        loss: None,
        positive: None,
        weight: None,
        offset: None,
        scale: true,
        overrides,
        hash_seed: 1,
    };
    decide(&survey.profile(true), &wishes).map(|decided| decided.plan)
}

fn codes_and_values(list: &ListColumn, row: usize) -> Vec<u32> {
    let span = list.offsets[row] as usize..list.offsets[row + 1] as usize;
    let values = list.values.get(span).unwrap_or_default();
    list.row(row).iter().copied().chain(values.iter().map(|x| x.to_bits())).collect()
}

/// What the dataset's rows become under a plan.
pub(crate) fn encoded(dataset: &Dataset, plan: &Plan, batch_rows: usize) -> Result<Vec<Row>> {
    let encoder = Encoder::new(Arc::new(plan.clone()), RowFilter::Fail);
    let columns = encoder.columns().into_iter().map(|(name, hint)| {
        let read_as = match hint {
            ReadHint::Number => ReadAs::Number,
            ReadHint::Time => ReadAs::Time,
            ReadHint::Text => ReadAs::Text,
            ReadHint::Native => ReadAs::Native,
        };
        (name, read_as)
    });
    let request = Request { columns: columns.collect(), batch_rows, rejects: false, ..Request::default() };
    let mut chunk = Chunk::new(plan.shape(), batch_rows);
    let (mut rows, mut cache, mut last) = (Vec::new(), SplitCache::default(), 0);
    each_batch(dataset, &request, |split, batch| {
        if split != last {
            (cache, last) = (SplitCache::default(), split);
        }
        encoder.encode(batch, &mut cache, &mut chunk)?;
        let shape = chunk.shape();
        for r in 0..chunk.rows() {
            rows.push((
                (0..shape.dense).map(|c| chunk.dense(c)[r].to_bits()).collect(),
                (0..shape.slots).map(|c| chunk.slots(c)[r]).collect(),
                chunk.lists.iter().map(|list| codes_and_values(list, r)).collect(),
                chunk.labels[r].to_bits(),
            ));
        }
        Ok(())
    })?;
    Ok(rows)
}

/// The words in which the plan says how each column is used, with why.
pub(crate) fn uses(plan: &Plan) -> Vec<(&str, &str, &str)> {
    plan.columns.iter().map(|c| (c.name.as_str(), c.used.word(), c.why.as_str())).collect()
}

/// Runs the program with `arguments`, split at spaces.
pub(crate) fn millstream(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(arguments.split_whitespace()).output().expect("millstream starts")
}

/// Runs it and gives its standard output; fails if it does.
pub(crate) fn succeeds(arguments: &str) -> String {
    let output = millstream(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "millstream {arguments}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs it and gives its complaint; fails if it has none, or more than a sentence.
pub(crate) fn fails(arguments: &str) -> String {
    let output = millstream(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_string();
    assert!(matches!(output.status.code(), Some(1 | 2)), "millstream {arguments}: {complaint}");
    assert_eq!(complaint.lines().count(), 1, "millstream {arguments}: {complaint}");
    complaint
}

/// Real data that may lie beside the project; a sentence where it does not.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: there is no {}", path.display());
    None
}
