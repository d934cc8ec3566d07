//! The space of a search, as it is typed or kept in a file.

use std::fs;
use std::path::Path;

use clap::ValueEnum;
use serde::Deserialize;

use super::learning::OptimizerArg;
use super::target::parse_class_weights;
use crate::error::{Error, Result};
use crate::trainer::{Axis, Meaning, Parameter, Value, Values};

/// `P=A,B,...`: values of a parameter.
pub(super) fn parse_list(text: &str) -> Result<Axis, String> {
    let (parameter, values) = split(text, "PARAMETER=A,B,...")?;
    let values = values.split(',').map(|value| parse_value(parameter, value.trim()));
    listed(parameter, values.collect::<Result<_, String>>()?)
}

/// `P=LOW..HIGH`, and perhaps `,log` or `,linear`: a range of a parameter.
pub(super) fn parse_range(text: &str) -> Result<Axis, String> {
    let form = "PARAMETER=LOW..HIGH, and ,log or ,linear if need be";
    let (parameter, range) = split(text, form)?;
    let (range, scale) = match range.rsplit_once(',') {
        Some((range, scale)) => (range, Some(scale.trim())),
        None => (range, None),
    };
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("expected {form}"));
    let (low, high) = range.split_once("..").ok_or(format!("expected {form}"))?;
    ranged(parameter, number(low)?, number(high)?, scale)
}

fn split<'a>(text: &'a str, form: &str) -> Result<(Parameter, &'a str), String> {
    let (name, values) = text.split_once('=').ok_or(format!("expected {form}"))?;
    Ok((parse_parameter(name.trim())?, values))
}

fn parse_parameter(name: &str) -> Result<Parameter, String> {
    let known = Parameter::ALL.into_iter().find(|parameter| parameter.name() == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = Parameter::ALL.into_iter().map(Parameter::name).collect();
        format!("there is no parameter {name:?}; a search knows {}", names.join(", "))
    })
}

fn parse_value(parameter: Parameter, text: &str) -> Result<Value, String> {
    let word = |meaning| Ok(Value::Word(text.to_string(), meaning));
    match parameter {
        Parameter::Optimizer => match OptimizerArg::from_str(text, false) {
            Ok(OptimizerArg::Lbfgs | OptimizerArg::Gd) => {
                Err(format!("{text} can't be searched: it does not learn from mini-batches"))
            }
            Ok(optimizer) => word(Meaning::Optimizer(optimizer.with(0.0))),
            Err(_) => Err(format!("{text:?} is no optimiser: expected sgd, adagrad, rmsprop or ftrl")),
        },
        Parameter::ClassWeight => word(Meaning::ClassWeights(parse_class_weights(text)?)),
        _ => {
            let number = text.parse::<f64>();
            check(parameter, number.map_err(|_| format!("{text:?} is no number"))?).map(Value::Number)
        }
    }
}

fn check(parameter: Parameter, number: f64) -> Result<f64, String> {
    let (low, high) = parameter.bounds().ok_or(format!("{} has no range", parameter.name()))?;
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    let wanted = match parameter {
        Parameter::LearningRate | Parameter::HuberDelta => "above 0 that single precision holds",
        Parameter::L1 | Parameter::L2 | Parameter::Epsilon => "of at least 0 that single precision holds",
        Parameter::Quantile => "above 0 and below 1",
        _ => "between 0 and 1",
    };
    Err(format!("{number} does not do for {}: expected a number {wanted}", parameter.name()))
}

/// Values without those that came before.
pub(super) fn once_each<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

fn listed(parameter: Parameter, values: Vec<Value>) -> Result<Axis, String> {
    let values = once_each(values);
    if values.is_empty() {
        return Err(format!("{} has no values", parameter.name()));
    }
    Ok(Axis { parameter, values: Values::List(values) })
}

fn ranged(parameter: Parameter, low: f64, high: f64, scale: Option<&str>) -> Result<Axis, String> {
    check(parameter, low)?;
    check(parameter, high)?;
    if low >= high {
        return Err(format!("the range of {} has to end above where it begins", parameter.name()));
    }
    let log = match scale {
        Some("log") if low <= 0.0 => {
            return Err(format!("a logarithmic range of {} has to begin above 0", parameter.name()));
        }
        Some("log") => true,
        Some("linear") => false,
        Some(other) => return Err(format!("there is no scale {other:?}: expected log or linear")),
        // Numbers that span more than a power of ten are mostly thought of in such.
        None => low > 0.0 && high / low >= 10.0,
    };
    Ok(Axis { parameter, values: Values::Range { low, high, log } })
}

/// A parameter in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    List(Vec<Scalar>),
    Range(Range),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    low: f64,
    high: f64,
    scale: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(f64),
    Text(String),
}

/// Reads a space from a TOML file: a list of values or a table `{ low, high, scale }` for each parameter.
///
/// # Errors
/// If it can't be read, or does not make sense.
pub(super) fn load(path: &Path) -> Result<Vec<Axis>> {
    let fault = |message: String| {
        Error::usage(format!("{}: {message}", path.display()))
            .remedy("write lines such as `learning-rate = { low = 0.01, high = 1, scale = \"log\" }` or `l2 = [0, 1e-6]`")
    };
    let text = fs::read_to_string(path).map_err(|e| Error::io("can't read", path, &e))?;
    let entries: toml::Table = text.parse().map_err(|e: toml::de::Error| fault(e.message().to_string()))?;
    let axis = |(name, entry): (String, toml::Value)| {
        let parameter = parse_parameter(&name)?;
        let expected = |_| format!("{name} is neither a list nor a range");
        match entry.try_into::<Entry>().map_err(expected)? {
            Entry::List(values) => {
                let value = |value: Scalar| match value {
                    Scalar::Number(number) => parse_value(parameter, &number.to_string()),
                    Scalar::Text(text) => parse_value(parameter, &text),
                };
                listed(parameter, values.into_iter().map(value).collect::<Result<_, String>>()?)
            }
            Entry::Range(Range { low, high, scale }) => ranged(parameter, low, high, scale.as_deref()),
        }
    };
    entries.into_iter().map(|entry| axis(entry).map_err(fault)).collect()
}
