//! Arguments that say what is learned: the target, its loss, and the columns that stand beside it.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};

use super::headings::{DATA, LEARNING};
use crate::error::{Error, Result};
use crate::features::{ClassWeights, ColumnUse, LossChoice, Offset, OffsetKind};
use crate::trainer::{Parameter, PlanConfig};

/// What is learned.
#[derive(Debug, Args)]
#[command(next_help_heading = DATA)]
pub(super) struct TargetArgs {
    /// The column to predict.
    #[arg(long, value_name = "COLUMN")]
    target: String,
    /// The loss to minimise [default: logistic for two classes, softmax for several, squared for
    /// numbers].
    #[arg(long, help_heading = LEARNING, value_enum)]
    loss: Option<LossArg>,
    /// Where the huber loss becomes straight, in the target's unit [default: the distance between the
    /// sample's quartiles, 1.35 deviations of a normal sample].
    #[arg(long, help_heading = LEARNING, value_name = "DELTA", value_parser = parse_positive)]
    huber_delta: Option<f64>,
    /// The quantile that the quantile loss predicts [default: 0.5, the median].
    #[arg(long, help_heading = LEARNING, value_name = "TAU", value_parser = parse_quantile)]
    quantile: Option<f64>,
    /// Residuals up to this cost nothing in the epsilon-insensitive loss, in the target's unit [default:
    /// 0.1 deviations of the sample, as its quartiles tell them].
    #[arg(long, help_heading = LEARNING, value_name = "EPSILON", value_parser = parse_at_least_zero)]
    epsilon: Option<f64>,
    /// The class to predict; of more than two it is told from all others [default: of two, the one that
    /// sorts last].
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true)]
    positive: Option<String>,
    /// Read the target of all rows first, so that no class is missed that the sample does not show.
    #[arg(long)]
    scan_classes: bool,
    /// A column of importance weights.
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// A column that is added to the margin as it is, in a regression to the prediction.
    #[arg(long, value_name = "COLUMN", conflicts_with = "exposure")]
    offset: Option<String>,
    /// A column whose logarithm is added to the margin of the poisson loss: counts grow with it.
    #[arg(long, value_name = "COLUMN")]
    exposure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum LossArg {
    /// Two classes, with probabilities: logistic regression.
    Logistic,
    /// Two classes: a linear support vector machine.
    Hinge,
    /// Two classes: a linear support vector machine with a smooth loss.
    SquaredHinge,
    /// Several classes, with probabilities: multinomial logistic regression.
    Softmax,
    /// A number: least squares, for the mean.
    Squared,
    /// A number: least squares, but absolute residuals for outliers.
    Huber,
    /// A number: a quantile, such as the median.
    Quantile,
    /// A number: support vector regression.
    EpsilonInsensitive,
    /// A count or amount of at least 0: Poisson regression with a log link.
    Poisson,
}

pub(super) fn parse_at_least_zero(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| *x >= 0.0 && x.is_finite());
    number.ok_or_else(|| "expected a number of at least 0".to_string())
}

fn parse_positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| *x > 0.0 && x.is_finite());
    number.ok_or_else(|| "expected a number above 0".to_string())
}

fn parse_quantile(text: &str) -> Result<f64, String> {
    let tau = text.parse::<f64>().ok().filter(|tau| *tau > 0.0 && *tau < 1.0);
    tau.ok_or_else(|| "expected a number between 0 and 1".to_string())
}

/// `none`, `balanced`, or weights of classes, as in `yes=10,no=1`.
pub(super) fn parse_class_weights(text: &str) -> Result<ClassWeights, String> {
    match text {
        "none" => return Ok(ClassWeights::None),
        "balanced" => return Ok(ClassWeights::Balanced),
        _ => {}
    }
    let given = text.split(',').map(|pair| {
        // A class may hold an equals sign, a weight does not.
        let (class, weight) = pair.rsplit_once('=').ok_or("expected balanced, none or CLASS=WEIGHT,...")?;
        let weight = weight.trim().parse::<f32>().ok().filter(|w| *w >= 0.0 && w.is_finite());
        let weight = weight.ok_or(format!("expected a number of at least 0 as the weight of {class:?}"))?;
        Ok((class.to_string(), f64::from(weight)))
    });
    given.collect::<Result<_, String>>().map(ClassWeights::Given)
}

impl TargetArgs {
    /// Whether an option fixes a parameter.
    pub(super) fn fixes(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::HuberDelta => self.huber_delta.is_some(),
            Parameter::Quantile => self.quantile.is_some(),
            Parameter::Epsilon => self.epsilon.is_some(),
            _ => false,
        }
    }

    /// The columns that can't be features, each with what it is.
    fn labels(&self) -> impl Iterator<Item = (&String, &'static str)> {
        [(Some(&self.target), "target"), (self.weight.as_ref(), "weight")]
            .into_iter()
            .chain([(self.offset.as_ref(), "offset"), (self.exposure.as_ref(), "exposure")])
            .filter_map(|(column, what)| Some((column?, what)))
    }

    /// Refuses columns with two roles; `said` are the uses that options give to columns.
    fn check_roles(&self, said: &BTreeMap<String, ColumnUse>) -> Result<()> {
        for (i, (column, what)) in self.labels().enumerate() {
            if said.contains_key(column) {
                let message = format!("column `{column}` is the {what} and can't be a feature, too");
                return Err(Error::usage(message).remedy("name it in one option only"));
            }
            if let Some((_, other)) = self.labels().take(i).find(|(before, _)| *before == column) {
                let message = format!("column `{column}` can't be both {other} and {what}");
                return Err(Error::usage(message).remedy("name another column for one of them"));
            }
        }
        Ok(())
    }

    fn loss(&self) -> Result<Option<LossChoice>> {
        for (given, option, loss, name) in [
            (self.huber_delta.is_some(), "--huber-delta", LossArg::Huber, "huber"),
            (self.quantile.is_some(), "--quantile", LossArg::Quantile, "quantile"),
            (self.epsilon.is_some(), "--epsilon", LossArg::EpsilonInsensitive, "epsilon-insensitive"),
        ] {
            if given && self.loss != Some(loss) {
                return Err(Error::usage(format!("{option} is a parameter of --loss {name} alone"))
                    .remedy(format!("give --loss {name}, too, or leave {option} out")));
            }
        }
        Ok(self.loss.map(|loss| match loss {
            LossArg::Logistic => LossChoice::Logistic,
            LossArg::Hinge => LossChoice::Hinge,
            LossArg::SquaredHinge => LossChoice::SquaredHinge,
            LossArg::Softmax => LossChoice::Softmax,
            LossArg::Squared => LossChoice::Squared,
            LossArg::Huber => LossChoice::Huber { delta: self.huber_delta },
            LossArg::Quantile => LossChoice::Quantile { tau: self.quantile.unwrap_or(0.5) },
            LossArg::EpsilonInsensitive => LossChoice::EpsilonInsensitive { epsilon: self.epsilon },
            LossArg::Poisson => LossChoice::Poisson,
        }))
    }

    /// Puts what is learned into a configuration.
    pub(super) fn validate(self, said: &BTreeMap<String, ColumnUse>, config: &mut PlanConfig) -> Result<()> {
        self.check_roles(said)?;
        config.loss = self.loss()?;
        let offset = self.offset.map(|column| Offset { column, kind: OffsetKind::Margin });
        let exposure = self.exposure.map(|column| Offset { column, kind: OffsetKind::Exposure });
        config.offset = offset.or(exposure);
        config.target = self.target;
        config.positive = self.positive;
        config.scan_classes = self.scan_classes;
        config.weight = self.weight;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_weights_are_a_word_or_a_list() {
        assert_eq!(parse_class_weights("balanced"), Ok(ClassWeights::Balanced));
        assert_eq!(parse_class_weights("none"), Ok(ClassWeights::None));
        let given = vec![("a".to_string(), 2.5), ("b=c".to_string(), 0.0)];
        assert_eq!(parse_class_weights("a=2.5,b=c=0"), Ok(ClassWeights::Given(given)));
        for wrong in ["", "heavy", "a=-1", "a=much", "a=1,b"] {
            assert!(parse_class_weights(wrong).is_err(), "{wrong}");
        }
    }
}
