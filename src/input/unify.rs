//! One schema for all files of a dataset, and batches brought to it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use super::places::places;
use super::reject::Reject;
use super::source::{BatchStream, ReadAs, Request, Source};
use crate::error::{Error, Place, Result};

/// A column of the dataset.
struct Column<'a> {
    field: FieldRef,
    /// The file whose type it has.
    path: &'a Path,
    /// How many files have it, and the last of them.
    files: usize,
    last: usize,
}

/// One schema for all files: the first file's columns, then those that only later files have. Number
/// types may differ (the widest counts), as may the forms of text; a column may be missing where it
/// can be null.
pub(super) fn unify(sources: &[Box<dyn Source>]) -> Result<SchemaRef> {
    let mut columns: Vec<Column> = Vec::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (number, source) in sources.iter().enumerate() {
        let path = source.path();
        for field in source.schema().fields() {
            let Some(&index) = by_name.get(field.name().as_str()) else {
                by_name.insert(field.name(), columns.len());
                columns.push(Column { field: field.clone(), path, files: 1, last: number });
                continue;
            };
            let column = &mut columns[index];
            if column.last == number {
                return Err(Error::data(format!("two columns have the name `{}`", field.name()))
                    .remedy("give every column a name of its own")
                    .in_file(path));
            }
            (column.files, column.last) = (column.files + 1, number);
            column.take_in(field, path)?;
        }
    }
    for Column { field, path, files, .. } in &columns {
        let lacks = |s: &&dyn Source| s.schema().index_of(field.name()).is_err();
        if *files < sources.len()
            && !field.is_nullable()
            && let Some(source) = sources.iter().map(AsRef::as_ref).find(lacks)
        {
            return Err(Error::data(format!(
                "column `{}` of {} can't be null, but {} lacks it",
                field.name(),
                path.display(),
                source.path().display()
            ))
            .remedy("read files of one schema together, or write one of them again"));
        }
    }
    Ok(Arc::new(Schema::new(columns.into_iter().map(|c| c.field).collect::<Vec<_>>())))
}

impl<'a> Column<'a> {
    /// Takes in what another file says of the column.
    fn take_in(&mut self, field: &FieldRef, path: &'a Path) -> Result<()> {
        let (mine, other) = (self.field.data_type(), field.data_type());
        let Some(data_type) = wider(mine, other) else {
            return Err(Error::data(format!(
                "column `{}` is {mine} in {} but {other} in {}",
                field.name(),
                self.path.display(),
                path.display()
            ))
            .remedy("read files of one schema together, or write one of them again"));
        };
        let nullable = self.field.is_nullable() || field.is_nullable();
        if &data_type != mine || nullable != self.field.is_nullable() {
            if &data_type == other && &data_type != mine {
                self.path = path;
            }
            self.field = Arc::new(Field::new(field.name(), data_type, nullable));
        }
        Ok(())
    }
}

/// The type of the values, in whatever form they are stored.
fn values(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, v) => values(v),
        DataType::RunEndEncoded(_, v) => values(v.data_type()),
        other => other,
    }
}

fn item(data_type: &DataType) -> Option<&DataType> {
    use DataType as T;
    match data_type {
        T::List(i) | T::LargeList(i) | T::FixedSizeList(i, _) | T::ListView(i) | T::LargeListView(i) => {
            Some(i.data_type())
        }
        _ => None,
    }
}

/// The decimal with the digits of both, if it has them.
fn decimal(p: u8, s: i8, q: u8, t: i8) -> Option<DataType> {
    let scale = s.max(t);
    let whole = (i16::from(p) - i16::from(s)).max(i16::from(q) - i16::from(t));
    let digits = u8::try_from(whole + i16::from(scale)).ok().filter(|digits| *digits <= 38)?;
    Some(DataType::Decimal128(digits, scale))
}

/// The type of points in time that takes in both; those with a time zone and those without have none.
fn finer(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    match (a, b) {
        (T::Timestamp(u, zone), T::Timestamp(v, other)) if zone.is_some() == other.is_some() => {
            Some(T::Timestamp(*u.max(v), zone.clone()))
        }
        (T::Timestamp(_, _), T::Timestamp(_, _)) => None,
        (T::Timestamp(unit, zone), T::Date32) | (T::Date32, T::Timestamp(unit, zone)) => {
            Some(T::Timestamp(*unit, zone.clone()))
        }
        (T::Timestamp(unit, zone), T::Date64) | (T::Date64, T::Timestamp(unit, zone)) => {
            Some(T::Timestamp(TimeUnit::Millisecond.max(*unit), zone.clone()))
        }
        _ => Some(T::Date64),
    }
}

/// The type that takes in both, if they are alike.
fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    let is_bytes = |t: &DataType| matches!(t, T::Binary | T::LargeBinary | T::BinaryView);
    let is_text = |t: &DataType| t.is_string() || is_bytes(t);
    let is_time = |t: &DataType| matches!(t, T::Date32 | T::Date64 | T::Timestamp(_, _));
    if a == b {
        return Some(a.clone());
    }
    match (values(a), values(b)) {
        (a, b) if a == b => Some(a.clone()),
        (T::Null, _) => Some(b.clone()),
        (_, T::Null) => Some(a.clone()),
        // Neither of these takes in the other; a decimal of twenty digits takes in both.
        (T::UInt64, b) if b.is_signed_integer() => Some(T::Decimal128(20, 0)),
        (a, T::UInt64) if a.is_signed_integer() => Some(T::Decimal128(20, 0)),
        (T::Decimal128(p, s), T::Decimal128(q, t)) if decimal(*p, *s, *q, *t).is_some() => {
            decimal(*p, *s, *q, *t)
        }
        (a, b) if a.is_integer() && b.is_integer() => {
            Some(if *a == T::UInt64 || *b == T::UInt64 { T::UInt64 } else { T::Int64 })
        }
        (a, b) if a.is_numeric() && b.is_numeric() => Some(T::Float64),
        (a, b) if is_text(a) && is_text(b) => Some(if is_bytes(b) { b.clone() } else { a.clone() }),
        (a, b) if is_time(a) && is_time(b) => finer(a, b),
        (a, b) => {
            let items = wider(item(a)?, item(b)?)?;
            Some(match (a, b) {
                (T::FixedSizeList(_, n), T::FixedSizeList(_, m)) if n == m => {
                    T::FixedSizeList(Arc::new(Field::new("item", items, true)), *n)
                }
                _ => T::List(Arc::new(Field::new("item", items, true))),
            })
        }
    }
}

/// Numbers of a file whose type is narrower than the dataset's are cast to it, so that a number
/// has one text, and one code where it is a category, whichever file it came from.
pub(super) fn widened(
    stream: Box<dyn BatchStream>,
    from: &Schema,
    to: &Schema,
    request: &Request,
) -> Box<dyn BatchStream> {
    if from.fields() == to.fields() {
        return stream;
    }
    let types = wider_types(from, to, request);
    if types.iter().all(Option::is_none) { stream } else { Box::new(Widened { stream, types }) }
}

/// The request without the translations of columns that are to be cast first.
pub(super) fn translating_what_stays(from: &Schema, to: &Schema, request: &Request) -> Request {
    let mut request = request.clone();
    if from.fields() != to.fields() {
        let types = wider_types(from, to, &request);
        for (translation, data_type) in request.translations.iter_mut().zip(types) {
            translation.take_if(|_| data_type.is_some());
        }
    }
    request
}

/// For each requested column the type to which its numbers are cast, if that of its file may be narrower.
fn wider_types(from: &Schema, to: &Schema, request: &Request) -> Vec<Option<DataType>> {
    let (from_places, to_places) = (places(from), places(to));
    let wider = |(name, _): &(String, ReadAs)| {
        let from = from.field(*from_places.get(name.as_str())?).data_type();
        let to = to.field(*to_places.get(name.as_str())?).data_type();
        (from != to && has_numbers(to)).then(|| to.clone())
    };
    request.columns.iter().map(wider).collect()
}

/// Whether they are numbers or points in time, or lists of them.
fn has_numbers(data_type: &DataType) -> bool {
    let values = values(item(data_type).unwrap_or(data_type));
    values.is_numeric() || matches!(values, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _))
}

struct Widened {
    stream: Box<dyn BatchStream>,
    /// For each column the type that it shall have, if its own may be narrower.
    types: Vec<Option<DataType>>,
}

impl BatchStream for Widened {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.stream.next_batch()? else { return Ok(None) };
        let mut fields: Vec<FieldRef> = batch.schema_ref().fields().iter().cloned().collect();
        let mut columns = batch.columns().to_vec();
        for ((column, field), data_type) in columns.iter_mut().zip(&mut fields).zip(&self.types) {
            let Some(data_type) = data_type else { continue };
            // As text or nulls it was asked for so, or the file lacks it.
            if column.data_type() == data_type || !has_numbers(column.data_type()) {
                continue;
            }
            *column = cast(column, data_type).map_err(|e| {
                let message = format!("can't read {} as {data_type}: {e}", column.data_type());
                Error::data(message).in_column(field.name()).at(Place { row: None, ..self.stream.place(0) })
            })?;
            *field = Arc::new(Field::new(field.name(), data_type.clone(), true));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map(Some)
            .map_err(|e| Error::data(format!("can't put the columns together: {e}")))
    }

    fn take_rejects(&mut self) -> Vec<Reject> {
        self.stream.take_rejects()
    }

    fn place(&self, row: usize) -> Place {
        self.stream.place(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_are_alike_have_a_wider_one() {
        let dictionary = |values: DataType| DataType::Dictionary(Box::new(DataType::UInt8), Box::new(values));
        let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
        let vector = |item: DataType, n| DataType::FixedSizeList(Arc::new(Field::new("item", item, true)), n);
        assert_eq!(wider(&DataType::Int32, &DataType::Int64), Some(DataType::Int64));
        assert_eq!(wider(&DataType::UInt64, &DataType::Int64), Some(DataType::Decimal128(20, 0)));
        assert_eq!(
            wider(&DataType::Decimal128(5, 1), &DataType::Decimal128(20, 2)),
            Some(DataType::Decimal128(20, 2))
        );
        let time = |unit| DataType::Timestamp(unit, None);
        assert_eq!(wider(&DataType::Date32, &time(TimeUnit::Second)), Some(time(TimeUnit::Second)));
        assert_eq!(
            wider(&time(TimeUnit::Nanosecond), &time(TimeUnit::Second)),
            Some(time(TimeUnit::Nanosecond))
        );
        let zoned = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
        assert_eq!(wider(&zoned, &time(TimeUnit::Second)), None);
        assert_eq!(wider(&DataType::UInt64, &DataType::UInt8), Some(DataType::UInt64));
        assert_eq!(wider(&DataType::Int32, &DataType::Float32), Some(DataType::Float64));
        assert_eq!(wider(&DataType::Utf8, &DataType::LargeUtf8), Some(DataType::Utf8));
        assert_eq!(wider(&DataType::Utf8, &DataType::Binary), Some(DataType::Binary));
        assert_eq!(wider(&dictionary(DataType::Utf8), &DataType::Utf8), Some(DataType::Utf8));
        assert_eq!(wider(&dictionary(DataType::Int8), &DataType::Float32), Some(DataType::Float64));
        assert_eq!(wider(&DataType::Null, &DataType::Boolean), Some(DataType::Boolean));
        assert_eq!(wider(&list(DataType::Int8), &list(DataType::Float32)), Some(list(DataType::Float64)));
        assert_eq!(
            wider(&vector(DataType::Float32, 3), &vector(DataType::Float32, 4)),
            Some(list(DataType::Float32))
        );
        assert_eq!(wider(&list(DataType::Int8), &list(DataType::Utf8)), None);
        assert_eq!(wider(&list(DataType::Int8), &DataType::Int8), None);
        assert_eq!(wider(&DataType::Int32, &DataType::Utf8), None);
        assert_eq!(wider(&DataType::Boolean, &DataType::Int8), None);
    }
}
