//! Outputs: what predicting writes for each row, made of its margins.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};

use crate::error::{Error, Result};
use crate::features::Target;
use crate::learn::kernels::LARGEST_LOGARITHM;
use crate::learn::{Loss, kernels, softmax};

/// The prediction's columns: `prediction`, the class or the number; then, for classes, `probability` (of the
/// positive class, or of the predicted one of several), or for losses without probabilities `margin`; and one
/// column for each class if all probabilities are asked for.
#[derive(Debug)]
pub(super) struct Outputs {
    kind: Kind,
    classes: Vec<String>,
    /// Whether each class's probability gets a column.
    each: bool,
}

#[derive(Debug)]
enum Kind {
    /// The class and its margin.
    Margin,
    /// The class and the positive one's probability.
    Logistic,
    /// The class and its probability.
    Softmax,
    Number(Target),
    /// A number whose logarithm is the margin.
    Count(Target),
}

impl Outputs {
    /// The outputs of a model of this target and loss.
    ///
    /// # Errors
    /// If the classes' probabilities are asked for and there are none.
    pub(super) fn new(target: &Target, loss: Loss, each: bool) -> Result<Self> {
        let kind = match (target, loss) {
            (Target::Classes { .. }, _) => Kind::Softmax,
            (Target::Binary { .. }, Loss::Hinge | Loss::SquaredHinge) => Kind::Margin,
            (Target::Binary { .. }, _) => Kind::Logistic,
            (Target::Number { is_count: true, .. }, _) => Kind::Count(target.clone()),
            (Target::Number { .. }, _) => Kind::Number(target.clone()),
        };
        if each && !matches!(kind, Kind::Softmax | Kind::Logistic) {
            let message = format!("a model of the {} loss knows no probabilities of classes", loss.name());
            return Err(Error::usage(message).remedy("leave --probabilities out"));
        }
        Ok(Outputs { kind, classes: target.classes(), each })
    }

    /// The columns' names and types.
    pub(super) fn fields(&self) -> Vec<FieldRef> {
        let number = |name: &str| Arc::new(Field::new(name, DataType::Float64, false));
        let single = |name: &str| Arc::new(Field::new(name, DataType::Float32, false));
        let class = || Arc::new(Field::new("prediction", DataType::Utf8, false));
        let mut fields = match self.kind {
            Kind::Margin => vec![class(), single("margin")],
            Kind::Logistic | Kind::Softmax => vec![class(), single("probability")],
            Kind::Number(_) | Kind::Count(_) => vec![number("prediction")],
        };
        if self.each {
            fields.extend(self.classes.iter().map(|class| single(&format!("p({class})"))));
        }
        fields
    }

    /// Bytes of a row of the columns, about.
    pub(super) fn row_bytes(&self) -> usize {
        64 + if self.each { 8 * self.classes.len() } else { 0 }
    }

    /// The columns, of margins row by row.
    pub(super) fn columns(&self, mut margins: Vec<f32>) -> Vec<ArrayRef> {
        match &self.kind {
            Kind::Number(target) => vec![floats(margins.iter().map(|&m| target.unscale(m)))],
            Kind::Count(target) => {
                vec![floats(margins.iter().map(|&m| target.unscale(m).min(LARGEST_LOGARITHM.into()).exp()))]
            }
            Kind::Margin => {
                vec![self.classes_of(margins.iter().map(sign)), singles(margins)]
            }
            Kind::Logistic => {
                let mut columns = vec![self.classes_of(margins.iter().map(sign))];
                kernels::probability(&mut margins);
                let negative = self.each.then(|| margins.iter().map(|p| 1.0 - p).collect());
                let positive = singles(margins);
                columns.push(positive.clone());
                columns
                    .extend(negative.into_iter().flat_map(|negative| [singles(negative), positive.clone()]));
                columns
            }
            Kind::Softmax => self.several(margins),
        }
    }

    fn several(&self, mut margins: Vec<f32>) -> Vec<ArrayRef> {
        let count = self.classes.len();
        let best: Vec<usize> = margins.chunks_exact(count).map(largest).collect();
        margins.chunks_exact_mut(count).for_each(softmax);
        let of_best = margins.chunks_exact(count).zip(&best).map(|(row, &class)| row[class]);
        let mut columns = vec![self.classes_of(best.iter().copied()), singles(of_best.collect())];
        if self.each {
            let of = |class: usize| singles(margins.iter().skip(class).step_by(count).copied().collect());
            columns.extend((0..count).map(of));
        }
        columns
    }

    fn classes_of(&self, places: impl Iterator<Item = usize>) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(places.map(|place| self.classes[place].as_str())))
    }
}

/// The class that a margin speaks for.
fn sign(margin: &f32) -> usize {
    usize::from(*margin > 0.0)
}

/// The place of the largest margin, of equal ones the first.
fn largest(margins: &[f32]) -> usize {
    (1..margins.len()).fold(0, |best, place| if margins[place] > margins[best] { place } else { best })
}

fn floats(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn singles(values: Vec<f32>) -> ArrayRef {
    Arc::new(Float32Array::from(values))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float32Type, Float64Type};

    use super::*;

    fn several() -> Target {
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        Target::Classes { column: "y".into(), classes, shares: vec![0.2, 0.3, 0.5] }
    }

    fn binary() -> Target {
        let (positive, column) = ("yes".to_string(), "y".to_string());
        Target::Binary { column, positive, negative: Some("no".into()), share: 0.5, numeric: false }
    }

    fn names(outputs: &Outputs) -> Vec<String> {
        outputs.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn texts(column: &ArrayRef) -> Vec<&str> {
        column.as_string::<i32>().iter().flatten().collect()
    }

    fn numbers(column: &ArrayRef) -> Vec<f64> {
        column.as_primitive::<Float64Type>().values().to_vec()
    }

    fn singles(column: &ArrayRef) -> Vec<f32> {
        column.as_primitive::<Float32Type>().values().to_vec()
    }

    #[test]
    fn several_classes_have_the_likeliest_and_all_probabilities() {
        let outputs = Outputs::new(&several(), Loss::Softmax, true).unwrap();
        assert_eq!(names(&outputs), ["prediction", "probability", "p(a)", "p(b)", "p(c)"]);
        // By numpy: softmax([0, ln 2, ln 5]) = [1, 2, 5] / 8.
        let margins = vec![0.0, 2f32.ln(), 5f32.ln(), 3.0, 3.0, -1e30];
        let columns = outputs.columns(margins);
        assert_eq!(columns.len(), outputs.fields().len());
        assert_eq!(texts(&columns[0]), ["c", "a"]);
        for (column, expected) in
            columns[1..].iter().zip([[0.625, 0.5], [0.125, 0.5], [0.25, 0.5], [0.625, 0.0]])
        {
            let found = singles(column);
            assert!((0..2).all(|row| (found[row] - expected[row]).abs() < 1e-6), "{found:?} {expected:?}");
        }
        let short = Outputs::new(&several(), Loss::Softmax, false).unwrap();
        assert_eq!(short.columns(vec![0.0; 6]).len(), 2);
    }

    #[test]
    fn two_classes_have_a_probability_or_a_margin() {
        let logistic = Outputs::new(&binary(), Loss::Logistic, true).unwrap();
        assert_eq!(names(&logistic), ["prediction", "probability", "p(no)", "p(yes)"]);
        let columns = logistic.columns(vec![0.0, 3f32.ln()]);
        assert_eq!(texts(&columns[0]), ["no", "yes"]);
        assert!((singles(&columns[2])[1] - 0.25).abs() < 1e-6);
        assert_eq!(singles(&columns[1]), singles(&columns[3]));
        let hinge = Outputs::new(&binary(), Loss::Hinge, false).unwrap();
        assert_eq!(names(&hinge), ["prediction", "margin"]);
        let columns = hinge.columns(vec![-0.5, 2.0]);
        assert_eq!((texts(&columns[0]), singles(&columns[1])), (vec!["no", "yes"], vec![-0.5, 2.0]));
        let error = Outputs::new(&binary(), Loss::Hinge, true).unwrap_err().to_string();
        assert!(error.contains("hinge") && error.contains("--probabilities"), "{error}");
    }

    #[test]
    fn numbers_are_in_the_targets_unit_and_counts_are_exponentials() {
        let number =
            |is_count, scale| Target::Number { column: "y".into(), offset: 0.0, scale, mean: 0.0, is_count };
        let outputs = Outputs::new(&number(false, 10.0), Loss::Quantile { tau: 0.5 }, false).unwrap();
        assert_eq!(numbers(&outputs.columns(vec![0.5])[0]), [5.0]);
        let outputs = Outputs::new(&number(true, 1.0), Loss::Poisson, false).unwrap();
        assert_eq!(numbers(&outputs.columns(vec![0.0, 1.0])[0]), [1.0, 1f64.exp()]);
        assert_eq!(outputs.columns(Vec::new())[0].len(), 0);
    }
}
