//! Class weights: how much more the rows of a class count when a model learns.

use super::{Target, listed};
use crate::error::{Error, Result};

/// How much the rows of each class count, besides their own importance weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ClassWeights {
    /// All alike.
    #[default]
    None,
    /// Each class as much as any other: a row counts `1 / (classes * share of its class)`, as scikit-learn's
    /// `class_weight="balanced"` has it.
    Balanced,
    /// These classes so much, others 1.
    Given(Vec<(String, f64)>),
}

impl Target {
    /// The factor of the rows of each class, in the order of the labels; none if all are 1.
    ///
    /// # Errors
    /// If the target is a number, or has no such class.
    pub fn class_weights(&self, wish: &ClassWeights) -> Result<Vec<f32>> {
        if *wish == ClassWeights::None {
            return Ok(Vec::new());
        }
        let names = self.classes();
        if names.is_empty() {
            return Err(Error::usage("--class-weight suits a target of classes, not a number")
                .remedy("name a column in --weight, or a loss for classes in --loss"));
        }
        let mut weights = vec![1.0; names.len()];
        match wish {
            ClassWeights::None => {}
            ClassWeights::Balanced => {
                for (weight, share) in weights.iter_mut().zip(self.shares()) {
                    *weight = (1.0 / (names.len() as f64 * share)) as f32;
                }
            }
            ClassWeights::Given(given) => {
                for (i, (class, weight)) in given.iter().enumerate() {
                    if given[..i].iter().any(|(other, _)| other == class) {
                        return Err(Error::usage(format!("--class-weight names the class {class:?} twice")));
                    }
                    let place = names.iter().position(|name| name == class).ok_or_else(|| {
                        Error::usage(format!(
                            "--class-weight names {class:?}, which no row of the sample has"
                        ))
                        .remedy(format!("the classes are {}", listed(&names)))
                    })?;
                    weights[place] = *weight as f32;
                }
            }
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iris() -> Target {
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        Target::Classes { column: "y".into(), classes, shares: vec![0.5, 0.3, 0.2] }
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // compute_class_weight("balanced", classes=[0, 1, 2], y=[0]*5 + [1]*3 + [2]*2)
        let weights = iris().class_weights(&ClassWeights::Balanced).unwrap();
        let expected = [2.0 / 3.0, 10.0 / 9.0, 5.0 / 3.0];
        assert!(weights.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{weights:?}");
        let binary = Target::Binary {
            column: "y".into(),
            positive: "1".into(),
            negative: Some("0".into()),
            share: 0.1,
            numeric: true,
        };
        assert_eq!(binary.class_weights(&ClassWeights::Balanced).unwrap(), [1.0 / 1.8, 5.0]);
        assert!(binary.class_weights(&ClassWeights::None).unwrap().is_empty());
    }

    #[test]
    fn named_classes_get_their_weights_and_unknown_ones_are_errors() {
        let given = |pairs: &[(&str, f64)]| {
            let pairs = pairs.iter().map(|(class, weight)| ((*class).to_string(), *weight));
            iris().class_weights(&ClassWeights::Given(pairs.collect()))
        };
        assert_eq!(given(&[("c", 2.5), ("a", 0.0)]).unwrap(), [0.0, 1.0, 2.5]);
        let unknown = given(&[("d", 1.0)]).unwrap_err().to_string();
        assert!(unknown.contains("\"d\"") && unknown.contains("\"a\", \"b\", \"c\""), "{unknown}");
        assert!(given(&[("a", 1.0), ("a", 2.0)]).unwrap_err().to_string().contains("twice"));
        let number =
            Target::Number { column: "y".into(), offset: 0.0, scale: 1.0, mean: 0.0, is_count: false };
        assert!(number.class_weights(&ClassWeights::Balanced).unwrap_err().to_string().contains("number"));
    }
}
