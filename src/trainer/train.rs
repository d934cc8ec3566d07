//! Training: from a configuration to a model file and a summary.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::datatypes::Schema;
use xxhash_rust::xxh3::Xxh3;

use super::checkpoint::{Checkpoints, Identity};
use super::config::{PlanConfig, ShuffleMode, TrainConfig};
use super::evaluate::{check_columns, check_offset};
use super::exact;
use super::holdout::Division;
use super::notes::Notes;
use super::pass::Passes;
use super::plan::{Planned, make_plan};
use super::race::{RACE_ROWS, told};
use super::reading::{check_output, request};
use super::run::Run;
use super::summary::{ModelSummary, Summary, plan_lines};
use super::task::{Fit, Task};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::features::{Decided, Encoder, Plan, RowFilter, Target, no_such_column};
use crate::input::{Dataset, Request};
use crate::learn::{Loss, ModelForm, Optimizer, Penalty, Schedule, Settings, Shape, Variant};
use crate::model::{About, Model};
use crate::output::AtomicFile;
use crate::pipeline::{Budget, GradientWorkers, Stages};

/// Share of the rows held out when several epochs race and the user names none.
const AUTO_HOLDOUT: f64 = 0.1;

/// Trains a model and writes it.
///
/// # Errors
/// Those of the data and of the configuration; nothing is written then.
pub fn train(config: &TrainConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Summary> {
    let start = Instant::now();
    let mut notes = Notes::new(watch);
    let dataset = open(config, &mut notes)?;
    let mut init = config.init.as_deref().map(Model::load).transpose()?;
    if let Some(model) = &mut init {
        check_init(model, &config.plan, &dataset, notes.watch)?;
        model.make_room();
    }
    let identity = || Identity::of("train", &[], config, dataset.contents());
    let mut checkpoints = Checkpoints::open(&config.checkpoints, identity, &mut notes)?;
    let result = plan_and_learn(config, &dataset, init.as_ref(), stop, &mut checkpoints, &mut notes);
    checkpoints.conclude(result.and_then(|summary| summary.hand_in(start, notes)))
}

/// Plans, learns a model and saves it.
fn plan_and_learn(
    config: &TrainConfig,
    dataset: &Dataset,
    init: Option<&Model>,
    stop: &AtomicBool,
    checkpoints: &mut Checkpoints,
    notes: &mut Notes<'_>,
) -> Result<Summary> {
    let given = init.map(|Model { about, .. }| Decided {
        plan: about.plan.clone(),
        loss: about.loss,
        notes: Vec::new(),
    });
    let planned = make_plan(&config.plan, given, dataset, stop, notes.watch)?;
    planned.notes.iter().for_each(|note| notes.say(note.clone()));
    checkpoints.learn_by(&planned.plan)?;
    let task = make_task(config, &planned, init, notes)?;
    let passes = make_passes(config, dataset, &planned, stop, notes);
    learn_and_save(&task, &passes, init, &planned.stages, checkpoints, notes)
}

/// Learns a model and saves it; `before` is where the time went until then.
fn learn_and_save(
    task: &Task<'_>,
    passes: &Passes<'_>,
    init: Option<&Model>,
    before: &Stages,
    checkpoints: &mut Checkpoints,
    notes: &mut Notes<'_>,
) -> Result<Summary> {
    let learning = Instant::now();
    let mut fit = if task.config.optimizer == Optimizer::Lbfgs {
        exact::fit(task, passes, init, checkpoints, notes)?
    } else {
        let pages = checkpoints.pages();
        let run = match pages {
            None => Run::new(task, passes, init, notes)?,
            Some(pages) => Run::resume(task, passes, init, pages, notes)?,
        };
        run.fit(checkpoints, notes)?
    };
    let learning_seconds = learning.elapsed().as_secs_f64();
    passes.dataset.check_unchanged()?;
    if fit.rows_learned == 0 {
        return Err(Error::data("no row was left to learn from").remedy("hold out or skip fewer rows"));
    }
    if fit.progressive.as_ref().is_some_and(|report| report.mean_loss.is_none()) {
        return Err(no_weight());
    }
    fit.stages.add(before);
    let mut summary = Summary {
        command: "train",
        progressive: fit.progressive.take(),
        holdout: fit.holdout.take(),
        race: fit.race.take(),
        checkpoints: checkpoints.cost()?,
        ..summary(task, &fit, learning_seconds)
    };
    save(task, passes.dataset, fit, &mut summary)?;
    Ok(summary)
}

/// The error of rows that weigh nothing.
pub(super) fn no_weight() -> Error {
    Error::data("the weights of all rows are zero: there is nothing to learn from")
        .remedy("leave out --weight, or name another column")
}

/// Opens the data, and makes sure that the model's file can be written, if one is wanted: before anything is read, since
/// a model that can't be written is not worth training.
pub(super) fn open(config: &TrainConfig, notes: &mut Notes<'_>) -> Result<Dataset> {
    config.model.as_deref().map_or(Ok(()), AtomicFile::check)?;
    let dataset = Dataset::open(&config.plan.inputs, &config.plan.read)?;
    config.model.as_deref().map_or(Ok(()), |model| check_output(model, &dataset))?;
    dataset.notes().iter().for_each(|note| notes.say(note.clone()));
    Ok(dataset)
}

/// Writes the model, if it is wanted, and says so in the summary.
pub(super) fn save(task: &Task<'_>, dataset: &Dataset, fit: Fit, summary: &mut Summary) -> Result<()> {
    let config = task.config;
    let Some(path) = &config.model else { return Ok(()) };
    check_finite(task, &fit)?;
    let (weights, non_zero) = (fit.linear.len(), fit.linear.non_zero());
    let (learning_rate, capped) = (fit.rate, fit.capped);
    let model = Model {
        about: About {
            plan: Plan::clone(&task.plan),
            loss: task.loss,
            form: task.settings.form,
            optimizer: config.optimizer,
            learning_rate,
            schedule: task.settings.schedule,
            caution: task.settings.caution,
            penalty: Penalty { l2: fit.l2, ..task.settings.variants[0].penalty },
            batch_size: config.batch_size,
            epochs: fit.epochs,
            seed: config.plan.seed,
            data: fingerprint(dataset.schema(), fit.rows()),
            rows: fit.rows_learned,
        },
        linear: fit.linear,
        state: fit.state,
    };
    let (bytes, sha256) = model.save(AtomicFile::create(path)?)?;
    summary.model = Some(ModelSummary { bytes, weights, non_zero, learning_rate, capped });
    summary.model_sha256 = Some(sha256);
    Ok(())
}

/// Refuses a model that has come to numbers which are not finite. Losses tell that of all mini-batches but the last, and
/// of weights alone.
fn check_finite(task: &Task<'_>, fit: &Fit) -> Result<()> {
    let all = [
        ("the weight", &fit.linear.weights),
        ("what the optimiser keeps", &fit.state.accumulators),
        ("what the optimiser keeps", &fit.state.z),
    ];
    let bad = all.into_iter().find_map(|(what, weights)| Some((what, weights.not_finite()?)));
    let Some((what, part)) = bad else { return Ok(()) };
    let column = fit.linear.column_at(part, task.settings.shape.slots);
    let of =
        column.map_or("the bias".to_string(), |column| format!("column `{}`", task.plan.column_name(column)));
    let message =
        format!("{what} of {of} has grown beyond all bounds with the learning rate {}", told(fit.rate));
    Err(Error::data(message).remedy(
        "give a smaller --learning-rate, let numbers be scaled, leave out rows of extreme weights or offsets, or \
         ignore the column",
    ))
}

/// What all runs that learn say.
pub(super) fn summary(task: &Task<'_>, fit: &Fit, learning_seconds: f64) -> Summary {
    let (config, rows) = (&task.config.plan, fit.rows());
    Summary {
        rows,
        epochs: Some(fit.epochs),
        rows_per_second: fit.stages.rows_read as f64 / learning_seconds.max(1e-9),
        bytes_read: fit.stages.bytes_read,
        threads: config.threads,
        seed: Some(config.seed),
        loss: task.loss.name(),
        target: serde_json::to_value(&task.plan.target).unwrap_or_default(),
        plan: plan_lines(&task.plan),
        stages: fit.stages,
        skipped: fit.skipped.clone(),
        ..Summary::default()
    }
}

/// Refuses options that the model to start from does not fulfil, and data without what it needs; says which of its
/// features the data lacks.
fn check_init(model: &Model, config: &PlanConfig, dataset: &Dataset, watch: &mut dyn Watch) -> Result<()> {
    let About { plan, loss, .. } = &model.about;
    plan.agree(*loss, &config.wishes())?;
    if config.scan_classes {
        return Err(Error::usage("--scan-classes does not go with --init: the classes are the model's")
            .remedy("leave one of them out"));
    }
    let names = dataset.schema().fields().iter().map(|field| field.name().as_str());
    for name in [plan.target.column()].into_iter().chain(plan.weight.as_deref()) {
        if !names.clone().any(|other| other == name) {
            return Err(no_such_column(name, names));
        }
    }
    check_offset(dataset, plan)?;
    check_columns(dataset, &plan.inputs(), watch);
    Ok(())
}

/// The word for a form in messages.
fn word(form: ModelForm) -> String {
    match form {
        ModelForm::Linear | ModelForm::Classes { .. } => "linear".to_string(),
        ModelForm::Factors { factors } => format!("one of {factors} factors"),
    }
}

/// What is to be learned, and how.
pub(super) fn make_task<'a>(
    config: &'a TrainConfig,
    planned: &Planned,
    init: Option<&Model>,
    notes: &mut Notes<'_>,
) -> Result<Task<'a>> {
    let plan = planned.plan.clone();
    let loss = planned.loss;
    let settings = make_settings(config, &plan, loss)?;
    if let Some(Model { about, .. }) = init
        && about.form != settings.form
    {
        let [before, now] = [about.form, settings.form].map(word);
        return Err(Error::usage(format!("the model to start from is {before}, not {now}"))
            .remedy("give the same --factors as before, or train anew without --init"));
    }
    let (weighted, offset) = (plan.weight.is_some(), plan.offset.is_some());
    if plan.shape() == (Shape { weighted, offset, ..Shape::default() }) {
        notes.say("no column is used: the model will know only the target's mean".to_string());
    }
    let settings = match init {
        Some(model) => settings.sized_for(&model.linear),
        None => settings,
    };
    Ok(Task { config, loss, settings, plan, race_rows: RACE_ROWS })
}

/// What learners of a configuration are made from.
pub(super) fn make_settings(config: &TrainConfig, plan: &Plan, loss: Loss) -> Result<Settings> {
    let form = match (config.factors, plan.target.outputs()) {
        (None, 1) => ModelForm::Linear,
        (None, classes) => ModelForm::Classes { classes },
        (Some(factors), 1) => ModelForm::Factors { factors },
        (Some(_), _) => {
            return Err(Error::usage("factors are for one margin, softmax has one for each class")
                .remedy("leave out --factors, or learn one class against the others: --positive CLASS"));
        }
    };
    let curvature = curvature(loss, &plan.target);
    let rates = match config.learning_rate {
        Some(rate) => vec![rate],
        None => config.optimizer.default_rates(curvature).to_vec(),
    };
    let penalty = config.penalty.unwrap_or(Penalty::NONE);
    let textbook = config.is_textbook();
    Ok(Settings {
        loss: loss.in_units_of(plan.target.scale()),
        class_weights: plan.target.class_weights(&config.class_weights)?,
        form,
        optimizer: config.optimizer,
        variants: Variant::at_each(&rates, penalty),
        schedule: config.schedule.unwrap_or(Schedule::CONSTANT),
        caution: if textbook { 0.0 } else { caution(curvature, config.batch_size) },
        // The textbook starts from zero; without a rate of the user's own it is the result that counts.
        start: if textbook { Vec::new() } else { plan.target.start(loss) },
        seed: config.plan.seed,
        shape: plan.shape(),
        tables: plan.tables(),
        max_bytes: config.max_model,
    })
}

/// The mean curvature of the loss near a good fit, which is the mean square of its derivative, too: about one in the
/// units of all losses, but in those of counts, whose variance is their mean.
fn curvature(loss: Loss, target: &Target) -> f32 {
    match (loss, target) {
        (Loss::Poisson, Target::Number { mean, .. }) if *mean > 0.0 => *mean as f32,
        _ => 1.0,
    }
}

/// What accumulators of categories start from: as much as two rows of a mini-batch leave there.
fn caution(curvature: f32, batch_size: usize) -> f32 {
    2.0 * curvature / (batch_size * batch_size) as f32
}

/// How the rows come.
pub(super) fn make_passes<'a>(
    config: &TrainConfig,
    dataset: &'a Dataset,
    planned: &Planned,
    stop: &'a AtomicBool,
    notes: &mut Notes<'_>,
) -> Passes<'a> {
    let exact = config.optimizer == Optimizer::Lbfgs;
    let shuffled = match config.shuffle {
        ShuffleMode::None => false,
        // Sums over all rows don't ask for their order.
        ShuffleMode::Auto => !exact && (config.epochs() > 1 || !planned.is_well_mixed),
    };
    if shuffled {
        notes.say("rows are shuffled".to_string());
    } else if config.shuffle == ShuffleMode::Auto && !exact {
        notes.say("rows are taken as they come: the sample shows them well mixed".to_string());
    } else if !planned.is_well_mixed && !exact {
        notes.say("the target follows the order of the rows; without --shuffle auto the model may lean to the last ones".to_string());
    }
    let filter = if config.plan.read.skips_bad { RowFilter::Skip } else { RowFilter::Fail };
    let encoder = Encoder::new(planned.plan.clone(), filter);
    let fraction = config.holdout.unwrap_or(if config.chooses() { AUTO_HOLDOUT } else { 0.0 });
    Passes {
        dataset,
        stop,
        seed: config.plan.seed,
        crew: Arc::new(GradientWorkers::of(config.plan.threads)),
        request: Request { rejects: config.plan.read.skips_bad, ..request(&encoder, &[]) },
        encoder,
        shuffled,
        rows: planned.rows,
        division: Division::new(fraction, config.plan.seed),
        folds: None,
        starts: planned.starts.clone(),
        budget: config.plan.memory.map_or_else(Budget::from_machine, |total| Budget { total }),
        least_memory: planned.least_memory,
    }
}

/// What tells data from other data, whatever files and format it is kept in.
fn fingerprint(schema: &Schema, rows: u64) -> String {
    let mut names = Xxh3::new();
    for field in schema.fields() {
        // A byte that no name has ends each.
        names.update(field.name().as_bytes());
        names.update(&[0xff]);
    }
    format!("{rows} rows read, {} columns, names {:016x}", schema.fields().len(), names.digest())
}
