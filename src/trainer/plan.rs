//! Planning: a sample spread over the whole input, and the plan made from it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Field;

use super::census::census;
use super::config::PlanConfig;
use super::reading::read_as;
use super::watch::Watch;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::features::{
    Decided, Overrides, Plan, Profile, ReadHint, Survey, Target, Wishes, check_names, decide, is_text,
};
use crate::input::{Dataset, ReadAs, Request};
use crate::learn::Loss;
use crate::pipeline::{Budget, Flow, GradientWorkers, Needs, Order, Stages, Weigh, in_order, stream};

/// Rows of the sample, and splits that it is spread over.
const SAMPLE_ROWS: u64 = 1 << 16;
const SAMPLE_SPLITS: usize = 24;
/// Tables of at most so many rows are looked at in full.
const WHOLE_ROWS: u64 = 1 << 18;
const WHOLE_BYTES: u64 = 24 << 20;
/// Bytes that a batch of the sample should have, most and fewest rows (fewer, if those had more than so many bytes), and
/// bytes that a value is taken to have.
const BATCH_BYTES: usize = 4 << 20;
const MOST_BATCH_ROWS: usize = 4096;
const FEWEST_BATCH_ROWS: usize = 256;
const MOST_BATCH_BYTES: usize = 64 << 20;
const VALUE_BYTES: usize = 16;
/// Bytes that are too many to be taken without asking.
const MUCH: usize = 256 << 20;

/// What planning found.
pub(crate) struct Planned {
    pub(crate) plan: Arc<Plan>,
    /// The loss to minimise, in the target's own unit.
    pub(crate) loss: Loss,
    /// What the user should know of the target.
    pub(crate) notes: Vec<String>,
    /// Whether the target looks as if the rows were in random order.
    pub(crate) is_well_mixed: bool,
    /// Rows of the dataset, if they have been counted.
    pub(crate) rows: Option<u64>,
    /// A number for the first row of each split, from which those of the others follow. Where rows have been
    /// counted it is the row's place in the dataset, which is the same however that is cut into splits.
    pub(crate) starts: Vec<u64>,
    pub(crate) stages: Stages,
    /// The smallest `--memory` that planning can do with.
    pub(crate) least_memory: usize,
}

/// Makes the plan for a dataset and shows it to `watch`.
///
/// # Errors
/// Those of the files, of the target, and of the user's wishes.
pub fn plan(config: &PlanConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Arc<Plan>> {
    let dataset = Dataset::open(&config.inputs, &config.read)?;
    dataset.notes().iter().for_each(|note| watch.note(note));
    let planned = make_plan(config, None, &dataset, stop, watch)?;
    planned.notes.iter().for_each(|note| watch.note(note));
    config.memory.map_or(Ok(()), |total| Budget { total }.check(planned.least_memory, false))?;
    Ok(planned.plan)
}

struct Sample(RecordBatch);

impl Weigh for Sample {
    fn bytes(&self) -> usize {
        // Dictionaries are those of the open splits, whatever holds them.
        let own = |column: &ArrayRef| match column.as_any_dictionary_opt() {
            Some(dictionary) => dictionary.keys().get_array_memory_size(),
            None => column.get_array_memory_size(),
        };
        self.0.columns().iter().map(own).sum()
    }
}

impl PlanConfig {
    pub(super) fn wishes(&self) -> Wishes {
        Wishes {
            target: self.target.clone(),
            loss: self.loss,
            positive: self.positive.clone(),
            weight: self.weight.clone(),
            offset: self.offset.clone(),
            scale: self.scale,
            overrides: self.overrides.clone(),
            hash_seed: self.seed,
        }
    }
}

/// The plan for a dataset: `given`, or one made from a sample.
pub(crate) fn make_plan(
    config: &PlanConfig,
    given: Option<Decided>,
    dataset: &Dataset,
    stop: &AtomicBool,
    watch: &mut dyn Watch,
) -> Result<Planned> {
    let offset = config.offset.as_ref().map(|offset| offset.column.as_str());
    let amounts: Vec<&str> = config.weight.as_deref().into_iter().chain(offset).collect();
    let look = Look {
        target: Some(&config.target),
        amounts: &amounts,
        overrides: &config.overrides,
        threads: config.threads,
        memory: config.memory,
        skips_bad: config.read.skips_bad,
    };
    let wishes = config.wishes();
    if given.is_none() {
        check_names(dataset.schema().fields().iter().map(|field| field.name().as_str()), &wishes)?;
    }
    // Shards say themselves what a sample of their rows shows.
    let kept = Catalog::of(dataset).map(|catalog| catalog.profile);
    let kept = kept.filter(|profile| profile.serves(&wishes));
    let mut surveyed = match kept {
        Some(profile) => Surveyed { profile, rows: None, stages: Stages::default(), least_memory: 0 },
        None => survey(dataset, look, stop)?,
    };
    if config.scan_classes {
        surveyed = scan(surveyed, config, &wishes, dataset, stop)?;
    }
    let Surveyed { profile, rows, stages, least_memory } = surveyed;
    let Decided { plan, loss, notes } = given.map_or_else(|| decide(&profile, &wishes), Ok)?;
    if config.scan_classes && matches!(plan.target, Target::Number { .. }) {
        return Err(no_classes(&config.target));
    }
    let plan = Arc::new(plan);
    watch.plan(&plan, profile.rows);
    let splits = dataset.splits();
    let known: Option<Vec<u64>> = splits.iter().map(|split| split.rows).collect();
    let rows = known.or(rows);
    let starts = match &rows {
        Some(rows) => rows
            .iter()
            .scan(0, |sum, rows| {
                *sum += rows;
                Some(*sum - rows)
            })
            .collect(),
        None => (0..splits.len() as u64).map(|split| split << 40).collect(),
    };
    Ok(Planned {
        plan,
        loss,
        notes,
        is_well_mixed: profile.is_well_mixed(&config.target),
        rows: rows.map(|rows| rows.iter().sum()),
        starts,
        stages,
        least_memory,
    })
}

/// What a sample showed, and all rows of the target's classes.
fn scan(
    surveyed: Surveyed,
    config: &PlanConfig,
    wishes: &Wishes,
    dataset: &Dataset,
    stop: &AtomicBool,
) -> Result<Surveyed> {
    if !surveyed.profile.has_classes(wishes) {
        return Err(no_classes(&config.target));
    }
    if surveyed.profile.whole {
        return Ok(surveyed);
    }
    let found = census(config, dataset, &surveyed.profile, stop)?;
    let Surveyed { profile, rows, mut stages, least_memory } = surveyed;
    stages.add(&found.stages);
    Ok(Surveyed {
        profile: profile.with_classes(&config.target, &found.tally),
        rows,
        stages,
        least_memory: least_memory.max(found.least_memory),
    })
}

/// The error of looking for classes where there are none.
fn no_classes(target: &str) -> Error {
    Error::usage(format!("--scan-classes suits a target of classes, and `{target}` is learned as a number"))
        .remedy("give --loss softmax to learn its values as classes, or leave --scan-classes out")
}

/// What a sample is looked at for, and by what means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The target; `None` if any column may become it.
    pub(crate) target: Option<&'a str>,
    /// The columns of weights and offsets.
    pub(crate) amounts: &'a [&'a str],
    pub(crate) overrides: &'a Overrides,
    pub(crate) threads: usize,
    pub(crate) memory: Option<usize>,
    /// Whether rows that can't be read are passed over.
    pub(crate) skips_bad: bool,
}

/// What looking at a sample gave.
pub(crate) struct Surveyed {
    pub(crate) profile: Profile,
    /// Rows of each split, if all were looked at.
    pub(crate) rows: Option<Vec<u64>>,
    pub(crate) stages: Stages,
    /// The smallest `--memory` that it can do with.
    pub(crate) least_memory: usize,
}

/// How the column of a label is read from a file without types: what is no number in a column of numbers is
/// for the encoder to refuse or skip.
pub(super) fn label_hint(field: &Field, overrides: &Overrides) -> ReadHint {
    if field.data_type().is_numeric() { ReadHint::Text } else { overrides.read_hint(field) }
}

/// Where a sample's rows come from.
pub(super) struct Spread {
    pub(super) splits: Vec<usize>,
    /// How many of each of these splits' rows, if not all.
    pub(super) rows_of_each: Option<u64>,
}

/// A sample spread over the whole dataset: all of it where it is small.
pub(super) fn spread(dataset: &Dataset) -> Spread {
    let all = dataset.splits().len();
    let small = dataset.rows().map_or(dataset.bytes() <= WHOLE_BYTES, |rows| rows <= WHOLE_ROWS);
    let splits: Vec<usize> = if small || all <= SAMPLE_SPLITS {
        (0..all).collect()
    } else {
        // Evenly spread, the first and the last split among them.
        (0..SAMPLE_SPLITS).map(|i| i * (all - 1) / (SAMPLE_SPLITS - 1)).collect()
    };
    let rows_of_each = (!small).then(|| SAMPLE_ROWS.div_ceil(splits.len().max(1) as u64));
    Spread { splits, rows_of_each }
}

/// Looks at a sample spread over the whole dataset, at all of it where it is small.
///
/// # Errors
/// Those of the files; and if there are no rows.
pub(crate) fn survey(dataset: &Dataset, look: Look<'_>, stop: &AtomicBool) -> Result<Surveyed> {
    // What nobody wants to know of costs nothing.
    let is_read = |name: &str| {
        look.target.is_none_or(|target| target == name)
            || look.amounts.contains(&name)
            || !look.overrides.ignores(name)
    };
    let mut survey = Survey::new(dataset.schema(), look.target, look.overrides).reading(is_read);
    let Spread { splits: chosen, rows_of_each } = spread(dataset);
    let small = rows_of_each.is_none();
    let hint = |field: &Field| {
        let name = field.name().as_str();
        let is_label = look.target == Some(name) || look.amounts.contains(&name);
        if is_label { label_hint(field, look.overrides) } else { look.overrides.read_hint(field) }
    };
    // Texts may come as dictionaries.
    let read_as = |field: &Field| match hint(field) {
        ReadHint::Native if is_text(field.data_type()) => ReadAs::Text,
        hint => read_as(hint),
    };
    let fields = dataset.schema().fields().iter().filter(|field| is_read(field.name()));
    let columns: Vec<_> = fields.map(|field| (field.name().clone(), read_as(field))).collect();
    let mut request = Request { columns, rejects: look.skips_bad, rows: rows_of_each, ..Request::default() };
    let row_bytes = VALUE_BYTES.saturating_mul(dataset.values_per_row(&request).max(1));
    let batch_rows = (BATCH_BYTES / row_bytes).clamp(FEWEST_BATCH_ROWS, MOST_BATCH_ROWS);
    let batch_rows = batch_rows.min(MOST_BATCH_BYTES / row_bytes).max(1);
    let batch_rows = batch_rows.min(rows_of_each.map_or(usize::MAX, |rows| rows as usize));
    request.batch_rows = batch_rows;
    let needs = Needs {
        open: 1,
        open_bytes: dataset.open_bytes(&request),
        item_bytes: batch_rows.saturating_mul(row_bytes),
        held_bytes: 0,
    };
    // A budget that is somewhat too small is refused when the plan shows what all of the run needs, one that is far
    // too small before anything is read.
    let budget = look.memory.map_or_else(Budget::from_machine, |total| Budget { total });
    if needs.least() > MUCH {
        budget.check(needs.least(), false)?;
    }
    let budget = Budget { total: budget.total.max(needs.least()) };
    let crew = GradientWorkers::of(look.threads);
    let flow = Flow {
        request: &request,
        threads: crew.reading(),
        needs,
        in_flight: budget.in_flight(&needs)?,
        from: None,
        readers: crew.readers().clone(),
        stop,
    };
    let mut rows_seen = vec![0; dataset.splits().len()];
    let (stages, _) = stream(
        dataset,
        &Order::in_place(chosen.iter().copied()),
        flow,
        |batch: &RecordBatch, _: &mut crate::pipeline::SplitState<()>| Ok(Sample(batch.clone())),
        |item| {
            rows_seen[item.split] += item.value.0.num_rows() as u64;
            survey.add(&item.value.0, &crew)
        },
    )?;
    let whole = small && dataset.rows().is_none_or(|rows| rows_seen.iter().sum::<u64>() == rows);
    if survey.rows() == 0 {
        let files: Vec<String> = dataset.files().map(|f| f.display().to_string()).collect();
        return Err(Error::data(format!("there are no rows in {}", files.join(", ")))
            .remedy("expected a table with a header and rows"));
    }
    let (mut left, mut profiles) = (survey.columns(), Vec::new());
    in_order(
        look.threads,
        stop,
        || left.next(),
        |column, _| Ok(column.profile(survey.rows())),
        |profile| {
            profiles.push(profile);
            Ok(())
        },
    )?;
    Ok(Surveyed {
        profile: survey.profile_of(whole, profiles),
        rows: whole.then_some(rows_seen),
        stages,
        least_memory: needs.least(),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs::File;
    use std::path::Path;

    use arrow::compute::{cast, concat_batches};
    use arrow::datatypes::DataType;
    use arrow::ipc::writer::FileWriter;

    use super::*;
    use crate::features::{ColumnUse, Cross, LossChoice};
    use crate::input::ReadOptions;

    fn open(path: &Path) -> Dataset {
        Dataset::open(&[path.display().to_string()], &ReadOptions::default()).unwrap()
    }

    fn look<'a>(target: Option<&'a str>, overrides: &'a Overrides) -> Look<'a> {
        Look { target, amounts: &[], overrides, threads: 1, memory: None, skips_bad: false }
    }

    fn found(path: &Path, look: Look<'_>) -> Profile {
        survey(&open(path), look, &AtomicBool::new(false)).unwrap().profile
    }

    fn wishes(target: &str, overrides: &Overrides) -> Wishes {
        Wishes {
            target: target.to_string(),
            loss: None,
            positive: None,
            weight: None,
            offset: None,
            scale: true,
            overrides: overrides.clone(),
            hash_seed: 7,
        }
    }

    /// A table whose columns suit as targets of every sort, as CSV.
    fn write_csv(path: &Path) {
        let mut text = "flag,sign,half,number,class,truth,when,id,few\n".to_string();
        for i in 0..3000u64 {
            let r = crate::random::keyed(1, i);
            let number = (r % 99_991) as f64 / 7.0;
            let number = if r.is_multiple_of(17) { "NA".to_string() } else { format!("{number:?}") };
            let (half, class, truth) = (r % 2, ["no", "yes"][(r % 3 / 2) as usize], r % 5 > 1);
            let (sign, day) = (if r % 7 > 2 { 1 } else { -1 }, 1 + i % 28);
            writeln!(
                text,
                "{},{sign},{half}.0,{number},{class},{truth},2024-0{}-{day:02} 07:00,k{i},{}",
                r % 11 / 10,
                1 + i % 9,
                i % 7
            )
            .unwrap();
        }
        std::fs::write(path, text).unwrap();
    }

    /// The rows of a table in an Arrow file, its texts as dictionaries.
    fn write_arrow(from: &Path, to: &Path) {
        let dataset = open(from);
        let columns = dataset.schema().fields().iter().map(|f| (f.name().clone(), ReadAs::Native));
        let request =
            Request { columns: columns.collect(), batch_rows: 1000, rejects: false, ..Request::default() };
        let mut batches = Vec::new();
        for split in dataset.splits() {
            let mut stream = dataset.read(split, &request, None).unwrap();
            batches.extend(std::iter::from_fn(|| stream.next_batch().unwrap()));
        }
        let all = concat_batches(batches[0].schema_ref(), &batches).unwrap();
        let encoded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let columns = all.schema_ref().fields().iter().zip(all.columns()).map(|(field, array)| {
            let is_text = array.data_type() == &DataType::Utf8;
            (field.name(), if is_text { cast(array, &encoded).unwrap() } else { array.clone() })
        });
        let table = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = FileWriter::try_new(File::create(to).unwrap(), table.schema_ref()).unwrap();
        writer.write(&table).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn a_profile_for_any_target_gives_the_plan_of_the_rows_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let (csv, arrow) = (folder.path().join("a.csv"), folder.path().join("a.arrow"));
        write_csv(&csv);
        write_arrow(&csv, &arrow);
        let none = Overrides::default();
        let json = serde_json::to_string(&found(&csv, look(None, &none))).unwrap();
        let kept: Profile = serde_json::from_str(&json).unwrap();
        assert!(kept.whole && kept.rows == 3000);
        for target in ["flag", "sign", "half", "number", "class", "truth", "few"] {
            assert!(kept.serves(&wishes(target, &none)));
            let decided = decide(&kept, &wishes(target, &none)).unwrap();
            for path in [&csv, &arrow] {
                let direct = found(path, look(Some(target), &none));
                assert_eq!(decide(&direct, &wishes(target, &none)).unwrap(), decided, "{target} of {path:?}");
                assert_eq!(direct.is_well_mixed(target), kept.is_well_mixed(target), "{target}");
                assert!(direct.serves(&wishes(target, &none)));
            }
        }
        assert!(kept.is_well_mixed("flag") && !found(&csv, look(Some("flag"), &none)).is_well_mixed("sign"));
    }

    #[test]
    fn a_profile_serves_the_words_that_change_nothing_of_what_was_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("a.csv");
        write_csv(&csv);
        let none = Overrides::default();
        let kept = found(&csv, look(None, &none));
        let word = |column: &str, word| {
            let mut overrides = Overrides::default();
            overrides.columns.insert(column.to_string(), word);
            overrides
        };
        for (column, used) in [
            ("number", ColumnUse::Log),
            ("number", ColumnUse::Raw),
            ("number", ColumnUse::Bins),
            ("class", ColumnUse::Categorical),
            ("id", ColumnUse::Ignore),
        ] {
            let mut overrides = word(column, used);
            for cross in ["class*number", "when.hour*id", "truth*class*half"] {
                overrides.crosses.push(Cross::try_from(cross.to_string()).unwrap());
            }
            assert!(kept.serves(&wishes("flag", &overrides)), "{overrides:?}");
            let direct = found(&csv, look(Some("flag"), &overrides));
            let wishes = wishes("flag", &overrides);
            assert_eq!(decide(&direct, &wishes).unwrap(), decide(&kept, &wishes).unwrap(), "{overrides:?}");
        }
        let serves =
            |profile: &Profile, target, overrides: &Overrides| profile.serves(&wishes(target, overrides));
        assert!(!serves(&kept, "flag", &word("number", ColumnUse::Categorical)));
        // Identifiers are too short for words to have been looked at.
        let words = word("id", ColumnUse::Text);
        assert!(!serves(&kept, "flag", &words) && serves(&found(&csv, look(None, &words)), "flag", &words));
        assert!(!serves(&kept, "flag", &word("truth", ColumnUse::Numeric)));
        assert!(!serves(&kept, "flag", &word("flag", ColumnUse::Ignore)));
        let weighted =
            Wishes { weight: Some("sign".into()), ..wishes("flag", &word("sign", ColumnUse::Ignore)) };
        assert!(!kept.serves(&weighted));
        assert!(!serves(&found(&csv, look(Some("sign"), &none)), "flag", &none));
        // Of a text with many values the classes are not kept; of a number they do not matter, unless asked for.
        assert!(!serves(&kept, "id", &none) && serves(&kept, "number", &none));
        let softmax = Wishes { loss: Some(LossChoice::Softmax), ..wishes("number", &none) };
        assert!(!kept.serves(&softmax));
        let several = Wishes { target: "few".into(), ..softmax };
        assert!(kept.serves(&several));
        let direct = found(&csv, look(Some("few"), &none));
        assert_eq!(decide(&direct, &several).unwrap(), decide(&kept, &several).unwrap());
    }
}
