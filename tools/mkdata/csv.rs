//! CSV files: a header, commas, gaps as empty cells, nothing that needs quotes.

use std::fs::File;
use std::io::Write;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Int8Array, Int32Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, SchemaRef};

use crate::hex;
use crate::sink::Sink;

/// Writes one CSV file.
pub(crate) struct CsvSink {
    file: File,
    text: Vec<u8>,
}

impl CsvSink {
    pub(crate) fn new(mut file: File, schema: &SchemaRef) -> Result<CsvSink> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        writeln!(file, "{}", names.join(","))?;
        Ok(CsvSink { file, text: Vec::new() })
    }
}

impl Sink for CsvSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<Cells> = batch.columns().iter().map(Cells::of).collect();
        self.text.clear();
        for row in 0..batch.num_rows() {
            for cells in &columns {
                cells.append(row, &mut self.text);
                self.text.push(b',');
            }
            *self.text.last_mut().expect("a table has columns") = b'\n';
        }
        Ok(self.file.write_all(&self.text)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A column whose type is known, so that it is found out once per batch and not per cell.
enum Cells<'a> {
    Label(&'a Int8Array),
    Count(&'a Int32Array),
    Category(&'a UInt32Array),
    Number(&'a Float32Array),
}

impl Cells<'_> {
    fn of(column: &ArrayRef) -> Cells<'_> {
        match column.data_type() {
            DataType::Int8 => Cells::Label(column.as_primitive()),
            DataType::Int32 => Cells::Count(column.as_primitive()),
            DataType::UInt32 => Cells::Category(column.as_primitive()),
            DataType::Float32 => Cells::Number(column.as_primitive()),
            other => unreachable!("no table has a column of type {other}"),
        }
    }

    fn append(&self, row: usize, text: &mut Vec<u8>) {
        match self {
            Cells::Label(labels) => integer(labels.value(row).into(), text),
            Cells::Count(counts) if counts.is_valid(row) => integer(counts.value(row), text),
            Cells::Category(ids) if ids.is_valid(row) => text.extend_from_slice(&hex::digits(ids.value(row))),
            Cells::Number(numbers) => {
                write!(text, "{}", numbers.value(row)).expect("writing to memory does not fail");
            }
            Cells::Count(_) | Cells::Category(_) => {}
        }
    }
}

/// Appends `value` in decimal; the formatting machinery would take most of the time of a file.
fn integer(value: i32, text: &mut Vec<u8>) {
    if value < 0 {
        text.push(b'-');
    }
    let mut digits = [0; 10];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_as_the_library_writes_them() {
        for value in [0, 7, -1, 10, 1_234_567_890, i32::MAX, i32::MIN] {
            let mut text = Vec::new();
            integer(value, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), value.to_string());
        }
    }
}
