//! Aggregates that keep all of their input: `string_agg`, `array_agg`, `json_agg`.

use types::Type::*;
use types::{Array as ArrayValue, Datum, Result, SqlError, SqlState, Type};

use super::{Accumulator, Aggregate, size_of_datum};
use crate::Environment;
use crate::entry::Shape;
use crate::limit::{check_elements, check_size};
use crate::scalar::json::{key, write};

pub(crate) static AGGREGATES: &[Aggregate] = &[
    Aggregate::new("string_agg", &[Text, Text], Text, |_| Box::new(Strings(None))).lax(),
    Aggregate::new("string_agg", &[Bytea, Bytea], Bytea, |_| Box::new(Bytes(None))).lax(),
    Aggregate::new("array_agg", &[AnyElement], AnyArray, |args| Box::new(Elements::new(args)))
        .lax()
        .non_array(),
    Aggregate::new("array_agg", &[AnyArray], AnyArray, |args| Box::new(Elements::new(args))).lax(),
    Aggregate::new("json_agg", &[AnyElement], Json, |args| {
        Box::new(Documents::new(args, Kind::Array, false))
    })
    .lax(),
    Aggregate::new("jsonb_agg", &[AnyElement], Jsonb, |args| {
        Box::new(Documents::new(args, Kind::Array, true))
    })
    .lax(),
    Aggregate::new("json_object_agg", &[Any, Any], Json, |args| {
        Box::new(Documents::new(args, Kind::Object, false))
    })
    .lax(),
    Aggregate::new("jsonb_object_agg", &[Any, Any], Jsonb, |args| {
        Box::new(Documents::new(args, Kind::Object, true))
    })
    .lax(),
];

/// Each value but the first comes after its own delimiter.
#[derive(Debug)]
struct Strings(Option<String>);

impl Accumulator for Strings {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let Some(value) = args.first().and_then(Datum::as_str) else {
            return Ok(());
        };
        match &mut self.0 {
            None => self.0 = Some(value.to_string()),
            Some(all) => {
                let delimiter = args.get(1).and_then(Datum::as_str).unwrap_or_default();
                check_size(all.len() + delimiter.len() + value.len())?;
                all.push_str(delimiter);
                all.push_str(value);
            }
        }
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        Ok(self.0.clone().map_or(Datum::Null, Datum::Text))
    }

    fn size(&self) -> usize {
        size_of::<Strings>() + self.0.as_ref().map_or(0, String::capacity)
    }
}

#[derive(Debug)]
struct Bytes(Option<Vec<u8>>);

impl Accumulator for Bytes {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let Some(Datum::Bytea(value)) = args.first() else { return Ok(()) };
        match &mut self.0 {
            None => self.0 = Some(value.clone()),
            Some(all) => {
                if let Some(Datum::Bytea(delimiter)) = args.get(1) {
                    all.extend_from_slice(delimiter);
                }
                check_size(all.len() + value.len())?;
                all.extend_from_slice(value);
            }
        }
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        Ok(self.0.clone().map_or(Datum::Null, Datum::Bytea))
    }

    fn size(&self) -> usize {
        size_of::<Bytes>() + self.0.as_ref().map_or(0, Vec::capacity)
    }
}

/// NULLs are elements, too. Arrays become one array of one dimension more.
#[derive(Debug)]
struct Elements {
    element: Type,
    of_arrays: bool,
    /// How many were added, and the dimensions of each if they are arrays.
    count: i32,
    dims: Vec<(i32, i32)>,
    values: Vec<Datum>,
    bytes: usize,
}

impl Elements {
    fn new(args: &[Type]) -> Elements {
        let ty = args.first().copied().unwrap_or(Text);
        let of_arrays = matches!(ty, Array(_));
        Elements {
            element: ty.element().unwrap_or(ty),
            of_arrays,
            count: 0,
            dims: vec![],
            values: vec![],
            bytes: 0,
        }
    }

    fn add_array(&mut self, value: &Datum) -> Result<()> {
        let refused = |message: &str| SqlError::new(SqlState::ArrayElementError, message);
        let Datum::Array(array) = value else {
            return Err(SqlError::new(SqlState::NullValueNotAllowed, "cannot accumulate null arrays"));
        };
        if array.dims.is_empty() {
            return Err(refused("cannot accumulate empty arrays"));
        }
        if self.count == 0 {
            self.dims = array.dims.clone();
        } else if self
            .dims
            .iter()
            .map(|(length, _)| length)
            .ne(array.dims.iter().map(|(length, _)| length))
        {
            return Err(refused("cannot accumulate arrays of different dimensionality"));
        }
        self.values.extend(array.values.iter().cloned());
        Ok(())
    }
}

impl Accumulator for Elements {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        if self.of_arrays {
            self.add_array(&args[0])?;
        } else {
            self.values.push(args[0].clone());
        }
        self.count += 1;
        self.bytes += size_of_datum(&args[0]);
        check_size(self.bytes)?;
        check_elements(self.values.len())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let mut dims = vec![(self.count, 1)];
        dims.extend(&self.dims);
        Ok(Datum::Array(Box::new(ArrayValue {
            element: self.element,
            dims,
            values: self.values.clone(),
        })))
    }

    fn size(&self) -> usize {
        size_of::<Elements>() + self.bytes
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Array,
    Object,
}

#[derive(Debug)]
struct Documents {
    kind: Kind,
    is_jsonb: bool,
    shapes: Vec<Shape>,
    out: String,
}

impl Documents {
    fn new(args: &[Type], kind: Kind, is_jsonb: bool) -> Documents {
        let shapes = args.iter().copied().map(Shape::of).collect();
        Documents {
            kind,
            is_jsonb,
            shapes,
            out: String::new(),
        }
    }
}

impl Accumulator for Documents {
    fn add(&mut self, env: &dyn Environment, args: &[Datum]) -> Result<()> {
        let first = self.out.is_empty();
        match self.kind {
            Kind::Array => {
                if !first {
                    self.out.push_str(", ");
                    let own_line = match &args[0] {
                        Datum::Array(_) => true,
                        Datum::Record(fields) => !write::written(fields).is_some_and(Datum::is_null),
                        _ => false,
                    };
                    if own_line {
                        self.out.push_str("\n ");
                    }
                }
                write::value(env, &args[0], &self.shapes[0], &mut self.out)?;
            }
            Kind::Object => {
                if !first {
                    self.out.push_str(", ");
                }
                if args[0].is_null() {
                    return Err(SqlError::new(SqlState::InvalidParameterValue, "field name must not be null"));
                }
                key(env, &args[0], &self.shapes[0], &mut self.out)?;
                self.out.push_str(" : ");
                write::value(env, &args[1], &self.shapes[1], &mut self.out)?;
            }
        }
        check_size(self.out.len())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        if self.out.is_empty() {
            return Ok(Datum::Null);
        }
        let text = match self.kind {
            Kind::Array => format!("[{}]", self.out),
            Kind::Object => format!("{{ {} }}", self.out),
        };
        Ok(Datum::Json(if self.is_jsonb {
            types::text::json::canonical(&text)?
        } else {
            text
        }))
    }

    fn size(&self) -> usize {
        size_of::<Documents>() + self.out.capacity()
    }
}
