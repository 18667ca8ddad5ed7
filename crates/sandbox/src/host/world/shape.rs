//! Types of the component model as the host's interface uses them, for holding a component's own against them.

use std::fmt;

use wasmtime::component::Type;
use wasmtime::component::types::ComponentFunc;

#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Bool,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    Text,
    List(&'static Shape),
    Option(&'static Shape),
    Tuple(&'static [Shape]),
    Result(Option<&'static Shape>, &'static Shape),
    Record(&'static str, &'static [(&'static str, Shape)]),
    Variant(&'static str, &'static [(&'static str, Option<Shape>)]),
    Enum(&'static str, &'static [&'static str]),
}

impl Shape {
    /// Whether a component means the same by a type. What it is called does not matter, what its fields and cases are called does.
    pub fn is(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Shape::Bool, Type::Bool)
            | (Shape::S16, Type::S16)
            | (Shape::S32, Type::S32)
            | (Shape::S64, Type::S64)
            | (Shape::U8, Type::U8)
            | (Shape::U16, Type::U16)
            | (Shape::U32, Type::U32)
            | (Shape::U64, Type::U64)
            | (Shape::F32, Type::Float32)
            | (Shape::F64, Type::Float64)
            | (Shape::Text, Type::String) => true,
            (Shape::List(element), Type::List(list)) => element.is(&list.ty()),
            (Shape::Option(some), Type::Option(option)) => some.is(&option.ty()),
            (Shape::Tuple(shapes), Type::Tuple(tuple)) => all(shapes.iter(), tuple.types(), |shape, ty| shape.is(&ty)),
            (Shape::Result(ok, err), Type::Result(result)) => {
                let ok = match (ok, result.ok()) {
                    (Some(shape), Some(ty)) => shape.is(&ty),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                ok && result.err().is_some_and(|ty| err.is(&ty))
            }
            (Shape::Record(_, fields), Type::Record(record)) => all(fields.iter(), record.fields(), |(name, shape), field| {
                *name == field.name && shape.is(&field.ty)
            }),
            (Shape::Variant(_, cases), Type::Variant(variant)) => all(cases.iter(), variant.cases(), |(name, shape), case| {
                *name == case.name
                    && match (shape, &case.ty) {
                        (Some(shape), Some(ty)) => shape.is(ty),
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    }
            }),
            (Shape::Enum(_, names), Type::Enum(found)) => all(names.iter(), found.names(), |name, found| *name == found),
            _ => false,
        }
    }
}

/// Whether a function takes these parameters, whatever it calls them, and gives this result.
pub fn is_function(parameters: &[(&str, Shape)], result: Option<&Shape>, found: &ComponentFunc) -> bool {
    !found.async_()
        && all(parameters.iter(), found.params(), |(_, shape), (_, ty)| shape.is(&ty))
        && all(result.into_iter(), found.results(), |shape, ty| shape.is(&ty))
}

fn all<A, B>(ours: impl ExactSizeIterator<Item = A>, theirs: impl ExactSizeIterator<Item = B>, same: impl Fn(A, B) -> bool) -> bool {
    ours.len() == theirs.len() && ours.zip(theirs).all(|(our, their)| same(our, their))
}

/// As WIT spells it.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Bool => f.write_str("bool"),
            Shape::S16 => f.write_str("s16"),
            Shape::S32 => f.write_str("s32"),
            Shape::S64 => f.write_str("s64"),
            Shape::U8 => f.write_str("u8"),
            Shape::U16 => f.write_str("u16"),
            Shape::U32 => f.write_str("u32"),
            Shape::U64 => f.write_str("u64"),
            Shape::F32 => f.write_str("f32"),
            Shape::F64 => f.write_str("f64"),
            Shape::Text => f.write_str("string"),
            Shape::List(element) => write!(f, "list<{element}>"),
            Shape::Option(some) => write!(f, "option<{some}>"),
            Shape::Tuple(shapes) => {
                let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
                write!(f, "tuple<{}>", shapes.join(", "))
            }
            Shape::Result(Some(ok), err) => write!(f, "result<{ok}, {err}>"),
            Shape::Result(None, err) => write!(f, "result<_, {err}>"),
            Shape::Record(name, _) | Shape::Variant(name, _) | Shape::Enum(name, _) => f.write_str(name),
        }
    }
}

/// A type of a component as WIT spells it. It has no names: what has one in WIT is told by what it is.
pub fn spell(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::S8 => "s8".into(),
        Type::U8 => "u8".into(),
        Type::S16 => "s16".into(),
        Type::U16 => "u16".into(),
        Type::S32 => "s32".into(),
        Type::U32 => "u32".into(),
        Type::S64 => "s64".into(),
        Type::U64 => "u64".into(),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::List(list) => format!("list<{}>", nested(&list.ty())),
        Type::Option(option) => format!("option<{}>", nested(&option.ty())),
        Type::Result(result) => match (result.ok(), result.err()) {
            (Some(ok), Some(err)) => format!("result<{}, {}>", nested(&ok), nested(&err)),
            (None, Some(err)) => format!("result<_, {}>", nested(&err)),
            (Some(ok), None) => format!("result<{}>", nested(&ok)),
            (None, None) => "result".into(),
        },
        Type::Tuple(_) => "a tuple".into(),
        Type::Record(_) => "a record".into(),
        Type::Variant(_) => "a variant".into(),
        Type::Enum(_) => "an enum".into(),
        Type::Flags(_) => "flags".into(),
        Type::Map(_) => "a map".into(),
        Type::Own(_) | Type::Borrow(_) => "a resource".into(),
        Type::Future(_) => "a future".into(),
        Type::Stream(_) => "a stream".into(),
        Type::ErrorContext => "an error-context".into(),
        Type::FixedLengthList(_) => "a list of fixed length".into(),
    }
}

/// One level further in, which is the last that is told: types can be as large as their author likes.
fn nested(ty: &Type) -> String {
    match ty {
        Type::List(list) => format!("list<{}>", outermost(&list.ty())),
        Type::Option(option) => format!("option<{}>", outermost(&option.ty())),
        _ => outermost(ty),
    }
}

fn outermost(ty: &Type) -> String {
    match ty {
        Type::List(_) => "list".into(),
        Type::Option(_) => "option".into(),
        Type::Result(_) => "result".into(),
        _ => spell(ty),
    }
}

/// `(s32, option<string>) -> string`.
pub fn spell_function(function: &ComponentFunc) -> String {
    const MAX_SPELLED: usize = 20;
    let mut parameters: Vec<String> = function.params().take(MAX_SPELLED).map(|(_, ty)| spell(&ty)).collect();
    if function.params().len() > MAX_SPELLED {
        parameters.push("...".into());
    }
    let result = function
        .results()
        .next()
        .map_or_else(String::new, |ty| format!(" -> {}", spell(&ty)));
    format!("({}){result}", parameters.join(", "))
}
