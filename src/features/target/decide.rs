//! Understanding the target: from what a sample shows of it, and the user's wishes, to its meaning and the
//! loss that it is learned by.

use super::choice::{QUARTILES, robust_deviation};
use super::notes::notes;
use super::{LossChoice, OffsetKind, Target, listed};
use crate::error::{Error, Result};
use crate::features::decide::Wishes;
use crate::features::profile::{ColumnProfile, Findings, Numbers, Profile};
use crate::features::scale::{Form, Scale};
use crate::features::values::Sort;
use crate::learn::{Loss, Task};
use crate::suggest::no_such_column;

/// What was understood of a target.
#[derive(Debug)]
pub(in crate::features) struct Understood {
    pub(in crate::features) target: Target,
    pub(in crate::features) loss: Loss,
    /// What the user should know.
    pub(in crate::features) notes: Vec<String>,
}

/// The classes of a sample with how often each occurs.
type Counts = [(String, u64)];

/// Says what the target means.
///
/// # Errors
/// If it can't be learned as the user wishes.
pub(in crate::features) fn understand_target(profile: &Profile, wishes: &Wishes) -> Result<Understood> {
    let column = profile.column(&wishes.target).ok_or_else(|| no_such_column(&wishes.target, []))?;
    if !column.sort.suits_a_target() {
        return Err(fault(column, format!("a target of type {} can't be learned", column.data_type))
            .remedy("name a column of numbers or of classes"));
    }
    if column.missing == profile.rows {
        return Err(fault(column, "the target is missing in the whole sample".to_string()));
    }
    let classes = sorted(&column.classes);
    let (target, loss) = match task(column, wishes) {
        Task::Binary => binary(column, &classes, wishes, profile.whole)?,
        Task::Classes => several(column, classes, wishes, profile.whole)?,
        Task::Number | Task::Count => number(column, wishes)?,
    };
    check_offset(wishes, loss)?;
    let notes = notes(column, wishes, &target, loss);
    Ok(Understood { target, loss, notes })
}

/// Whether the target can't be understood without knowing its classes.
pub(in crate::features) fn needs_classes(column: &ColumnProfile, wishes: &Wishes) -> bool {
    match wishes.loss.map(LossChoice::task) {
        Some(task) => matches!(task, Task::Binary | Task::Classes),
        None => column.sort != Sort::Number,
    }
}

/// What is to be learned, by the user's word or by what the values look like.
pub(in crate::features) fn task(column: &ColumnProfile, wishes: &Wishes) -> Task {
    if let Some(loss) = wishes.loss {
        return loss.task();
    }
    let two_classes = column.classes.len() == 2;
    let is_sign = |x: &str| matches!(x, "0" | "1" | "-1");
    match column.sort {
        Sort::Number if two_classes && column.classes.iter().all(|(x, _)| is_sign(x)) => Task::Binary,
        Sort::Number => Task::Number,
        _ if two_classes || wishes.positive.is_some() => Task::Binary,
        _ => Task::Classes,
    }
}

fn fault(column: &ColumnProfile, message: String) -> Error {
    Error::data(message).in_column(&column.name)
}

/// Classes by number if all are numbers, else by text.
fn sorted(classes: &Counts) -> Vec<(String, u64)> {
    let mut classes = classes.to_vec();
    let all_numbers = classes.iter().all(|(class, _)| class.parse::<f64>().is_ok());
    classes.sort_by(|a, b| match (a.0.parse::<f64>(), b.0.parse::<f64>()) {
        (Ok(x), Ok(y)) if all_numbers => x.total_cmp(&y).then_with(|| a.0.cmp(&b.0)),
        _ => a.0.cmp(&b.0),
    });
    classes
}

/// The error of a target that is the same in all rows.
fn constant(column: &ColumnProfile, only: &str, whole: bool) -> Error {
    let error = fault(column, format!("every row of the sample has the target {only:?}"));
    if whole {
        error.remedy("a classifier needs two classes: name another column in --target")
    } else {
        error.remedy(
            "a classifier needs two classes: name another column in --target, or give --scan-classes if rows \
             that are not in the sample have others",
        )
    }
}

/// The error of a target whose classes were not kept, since they are too many or too long.
fn too_many(column: &ColumnProfile) -> Error {
    let message = format!("the target has {} distinct values, too many for classes", count(column));
    fault(column, message).remedy(match column.sort {
        Sort::Number => "learn it as a number, as --loss squared does",
        _ => "name a column with at most 4096 classes of at most 256 bytes each in --target",
    })
}

fn count(column: &ColumnProfile) -> String {
    let more = if column.distinct_is_bound { "more than " } else { "" };
    format!("{more}{}", column.distinct)
}

fn binary(column: &ColumnProfile, classes: &Counts, wishes: &Wishes, whole: bool) -> Result<(Target, Loss)> {
    let loss = wishes.loss.map_or(Loss::Logistic, |choice| choice.resolve(1.0));
    let names: Vec<String> = classes.iter().map(|(class, _)| class.clone()).collect();
    let all: u64 = classes.iter().map(|(_, n)| n).sum();
    let share = |place: usize| classes[place].1 as f64 / all as f64;
    let is_numeric = column.sort == Sort::Number;
    let place_of = |positive: &String| {
        // A number may be written in other ways: 1 as 1.0.
        let number = positive.parse::<f64>().ok().filter(|_| is_numeric);
        let is = |class: &String| class == positive || number.is_some() && class.parse().ok() == number;
        names.iter().position(is).ok_or_else(|| {
            let known = match &names[..] {
                [a, b] => format!("the classes are {a:?} and {b:?}"),
                _ => format!("the classes are {}", listed(&names)),
            };
            let error = Error::usage(format!("no row of the sample has the class {positive:?}"));
            if whole {
                error.remedy(known)
            } else {
                error.remedy(known).and("--scan-classes looks at all rows")
            }
        })
    };
    let target = |positive: usize, negative: Option<usize>| Target::Binary {
        column: wishes.target.clone(),
        positive: names[positive].clone(),
        negative: negative.map(|negative| names[negative].clone()),
        share: share(positive),
        numeric: is_numeric,
    };
    match (classes.len(), &wishes.positive) {
        (0, Some(_)) => Err(too_many(column)),
        (1, _) => Err(constant(column, &names[0], whole)),
        // As elsewhere in this field, the class that sorts last is the positive one.
        (2, None) => Ok((target(1, Some(0)), loss)),
        (2, Some(positive)) => {
            let positive = place_of(positive)?;
            Ok((target(positive, Some(1 - positive)), loss))
        }
        (_, Some(positive)) => Ok((target(place_of(positive)?, None), loss)),
        (_, None) => {
            let message = format!("the target has {} distinct values, expected two classes", count(column));
            let or = if is_numeric { ", or --loss squared for a number" } else { "" };
            Err(fault(column, message).remedy(format!(
                "give --loss softmax to learn them all, or --positive CLASS to tell one from all others{or}"
            )))
        }
    }
}

fn several(
    column: &ColumnProfile,
    classes: Vec<(String, u64)>,
    wishes: &Wishes,
    whole: bool,
) -> Result<(Target, Loss)> {
    if wishes.positive.is_some() {
        return Err(Error::usage("--positive suits a loss of two classes, not --loss softmax")
            .remedy("leave it out, or give --loss logistic to tell that class from all others"));
    }
    match &classes[..] {
        [] => return Err(too_many(column)),
        [(only, _)] => return Err(constant(column, only, whole)),
        _ => {}
    }
    let all: u64 = classes.iter().map(|(_, n)| n).sum();
    let shares = classes.iter().map(|(_, n)| *n as f64 / all as f64).collect();
    let classes = classes.into_iter().map(|(class, _)| class).collect();
    Ok((Target::Classes { column: wishes.target.clone(), classes, shares }, Loss::Softmax))
}

fn number(column: &ColumnProfile, wishes: &Wishes) -> Result<(Target, Loss)> {
    let choice = wishes.loss.unwrap_or(LossChoice::Squared);
    if wishes.positive.is_some() {
        return Err(Error::usage("--positive suits a target of two classes, not a number")
            .remedy("give --loss logistic to tell that value from all others, or leave --positive out"));
    }
    let Findings::Numbers(Numbers { moments, signed_log, .. }) = &column.found else {
        let message = format!("found {}, expected numbers for --loss {}", column.data_type, choice.name());
        return Err(fault(column, message).remedy("give --loss softmax, or logistic for two classes"));
    };
    let (mean, deviation) = (moments.mean, moments.deviation);
    if column.distinct == 1 {
        return Err(fault(column, format!("every row of the sample has the target {mean}"))
            .remedy("there is nothing to learn: name another column in --target"));
    }
    // What outliers do not move.
    let (middle, distance) = match signed_log {
        Some(Scale { form: Form::SignedLog { center, spread, .. }, .. }) => (*center, 2.0 * spread),
        _ => (mean, QUARTILES * deviation),
    };
    let loss = choice.resolve(distance);
    let (offset, scale) = match loss {
        _ if !wishes.scale || deviation <= 0.0 => (0.0, 1.0),
        // Its margin is a logarithm.
        Loss::Poisson => (0.0, 1.0),
        // In units of a deviation that outliers have blown up, the labels of all other rows would be alike.
        Loss::Huber { .. } | Loss::Quantile { .. } | Loss::EpsilonInsensitive { .. } => {
            (middle, robust_deviation(distance))
        }
        _ => (mean, deviation),
    };
    let is_count = loss.task() == Task::Count;
    Ok((Target::Number { column: wishes.target.clone(), offset, scale, mean, is_count }, loss))
}

fn check_offset(wishes: &Wishes, loss: Loss) -> Result<()> {
    let Some(offset) = &wishes.offset else { return Ok(()) };
    match (offset.kind, loss.task()) {
        (_, Task::Classes) => Err(Error::usage(
            "an --offset is the same for all classes and changes nothing",
        )
        .remedy("leave it out, or tell one class from all others by --loss logistic --positive CLASS")),
        (OffsetKind::Exposure, task) if task != Task::Count => {
            Err(Error::usage("--exposure suits --loss poisson alone")
                .remedy("give --loss poisson, too, or a column that is added as it is in --offset"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::features::{Offset, Overrides, Survey};
    use crate::learn::Alone;

    fn wishes(loss: Option<LossChoice>) -> Wishes {
        Wishes {
            target: "y".to_string(),
            loss,
            positive: None,
            weight: None,
            offset: None,
            scale: true,
            overrides: Overrides::default(),
            hash_seed: 1,
        }
    }

    fn understood(target: impl Array + 'static, wishes: &Wishes) -> Result<Understood> {
        let batch = RecordBatch::try_from_iter([("y", Arc::new(target) as ArrayRef)]).unwrap();
        let mut survey = Survey::new(batch.schema_ref(), Some("y"), &Overrides::default());
        survey.add(&batch, &Alone).unwrap();
        understand_target(&survey.profile(true), wishes)
    }

    fn said(target: impl Array + 'static, wishes: &Wishes) -> String {
        understood(target, wishes).unwrap_err().to_string()
    }

    fn texts(n: usize) -> StringArray {
        StringArray::from_iter_values((0..300).map(|i| format!("c{}", i % n)))
    }

    fn numbers(n: i64) -> Int64Array {
        Int64Array::from_iter_values((0..300).map(|i| i % n))
    }

    #[test]
    fn several_texts_are_classes_and_numbers_are_if_asked() {
        let Understood { target, loss, .. } = understood(texts(3), &wishes(None)).unwrap();
        assert_eq!(loss, Loss::Softmax);
        let Target::Classes { classes, shares, .. } = &target else { panic!("{target:?}") };
        assert_eq!(classes, &["c0", "c1", "c2"]);
        assert_eq!(shares, &[1.0 / 3.0; 3]);
        assert_eq!(understood(texts(2), &wishes(None)).unwrap().loss, Loss::Logistic);
        assert_eq!(understood(numbers(2), &wishes(None)).unwrap().loss, Loss::Logistic);
        assert_eq!(understood(numbers(12), &wishes(None)).unwrap().loss, Loss::Squared);
        let softmax = understood(numbers(12), &wishes(Some(LossChoice::Softmax))).unwrap();
        // By size, not by text.
        assert_eq!(softmax.target.classes()[8..], ["8", "9", "10", "11"]);
        let two = understood(numbers(2), &wishes(Some(LossChoice::Softmax))).unwrap();
        assert_eq!(two.target.outputs(), 2);
        let codes = StringArray::from_iter_values((0..90).map(|i| ["10", "9", "x"][i % 3]));
        assert_eq!(understood(codes, &wishes(None)).unwrap().target.classes(), ["10", "9", "x"]);
    }

    #[test]
    fn two_classes_are_made_of_several_only_by_naming_the_positive_one() {
        let logistic = wishes(Some(LossChoice::Hinge));
        let error = said(texts(3), &logistic);
        assert!(error.contains("3 distinct values") && error.contains("--positive CLASS"), "{error}");
        assert!(error.contains("--loss softmax") && !error.contains("squared"), "{error}");
        assert!(said(numbers(3), &logistic).contains("--loss squared"));
        for loss in [None, Some(LossChoice::Hinge)] {
            let one = Wishes { positive: Some("c1".into()), ..wishes(loss) };
            let Understood { target, loss: found, .. } = understood(texts(3), &one).unwrap();
            assert_eq!(found, loss.map_or(Loss::Logistic, |_| Loss::Hinge));
            assert_eq!(target.classes(), ["not c1", "c1"]);
            let two = Wishes { positive: Some("c0".into()), ..wishes(loss) };
            assert_eq!(understood(texts(2), &two).unwrap().target.classes(), ["c1", "c0"]);
        }
        let none = Wishes { positive: Some("c9".into()), ..wishes(None) };
        assert!(said(texts(3), &none).contains("\"c0\", \"c1\", \"c2\""));
        let softmax = Wishes { positive: Some("c1".into()), ..wishes(Some(LossChoice::Softmax)) };
        assert!(said(texts(3), &softmax).contains("not --loss softmax"));
        let number = Wishes { positive: Some("1".into()), ..wishes(None) };
        assert!(said(numbers(30), &number).contains("--loss logistic"));
    }

    #[test]
    fn parameters_and_units_of_robust_losses_ignore_outliers() {
        // Quartiles at 25 and 75 and a few outliers.
        let sample = Float64Array::from_iter_values((0..=1000).map(|i| match i {
            998.. => 1e9,
            i => f64::from(i % 101),
        }));
        let huber = understood(sample.clone(), &wishes(Some(LossChoice::Huber { delta: None }))).unwrap();
        let Loss::Huber { delta } = huber.loss else { panic!("{:?}", huber.loss) };
        assert!((49.0..=51.0).contains(&delta), "{delta}");
        let Target::Number { offset, scale, .. } = huber.target else { panic!() };
        assert!((49.0..=51.0).contains(&offset) && (36.0..=38.0).contains(&scale), "{offset} {scale}");
        assert!(huber.notes.iter().any(|note| note.contains("--huber-delta")), "{:?}", huber.notes);
        let given =
            understood(sample.clone(), &wishes(Some(LossChoice::Huber { delta: Some(2.0) }))).unwrap();
        assert_eq!(given.loss, Loss::Huber { delta: 2.0 });
        assert!(given.notes.is_empty());
        let epsilon = LossChoice::EpsilonInsensitive { epsilon: None };
        let Loss::EpsilonInsensitive { epsilon } =
            understood(sample.clone(), &wishes(Some(epsilon))).unwrap().loss
        else {
            panic!()
        };
        assert!((3.6..=3.8).contains(&epsilon), "{epsilon}");
        let raw = Wishes { scale: false, ..wishes(Some(LossChoice::Quantile { tau: 0.9 })) };
        assert_eq!(understood(sample, &raw).unwrap().target.scale(), 1.0);
    }

    #[test]
    fn a_count_is_not_scaled() {
        let poisson = understood(numbers(30), &wishes(Some(LossChoice::Poisson))).unwrap();
        let expected =
            Target::Number { column: "y".into(), offset: 0.0, scale: 1.0, mean: 14.5, is_count: true };
        assert_eq!((poisson.target, poisson.loss), (expected, Loss::Poisson));
        assert!(said(texts(3), &wishes(Some(LossChoice::Poisson))).contains("numbers for --loss poisson"));
    }

    #[test]
    fn offsets_suit_some_losses() {
        let offset = |kind| Some(Offset { column: "o".into(), kind });
        let softmax = Wishes { offset: offset(OffsetKind::Margin), ..wishes(None) };
        assert!(said(texts(3), &softmax).contains("changes nothing"));
        let exposure = Wishes { offset: offset(OffsetKind::Exposure), ..wishes(None) };
        assert!(said(numbers(30), &exposure).contains("--loss poisson"));
        let poisson = Wishes { loss: Some(LossChoice::Poisson), ..exposure };
        assert!(understood(numbers(30), &poisson).is_ok());
    }

    #[test]
    fn too_many_values_are_no_classes() {
        let many = StringArray::from_iter_values((0..5000).map(|i| format!("c{i}")));
        let error = said(many, &wishes(None));
        assert!(error.contains("5000 distinct values, too many") && error.contains("4096"), "{error}");
        let many = Int64Array::from_iter_values(0..5000);
        let error = said(many, &wishes(Some(LossChoice::Softmax)));
        assert!(
            error.contains("more than 4096 distinct values") && error.contains("--loss squared"),
            "{error}"
        );
    }
}
