//! Datums as Arrow arrays and back.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, BooleanArray, BooleanBuilder, Date32Array, Date32Builder, FixedSizeBinaryArray,
    FixedSizeBinaryBuilder, Float32Array, Float32Builder, Float64Array, Float64Builder, Int16Array, Int16Builder, Int32Array, Int32Builder,
    Int64Array, Int64Builder, RecordBatch, RecordBatchOptions, StringArray, StringBuilder, Time64MicrosecondArray,
    Time64MicrosecondBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder, UInt32Array, UInt32Builder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::scalar::ScalarValue;
use types::{Datum, Result, SqlError, Type};

use crate::encoding::{decode, decode_interval, decode_numeric, encode, encode_interval, encode_numeric};
use crate::host::Row;
use crate::ir::ColumnId;

/// How the values of a type stand in an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Text,
    Json,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
    Oid,
    Numeric,
    Interval,
    /// Any value, see [`encode`].
    Encoded,
}

pub(crate) fn layout(ty: Type) -> Layout {
    match ty {
        Type::Bool => Layout::Bool,
        Type::Int2 => Layout::Int2,
        Type::Int4 => Layout::Int4,
        Type::Int8 => Layout::Int8,
        Type::Float4 => Layout::Float4,
        Type::Float8 => Layout::Float8,
        Type::Numeric => Layout::Numeric,
        Type::Text | Type::Varchar | Type::Bpchar | Type::Char | Type::Name | Type::Unknown => Layout::Text,
        Type::Json | Type::Jsonb => Layout::Json,
        Type::Bytea => Layout::Bytea,
        Type::Date => Layout::Date,
        Type::Time => Layout::Time,
        Type::Timestamp => Layout::Timestamp,
        Type::Timestamptz => Layout::Timestamptz,
        Type::Interval => Layout::Interval,
        Type::Uuid => Layout::Uuid,
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => Layout::Oid,
        Type::Array(_) | Type::Record | Type::Void | Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => Layout::Encoded,
    }
}

pub(crate) fn data_type(ty: Type) -> DataType {
    match layout(ty) {
        Layout::Bool => DataType::Boolean,
        Layout::Int2 => DataType::Int16,
        Layout::Int4 => DataType::Int32,
        Layout::Int8 => DataType::Int64,
        Layout::Float4 => DataType::Float32,
        Layout::Float8 => DataType::Float64,
        Layout::Text | Layout::Json => DataType::Utf8,
        Layout::Bytea | Layout::Numeric | Layout::Interval | Layout::Encoded => DataType::Binary,
        Layout::Date => DataType::Date32,
        Layout::Time => DataType::Time64(TimeUnit::Microsecond),
        Layout::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Layout::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Layout::Uuid => DataType::FixedSizeBinary(16),
        Layout::Oid => DataType::UInt32,
    }
}

/// A column's name in DataFusion's plans.
pub(crate) fn column_name(id: ColumnId) -> String {
    format!("c{}", id.0)
}

pub(crate) fn schema(columns: &[(ColumnId, Type)]) -> SchemaRef {
    let field = |(id, ty): &(ColumnId, Type)| Field::new(column_name(*id), data_type(*ty), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

macro_rules! build {
    ($builder:expr, $values:expr, $variant:ident, $copy:expr) => {{
        let mut builder = $builder;
        for value in $values {
            match value {
                Datum::$variant(value) => builder.append_value($copy(value)),
                Datum::Null => builder.append_null(),
                other => return Err(mismatch(other)),
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

fn mismatch(found: &Datum) -> SqlError {
    SqlError::internal(format!("a value is not of its column's type: {found:?}"))
}

/// An array of these values, which are of this type or NULL.
pub(crate) fn to_array<'a>(ty: Type, values: impl ExactSizeIterator<Item = &'a Datum>) -> Result<ArrayRef> {
    let count = values.len();
    Ok(match layout(ty) {
        Layout::Bool => build!(BooleanBuilder::with_capacity(count), values, Bool, |v: &bool| *v),
        Layout::Int2 => build!(Int16Builder::with_capacity(count), values, Int2, |v: &i16| *v),
        Layout::Int4 => build!(Int32Builder::with_capacity(count), values, Int4, |v: &i32| *v),
        Layout::Int8 => build!(Int64Builder::with_capacity(count), values, Int8, |v: &i64| *v),
        Layout::Float4 => build!(Float32Builder::with_capacity(count), values, Float4, |v: &f32| *v),
        Layout::Float8 => build!(Float64Builder::with_capacity(count), values, Float8, |v: &f64| *v),
        Layout::Text => build!(StringBuilder::with_capacity(count, count * 8), values, Text, |v: &'a String| v
            .as_str()),
        Layout::Json => build!(StringBuilder::with_capacity(count, count * 32), values, Json, |v: &'a String| v
            .as_str()),
        Layout::Bytea => build!(BinaryBuilder::with_capacity(count, count * 8), values, Bytea, |v: &'a Vec<u8>| v
            .as_slice()),
        Layout::Date => build!(Date32Builder::with_capacity(count), values, Date, |v: &i32| *v),
        Layout::Time => build!(Time64MicrosecondBuilder::with_capacity(count), values, Time, |v: &i64| *v),
        Layout::Timestamp => build!(TimestampMicrosecondBuilder::with_capacity(count), values, Timestamp, |v: &i64| *v),
        Layout::Timestamptz => {
            build!(
                TimestampMicrosecondBuilder::with_capacity(count).with_timezone("UTC"),
                values,
                Timestamptz,
                |v: &i64| *v
            )
        }
        Layout::Oid => build!(UInt32Builder::with_capacity(count), values, Oid, |v: &u32| *v),
        Layout::Uuid => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(count, 16);
            for value in values {
                match value {
                    Datum::Uuid(value) => builder.append_value(value).map_err(|error| SqlError::internal(error.to_string()))?,
                    Datum::Null => builder.append_null(),
                    other => return Err(mismatch(other)),
                }
            }
            Arc::new(builder.finish())
        }
        Layout::Numeric => encoded(values, &mut |value, out| match value {
            Datum::Numeric(value) => {
                encode_numeric(value, out);
                Ok(())
            }
            other => Err(mismatch(other)),
        })?,
        Layout::Interval => encoded(values, &mut |value, out| match value {
            Datum::Interval(value) => {
                encode_interval(*value, out);
                Ok(())
            }
            other => Err(mismatch(other)),
        })?,
        Layout::Encoded => encoded(values, &mut |value, out| {
            encode(value, out);
            Ok(())
        })?,
    })
}

type Encode<'e> = &'e mut dyn FnMut(&Datum, &mut Vec<u8>) -> Result<()>;

fn encoded<'a>(values: impl ExactSizeIterator<Item = &'a Datum>, encode: Encode) -> Result<ArrayRef> {
    let mut builder = BinaryBuilder::with_capacity(values.len(), values.len() * 16);
    let mut bytes = vec![];
    for value in values {
        if value.is_null() {
            builder.append_null();
            continue;
        }
        bytes.clear();
        encode(value, &mut bytes)?;
        builder.append_value(&bytes);
    }
    Ok(Arc::new(builder.finish()))
}

pub(crate) fn to_scalar(ty: Type, value: &Datum) -> Result<ScalarValue> {
    let array = to_array(ty, std::iter::once(value))?;
    ScalarValue::try_from_array(&array, 0).map_err(crate::error::sql_error)
}

pub(crate) fn to_batch(schema: &SchemaRef, types: &[Type], rows: &[Row]) -> Result<RecordBatch> {
    let width = types.len();
    if rows.iter().any(|row| row.len() != width) {
        return Err(SqlError::internal("a row is not as wide as its relation"));
    }
    let arrays = types
        .iter()
        .enumerate()
        .map(|(index, ty)| to_array(*ty, rows.iter().map(|row| &row[index])));
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(|error| SqlError::internal(error.to_string()))
}

/// An array's values, one by one.
pub(crate) enum Column<'a> {
    Bool(&'a BooleanArray),
    Int2(&'a Int16Array),
    Int4(&'a Int32Array),
    Int8(&'a Int64Array),
    Float4(&'a Float32Array),
    Float8(&'a Float64Array),
    Text(&'a StringArray),
    Json(&'a StringArray),
    Bytea(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
    Timestamptz(&'a TimestampMicrosecondArray),
    Uuid(&'a FixedSizeBinaryArray),
    Oid(&'a UInt32Array),
    Numeric(&'a BinaryArray),
    Interval(&'a BinaryArray),
    Encoded(&'a BinaryArray),
}

impl<'a> Column<'a> {
    pub fn new(ty: Type, array: &'a ArrayRef) -> Result<Column<'a>> {
        fn of<A: 'static>(array: &ArrayRef, ty: Type) -> Result<&A> {
            let wrong = || SqlError::internal(format!("an array of {ty} is {}", array.data_type()));
            array.as_any().downcast_ref::<A>().ok_or_else(wrong)
        }
        Ok(match layout(ty) {
            Layout::Bool => Column::Bool(of(array, ty)?),
            Layout::Int2 => Column::Int2(of(array, ty)?),
            Layout::Int4 => Column::Int4(of(array, ty)?),
            Layout::Int8 => Column::Int8(of(array, ty)?),
            Layout::Float4 => Column::Float4(of(array, ty)?),
            Layout::Float8 => Column::Float8(of(array, ty)?),
            Layout::Text => Column::Text(of(array, ty)?),
            Layout::Json => Column::Json(of(array, ty)?),
            Layout::Bytea => Column::Bytea(of(array, ty)?),
            Layout::Date => Column::Date(of(array, ty)?),
            Layout::Time => Column::Time(of(array, ty)?),
            Layout::Timestamp => Column::Timestamp(of(array, ty)?),
            Layout::Timestamptz => Column::Timestamptz(of(array, ty)?),
            Layout::Uuid => Column::Uuid(of(array, ty)?),
            Layout::Oid => Column::Oid(of(array, ty)?),
            Layout::Numeric => Column::Numeric(of(array, ty)?),
            Layout::Interval => Column::Interval(of(array, ty)?),
            Layout::Encoded => Column::Encoded(of(array, ty)?),
        })
    }

    /// The first `count` values, which for numbers costs one look at the type.
    fn values(&self, count: usize) -> Result<Vec<Datum>> {
        macro_rules! numbers {
            ($array:expr, $variant:ident) => {
                Ok(match $array.null_count() {
                    0 => $array
                        .values()
                        .iter()
                        .take(count)
                        .map(|value| Datum::$variant(*value))
                        .collect(),
                    _ => $array
                        .iter()
                        .take(count)
                        .map(|value| value.map_or(Datum::Null, Datum::$variant))
                        .collect(),
                })
            };
        }
        match self {
            Column::Int2(array) => numbers!(array, Int2),
            Column::Int4(array) => numbers!(array, Int4),
            Column::Int8(array) => numbers!(array, Int8),
            Column::Float4(array) => numbers!(array, Float4),
            Column::Float8(array) => numbers!(array, Float8),
            Column::Date(array) => numbers!(array, Date),
            Column::Time(array) => numbers!(array, Time),
            Column::Timestamp(array) => numbers!(array, Timestamp),
            Column::Timestamptz(array) => numbers!(array, Timestamptz),
            Column::Oid(array) => numbers!(array, Oid),
            Column::Bool(_)
            | Column::Text(_)
            | Column::Json(_)
            | Column::Bytea(_)
            | Column::Uuid(_)
            | Column::Numeric(_)
            | Column::Interval(_)
            | Column::Encoded(_) => (0..count).map(|index| self.get(index)).collect(),
        }
    }

    pub fn get(&self, index: usize) -> Result<Datum> {
        macro_rules! value {
            ($array:expr, $make:expr) => {
                if $array.is_null(index) {
                    Ok(Datum::Null)
                } else {
                    $make($array.value(index))
                }
            };
        }
        match self {
            Column::Bool(array) => value!(array, |v| Ok(Datum::Bool(v))),
            Column::Int2(array) => value!(array, |v| Ok(Datum::Int2(v))),
            Column::Int4(array) => value!(array, |v| Ok(Datum::Int4(v))),
            Column::Int8(array) => value!(array, |v| Ok(Datum::Int8(v))),
            Column::Float4(array) => value!(array, |v| Ok(Datum::Float4(v))),
            Column::Float8(array) => value!(array, |v| Ok(Datum::Float8(v))),
            Column::Text(array) => value!(array, |v: &str| Ok(Datum::Text(v.to_string()))),
            Column::Json(array) => value!(array, |v: &str| Ok(Datum::Json(v.to_string()))),
            Column::Bytea(array) => value!(array, |v: &[u8]| Ok(Datum::Bytea(v.to_vec()))),
            Column::Date(array) => value!(array, |v| Ok(Datum::Date(v))),
            Column::Time(array) => value!(array, |v| Ok(Datum::Time(v))),
            Column::Timestamp(array) => value!(array, |v| Ok(Datum::Timestamp(v))),
            Column::Timestamptz(array) => value!(array, |v| Ok(Datum::Timestamptz(v))),
            Column::Oid(array) => value!(array, |v| Ok(Datum::Oid(v))),
            Column::Uuid(array) => {
                value!(array, |v: &[u8]| v
                    .try_into()
                    .map(Datum::Uuid)
                    .map_err(|_| SqlError::internal("a uuid is not 16 bytes long")))
            }
            Column::Numeric(array) => value!(array, |v| decode_numeric(v).map(Datum::Numeric)),
            Column::Interval(array) => value!(array, |v| decode_interval(v).map(Datum::Interval)),
            Column::Encoded(array) => value!(array, decode),
        }
    }
}

/// The values of arrays of these types.
pub(crate) fn to_columns(types: &[Type], arrays: &[ArrayRef]) -> Result<Vec<Vec<Datum>>> {
    let each = types.iter().zip(arrays);
    each.map(|(ty, array)| Column::new(*ty, array)?.values(array.len())).collect()
}

/// Rows out of arrays of these types, all of this length.
pub(crate) fn to_rows(types: &[Type], arrays: &[ArrayRef], count: usize) -> Result<Vec<Row>> {
    let columns = types
        .iter()
        .zip(arrays)
        .map(|(ty, array)| Column::new(*ty, array))
        .collect::<Result<Vec<_>>>()?;
    (0..count)
        .map(|index| columns.iter().map(|column| column.get(index)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_goes_there_and_back() {
        let numeric = "12.50".parse().map(Datum::Numeric).unwrap();
        let cases = [
            (Type::Bool, Datum::Bool(true)),
            (Type::Int2, Datum::Int2(-2)),
            (Type::Int4, Datum::Int4(-4)),
            (Type::Int8, Datum::Int8(i64::MIN)),
            (Type::Float4, Datum::Float4(-0.0)),
            (Type::Float8, Datum::Float8(1e300)),
            (Type::Numeric, numeric),
            (Type::Text, Datum::text("é")),
            (Type::Bpchar, Datum::text("a  ")),
            (Type::Bytea, Datum::Bytea(vec![0, 255])),
            (Type::Date, Datum::Date(i32::MAX)),
            (Type::Time, Datum::Time(86_400_000_000)),
            (Type::Timestamp, Datum::Timestamp(i64::MIN)),
            (Type::Timestamptz, Datum::Timestamptz(1)),
            (
                Type::Interval,
                Datum::Interval(types::Interval {
                    months: 1,
                    days: -2,
                    micros: 3,
                }),
            ),
            (Type::Uuid, Datum::Uuid([7; 16])),
            (Type::Json, Datum::Json("{ }".to_string())),
            (Type::Jsonb, Datum::Json("{}".to_string())),
            (Type::Oid, Datum::Oid(u32::MAX)),
            (
                Type::Array(&Type::Int4),
                Datum::array(Type::Int4, vec![Datum::Int4(1), Datum::Null]),
            ),
            (Type::Record, Datum::Record(vec![Datum::Null, Datum::Bool(false)])),
        ];
        for (ty, datum) in cases {
            let array = to_array(ty, [&datum, &Datum::Null].into_iter()).unwrap();
            assert_eq!(*array.data_type(), data_type(ty));
            let whole = to_array(ty, [&datum, &datum].into_iter()).unwrap();
            let columns = to_columns(&[ty, ty], &[array.clone(), whole]).unwrap();
            let expected = vec![vec![datum.clone(), Datum::Null], vec![datum.clone(), datum.clone()]];
            assert_eq!(format!("{columns:?}"), format!("{expected:?}"));
            let rows = to_rows(&[ty], &[array], 2).unwrap();
            assert_eq!(format!("{rows:?}"), format!("{:?}", vec![vec![datum], vec![Datum::Null]]));
        }
    }

    #[test]
    fn a_value_of_another_type_is_an_error() {
        assert!(to_array(Type::Int4, [&Datum::text("1")].into_iter()).is_err());
    }
}
