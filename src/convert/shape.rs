//! The shape: a recipe that fits a table. It knows which columns to read, and makes of the batches
//! that are read those that are stored.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, Scalar};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{CastOptions, cast_with_options, filter, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::config::{ConvertConfig, RowOrder, ShardFormat};
use super::filter::{Filter, parsed, present};
use crate::error::{Error, Result};
use crate::features::no_such_column;
use crate::input::{ColumnType, ReadAs, Request};

/// A recipe that fits a table.
#[derive(Debug)]
pub(super) struct Shape {
    /// What to ask of the files.
    pub(super) request: Request,
    /// The columns as they are stored.
    pub(super) schema: SchemaRef,
    /// Of each column that is read its type (dictionaries resolved), and whether it is a category, which may
    /// keep its dictionary.
    types: Vec<DataType>,
    categories: Vec<bool>,
    filter: Option<Filter>,
    /// Columns that are read, and what is put where they hold nothing.
    fills: Vec<(usize, ArrayRef)>,
    /// Which of the columns that are read each stored one is.
    stored: Vec<usize>,
    /// The column by which rows are divided.
    by: Option<usize>,
}

/// Rows that are ready to be stored.
pub(super) struct Prepared {
    /// The columns of [`Shape::schema`] (categories in any form).
    pub(super) batch: RecordBatch,
    /// The column by which rows are divided.
    pub(super) by: Option<ArrayRef>,
}

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 14;

impl Shape {
    /// Fits the configuration to a table; `is_category` tells which text columns are stored with a
    /// dictionary, if the user doesn't.
    ///
    /// # Errors
    /// If it names columns that are not there, or contradicts itself.
    pub(super) fn new(
        config: &ConvertConfig,
        table: &Schema,
        is_category: impl Fn(&str) -> bool,
    ) -> Result<Shape> {
        let recipe = &config.recipe;
        let names = || table.fields().iter().map(|f| f.name().as_str());
        let known = |name: &str| match table.index_of(name) {
            Ok(index) => Ok(index),
            Err(_) => Err(no_such_column(name, names())),
        };
        for name in recipe.drop.iter().chain(recipe.fill.iter().map(|(name, _)| name)) {
            known(name)?;
        }
        let mut stored: Vec<usize> = if recipe.select.is_empty() {
            (0..table.fields().len()).collect()
        } else {
            recipe.select.iter().map(|name| known(name)).collect::<Result<_>>()?
        };
        stored.retain(|&index| !recipe.drop.contains(table.field(index).name()));
        if stored.is_empty() {
            return Err(Error::usage("no column is left to convert").remedy("name fewer in --drop"));
        }
        let filter = recipe.filter.as_ref().map(|text| Filter::parse(text, table)).transpose()?;
        let by =
            config.division.as_ref().and_then(|division| division.by.as_deref()).map(known).transpose()?;

        // What is read: the stored columns, and what else is looked at.
        let mut read = stored.clone();
        let filtered = filter.as_ref().map_or_else(Vec::new, Filter::columns);
        for index in filtered.iter().map(|name| known(name)).chain(by.map(Ok)) {
            read.push(index?);
        }
        let mut seen = HashSet::new();
        read.retain(|index| seen.insert(*index));
        let place = |index: usize| read.iter().position(|&other| other == index).unwrap_or_default();

        let mut types = Vec::new();
        let mut columns = Vec::new();
        let mut categories = Vec::new();
        for &index in &read {
            let field = table.field(index);
            let said = config.read.types.get(field.name()).copied();
            let own = values(field.data_type());
            let data_type = storable(said.map_or(own.clone(), ColumnType::data_type), config.format);
            let is_text = matches!(data_type, DataType::Utf8);
            let category = is_text
                && match said {
                    Some(said) => said == ColumnType::Category,
                    None => is_category(field.name()),
                };
            let read_as = if category && is_text_type(&own) { ReadAs::Text } else { ReadAs::Native };
            columns.push((field.name().clone(), read_as));
            types.push(data_type);
            categories.push(category);
        }
        let fill = |(name, value): &(String, String)| {
            let index = known(name)?;
            if !stored.contains(&index) {
                return Err(Error::usage(format!("--fill: column `{name}` is not among those that go over")));
            }
            let place = place(index);
            let array = parsed(value, &types[place]).ok_or_else(|| {
                Error::usage(format!("--fill: {value:?} is no {}", types[place])).in_column(name)
            })?;
            Ok((place, array))
        };
        let fills = recipe.fill.iter().map(fill).collect::<Result<Vec<_>>>()?;
        let field = |&index: &usize| {
            let place = place(index);
            let name = table.field(index).name();
            let renamed = recipe.rename.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to);
            let data_type = match categories[place] {
                true => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
                false => types[place].clone(),
            };
            Field::new(renamed, data_type, true)
        };
        let fields: Vec<Field> = stored.iter().map(field).collect();
        let from: Vec<&str> = stored.iter().map(|&index| table.field(index).name().as_str()).collect();
        check_names(config, &fields, &from)?;
        let (stored, by) = (stored.iter().map(|&index| place(index)).collect(), by.map(place));
        let request = Request {
            columns,
            batch_rows: BATCH_ROWS,
            rejects: config.rejects.is_some(),
            ..Request::default()
        };
        Ok(Shape {
            request,
            schema: Arc::new(Schema::new(fields)),
            types,
            categories,
            filter,
            fills,
            stored,
            by,
        })
    }

    /// The names in the input of the stored columns.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.stored.iter().map(|&place| self.request.columns[place].0.as_str())
    }

    /// Makes of a batch that was read what is stored of it.
    pub(super) fn apply(&self, batch: RecordBatch) -> Result<Prepared> {
        let mut fields = Vec::with_capacity(batch.num_columns());
        let mut columns = Vec::with_capacity(batch.num_columns());
        let wanted = self.request.columns.iter().zip(&self.types).zip(&self.categories);
        for (column, (((name, _), data_type), category)) in batch.columns().iter().zip(wanted) {
            let column = resolved(column, data_type, *category).map_err(|e| e.in_column(name))?;
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        let mut batch = with_rows(Schema::new(fields), columns, batch.num_rows())?;
        if let Some(filter) = &self.filter {
            let keeps = filter.keeps(&batch)?;
            if keeps.true_count() < batch.num_rows() {
                batch = filter_record_batch(&batch, &keeps).map_err(fault)?;
            }
        }
        let mut columns = batch.columns().to_vec();
        for (place, value) in &self.fills {
            columns[*place] = filled(&columns[*place], value, &self.types[*place])?;
        }
        let stored: Vec<ArrayRef> = self.stored.iter().map(|&place| columns[place].clone()).collect();
        let field = |(column, field): (&ArrayRef, &Arc<Field>)| {
            field.as_ref().clone().with_data_type(column.data_type().clone())
        };
        let fields: Vec<Field> = stored.iter().zip(self.schema.fields()).map(field).collect();
        let by = self.by.map(|place| columns[place].clone());
        Ok(Prepared { batch: with_rows(Schema::new(fields), stored, batch.num_rows())?, by })
    }
}

fn check_names(config: &ConvertConfig, fields: &[Field], from: &[&str]) -> Result<()> {
    for (name, to) in &config.recipe.rename {
        if !from.contains(&name.as_str()) {
            return Err(no_such_column(name, from.iter().copied()));
        }
        if to.is_empty() {
            return Err(Error::usage(format!("--rename gives column `{name}` no name")));
        }
    }
    let mut seen = HashSet::new();
    for field in fields {
        if !seen.insert(field.name()) {
            return Err(Error::usage(format!(
                "two columns of the output would have the name `{}`",
                field.name()
            ))
            .remedy("rename one of them, and name each once in --select"));
        }
    }
    if let RowOrder::By(columns) = &config.order {
        for name in columns {
            if !from.contains(&name.as_str()) {
                return Err(no_such_column(name, from.iter().copied()));
            }
        }
    }
    Ok(())
}

/// The type of the values, dictionaries and runs resolved, and texts in their plain form.
fn values(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, inner) => values(inner),
        DataType::RunEndEncoded(_, inner) => values(inner.data_type()),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

fn is_text_type(data_type: &DataType) -> bool {
    *data_type == DataType::Utf8
}

/// The column in the given type, value by value the same; texts that are categories may keep their
/// dictionary.
fn resolved(column: &ArrayRef, data_type: &DataType, is_category: bool) -> Result<ArrayRef> {
    let own = column.data_type();
    let coded_text = matches!(own, DataType::Dictionary(_, inner) if values(inner) == DataType::Utf8);
    if own == data_type || is_category && coded_text {
        return Ok(column.clone());
    }
    let remedy =
        |error: Error| error.remedy("name another type in --type, or leave the column out with --drop");
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |column: &ArrayRef, to: &DataType| {
        let error = |e| remedy(Error::data(format!("can't read {own} as {data_type} ({e})")));
        cast_with_options(column, to, &options).map_err(error)
    };
    let plain = cast(column, &values(own))?;
    let converted = cast(&plain, data_type)?;
    // A cast cuts off what the other type has no room for; only floats of 32 bits are asked for to round.
    let keeps_all = plain.data_type() == data_type
        || matches!(data_type, DataType::Float32 | DataType::Utf8)
        || cast(&converted, plain.data_type())? == plain;
    if !keeps_all {
        return Err(remedy(Error::data(format!("some values of type {own} are no {data_type}"))));
    }
    Ok(converted)
}

/// The type, or the nearest one that the format has: Parquet knows no seconds.
fn storable(data_type: DataType, format: ShardFormat) -> DataType {
    match (format, data_type) {
        (ShardFormat::Parquet, DataType::Timestamp(TimeUnit::Second, zone)) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone)
        }
        (ShardFormat::Parquet, DataType::Time32(TimeUnit::Second)) => DataType::Time32(TimeUnit::Millisecond),
        (ShardFormat::Parquet, DataType::Date64) => DataType::Timestamp(TimeUnit::Millisecond, None),
        (_, data_type) => data_type,
    }
}

/// The column with `value` where it holds nothing.
fn filled(column: &ArrayRef, value: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.logical_null_count() == 0 {
        return Ok(column.clone());
    }
    let plain = arrow::compute::cast(column, data_type).map_err(fault)?;
    zip(&present(&plain)?, &plain, &Scalar::new(value.clone())).map_err(fault)
}

fn with_rows(schema: Schema, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options).map_err(fault)
}

fn fault(error: arrow::error::ArrowError) -> Error {
    Error::data(format!("can't put the columns together: {error}"))
}

/// The rows of a batch for which `keeps` is true.
pub(super) fn kept(prepared: &Prepared, keeps: &arrow::array::BooleanArray) -> Result<Prepared> {
    let by = prepared.by.as_ref().map(|by| filter(by, keeps)).transpose().map_err(fault)?;
    Ok(Prepared { batch: filter_record_batch(&prepared.batch, keeps).map_err(fault)?, by })
}
