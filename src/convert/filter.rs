//! Filters: which rows to keep, as simple comparisons in the manner of SQL's WHERE.
//!
//! `age >= 18 and (country in ('AT', 'DE') or vip) and name is not null`. As in SQL, a comparison with a
//! missing value is neither true nor false, and a row is kept only where the whole is true.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, Scalar, StringArray};
use arrow::compute::kernels::boolean::{and_kleene, is_not_null, is_null, not, or_kleene};
use arrow::compute::kernels::cmp;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema, TimeUnit};
use arrow::error::ArrowError;

use super::grammar::Parser;
use super::words::words;
use crate::error::{Error, Result};
use crate::features::no_such_column;

/// A filter that fits a schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    text: String,
    root: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    /// A column of booleans.
    Flag(String),
    Null(String),
    Compare(Side, Comparison, Side),
    In(String, Vec<Literal>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    Column(String),
    Literal(Literal),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Number(String),
    Text(String),
    Boolean(bool),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Reads a filter and checks it against the columns that there are.
    ///
    /// # Errors
    /// If it can't be understood, or compares what can't be compared.
    pub(super) fn parse(text: &str, schema: &Schema) -> Result<Filter> {
        let fault = |why: String| {
            Error::usage(format!("can't understand --where {text:?}: {why}"))
                .remedy("write comparisons such as \"age >= 18 and country in ('AT', 'DE')\"")
        };
        let words = words(text).map_err(fault)?;
        let mut parser = Parser::new(&words);
        let root = parser.either().map_err(fault)?;
        if let Some(word) = parser.peek() {
            return Err(fault(format!("found {word} after the end")));
        }
        let filter = Filter { text: text.to_string(), root };
        for column in filter.columns() {
            if schema.field_with_name(&column).is_err() {
                return Err(no_such_column(&column, schema.fields().iter().map(|f| f.name().as_str())));
            }
        }
        // Types are checked on an empty batch, so that a mistake is not found out after hours.
        filter.keeps(&RecordBatch::new_empty(Arc::new(schema.clone())))?;
        Ok(filter)
    }

    /// The columns that it looks at.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        self.root.columns(&mut columns);
        columns
    }

    /// Which rows to keep.
    ///
    /// # Errors
    /// If types can't be compared.
    pub(super) fn keeps(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        self.root.evaluate(batch).map_err(|e| match e {
            Fault::Arrow(e) => Error::usage(format!("can't evaluate --where {:?}: {e}", self.text)),
            Fault::Said(why) => Error::usage(format!("can't evaluate --where {:?}: {why}", self.text)),
        })
    }
}

enum Fault {
    Arrow(ArrowError),
    Said(String),
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Self {
        Fault::Arrow(error)
    }
}

impl Node {
    fn columns(&self, out: &mut Vec<String>) {
        match self {
            Node::And(a, b) | Node::Or(a, b) => {
                a.columns(out);
                b.columns(out);
            }
            Node::Not(a) => a.columns(out),
            Node::Flag(column) | Node::Null(column) | Node::In(column, _) => out.push(column.clone()),
            Node::Compare(a, _, b) => {
                for side in [a, b] {
                    if let Side::Column(column) = side {
                        out.push(column.clone());
                    }
                }
            }
        }
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, Fault> {
        Ok(match self {
            Node::And(a, b) => and_kleene(&a.evaluate(batch)?, &b.evaluate(batch)?)?,
            Node::Or(a, b) => or_kleene(&a.evaluate(batch)?, &b.evaluate(batch)?)?,
            Node::Not(a) => not(&a.evaluate(batch)?)?,
            Node::Flag(name) => match column(batch, name)?.as_boolean_opt() {
                Some(flags) => flags.clone(),
                None => return Err(Fault::Said(format!("column `{name}` is not true or false"))),
            },
            Node::Null(name) => is_null(&column(batch, name)?)?,
            Node::In(name, literals) => {
                let column = column(batch, name)?;
                let mut any = BooleanArray::from(vec![false; batch.num_rows()]);
                for literal in literals {
                    any = or_kleene(&any, &compare_literal(name, &column, Comparison::Equal, literal)?)?;
                }
                any
            }
            Node::Compare(Side::Column(a), comparison, Side::Literal(b)) => {
                compare_literal(a, &column(batch, a)?, *comparison, b)?
            }
            Node::Compare(Side::Literal(a), comparison, Side::Column(b)) => {
                compare_literal(b, &column(batch, b)?, comparison.mirrored(), a)?
            }
            Node::Compare(Side::Column(a), comparison, Side::Column(b)) => {
                let (a, b) = (comparable(column(batch, a)?), comparable(column(batch, b)?));
                if a.data_type().is_numeric() && b.data_type().is_numeric() && a.data_type() != b.data_type()
                {
                    let (a, b) = (cast(&a, &DataType::Float64)?, cast(&b, &DataType::Float64)?);
                    let (a, b) = (comparable(a), comparable(b));
                    comparison.apply(&a, &b)?
                } else {
                    comparison.apply(&a, &b)?
                }
            }
            Node::Compare(Side::Literal(_), _, Side::Literal(_)) => {
                return Err(Fault::Said("a comparison names no column".to_string()));
            }
        })
    }
}

/// A column, its dictionary resolved.
fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, Fault> {
    let column =
        batch.column_by_name(name).ok_or_else(|| Fault::Said(format!("there is no column `{name}`")))?;
    match column.data_type() {
        DataType::Dictionary(_, values) => Ok(cast(column, values)?),
        DataType::Utf8View | DataType::LargeUtf8 => Ok(cast(column, &DataType::Utf8)?),
        _ => Ok(column.clone()),
    }
}

fn compare_literal(
    name: &str,
    column: &ArrayRef,
    comparison: Comparison,
    literal: &Literal,
) -> Result<BooleanArray, Fault> {
    let mismatch = |found: &str| {
        Fault::Said(format!(
            "column `{name}` is of type {}, which is not compared with {found}",
            column.data_type()
        ))
    };
    let (column, scalar): (ArrayRef, ArrayRef) = match (column.data_type(), literal) {
        (t, Literal::Number(text)) if t.is_numeric() => {
            // Whole numbers and decimals are compared as such, so that large ones stay exact.
            let is_exact =
                t.is_integer() || matches!(t, DataType::Decimal128(_, scale) if *scale <= DECIMALS);
            let exact = parsed(text, &DataType::Decimal128(38, DECIMALS)).filter(|_| is_exact);
            match exact {
                Some(scalar) => (cast(column, scalar.data_type())?, scalar),
                None => {
                    let to = if *t == DataType::Float32 { t } else { &DataType::Float64 };
                    let scalar = parsed(text, to).ok_or_else(|| mismatch(text))?;
                    (comparable(cast(column, to)?), comparable(scalar))
                }
            }
        }
        (DataType::Utf8, Literal::Text(text)) => {
            (column.clone(), Arc::new(StringArray::from(vec![text.as_str()])))
        }
        (DataType::Boolean, Literal::Boolean(flag)) => {
            (column.clone(), Arc::new(BooleanArray::from(vec![*flag])))
        }
        (DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _), Literal::Text(text)) => {
            let to = DataType::Timestamp(TimeUnit::Microsecond, None);
            (cast(column, &to)?, parsed(text, &to).ok_or_else(|| mismatch(&format!("{text:?}")))?)
        }
        (_, Literal::Number(text)) => return Err(mismatch(&format!("the number {text}"))),
        (_, Literal::Text(text)) => return Err(mismatch(&format!("the text '{text}'"))),
        (_, Literal::Boolean(flag)) => return Err(mismatch(&flag.to_string())),
    };
    Ok(comparison.apply(&column, &Scalar::new(scalar))?)
}

/// Decimals with which whole numbers and decimals are compared.
const DECIMALS: i8 = 10;

/// Floats as they are compared: Arrow tells zeros of either sign apart and orders NaN, which here is
/// neither less nor more than anything.
fn comparable(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let floats = column.as_primitive::<Float64Type>();
            Arc::new(floats.unary_opt::<_, Float64Type>(|x| (!x.is_nan()).then_some(x + 0.0)))
        }
        DataType::Float32 => {
            let floats = column.as_primitive::<Float32Type>();
            Arc::new(floats.unary_opt::<_, Float32Type>(|x| (!x.is_nan()).then_some(x + 0.0)))
        }
        _ => column,
    }
}

/// A text as one value of a type.
pub(super) fn parsed(text: &str, to: &DataType) -> Option<ArrayRef> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let read = |text: &str| {
        let value = cast_with_options(&StringArray::from(vec![text]), to, &options).ok()?;
        value.is_valid(0).then_some(value)
    };
    // A time without seconds is read from text files, too.
    let is_time = matches!(to, DataType::Timestamp(_, _));
    read(text).or_else(|| read(&format!("{text}:00")).filter(|_| is_time))
}

impl Comparison {
    fn apply(
        self,
        a: &dyn arrow::array::Datum,
        b: &dyn arrow::array::Datum,
    ) -> Result<BooleanArray, ArrowError> {
        match self {
            Comparison::Equal => cmp::eq(a, b),
            Comparison::NotEqual => cmp::neq(a, b),
            Comparison::Less => cmp::lt(a, b),
            Comparison::LessOrEqual => cmp::lt_eq(a, b),
            Comparison::Greater => cmp::gt(a, b),
            Comparison::GreaterOrEqual => cmp::gt_eq(a, b),
        }
    }

    /// What it is with its sides exchanged.
    fn mirrored(self) -> Self {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            same => same,
        }
    }
}

/// Which rows of a column hold something.
pub(super) fn present(column: &ArrayRef) -> Result<BooleanArray> {
    is_not_null(column).map_err(|e| Error::data(e.to_string()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        DictionaryArray, Float32Array, Float64Array, Int64Array, TimestampMicrosecondArray, UInt64Array,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn batch() -> RecordBatch {
        let city: DictionaryArray<Int32Type> =
            vec![Some("Graz"), None, Some("Wien"), Some("it's")].into_iter().collect();
        let day = 86_400_000_000;
        RecordBatch::try_from_iter([
            ("age", Arc::new(Int64Array::from(vec![Some(17), Some(18), None, Some(64)])) as ArrayRef),
            ("city", Arc::new(city)),
            ("paid", Arc::new(Float64Array::from(vec![1.0, 0.5, 2.5, -1.0]))),
            ("vip", Arc::new(BooleanArray::from(vec![true, false, true, false]))),
            ("zero", Arc::new(Float64Array::from(vec![-0.0, 0.0, f64::NAN, -f64::NAN]))),
            ("large", Arc::new(Int64Array::from(vec![(1 << 53) + 1, 1 << 53, 0, 1]))),
            ("unsigned", Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX - 1, 9, 5]))),
            ("single", Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3, 0.4]))),
            ("at time", Arc::new(TimestampMicrosecondArray::from(vec![0, day, 2 * day, 3 * day]))),
        ])
        .unwrap()
    }

    fn kept(text: &str) -> Vec<usize> {
        let batch = batch();
        let kept = Filter::parse(text, batch.schema_ref()).unwrap().keeps(&batch).unwrap();
        (0..4).filter(|&row| kept.is_valid(row) && kept.value(row)).collect()
    }

    #[test]
    fn comparisons() {
        for (text, expected) in [
            ("age >= 18", vec![1, 3]),
            ("age < 17.5", vec![0]),
            ("18 = age", vec![1]),
            ("20 > age", vec![0, 1]),
            ("age != 18", vec![0, 3]),
            ("not age = 18", vec![0, 3]),
            ("age is null", vec![2]),
            ("age IS NOT NULL and vip", vec![0]),
            ("city = 'Wien' or city == 'Graz'", vec![0, 2]),
            ("city in ('Graz', 'it''s')", vec![0, 3]),
            ("city not in ('Graz')", vec![2, 3]),
            ("vip = false", vec![1, 3]),
            ("not vip", vec![1, 3]),
            ("paid > -1e0 and (age <= 17 or vip)", vec![0, 2]),
            ("age > paid", vec![0, 1, 3]),
            ("\"at time\" >= '1970-01-03'", vec![2, 3]),
            ("`at time` < '1970-01-01T12:00:00'", vec![0]),
            ("vip or age = 64 and paid = 0", vec![0, 2]),
            ("zero = 0 and zero >= 0", vec![0, 1]),
            ("zero < 0", vec![]),
            ("large = 9007199254740992", vec![1]),
            ("large > 9007199254740992.5", vec![0]),
            ("unsigned = 18446744073709551614 or unsigned > -1 and unsigned < 6", vec![1, 3]),
            ("single = 0.1", vec![0]),
            ("`at time` = '1970-01-02 00:00'", vec![1]),
        ] {
            assert_eq!(kept(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("", "too early"),
            ("age >", "too early"),
            ("age > 1 1", "found 1 after the end"),
            ("agee > 1", "did you mean `age`?"),
            ("age = 'x'", "not compared with the text"),
            ("city > 3", "the number 3"),
            ("age", "not true or false"),
            ("(vip", "not closed"),
            ("age in (Graz)", "'Graz'"),
            ("1 = 1", "names no column"),
            ("age & 1", "'&'"),
            ("city = 'x", "not closed"),
        ] {
            let error = Filter::parse(text, batch().schema_ref()).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
