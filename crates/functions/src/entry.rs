//! The rows of the registry: what a function and an operator are.

use types::{Datum, Result, Type};

use crate::Environment;

/// The implementation of a scalar function.
pub type Run = fn(&dyn Environment, &[Datum]) -> Result<Datum>;

/// A scalar function. The tables of them are in [`crate::scalar`], one file per family.
#[derive(Debug)]
pub struct Scalar {
    pub name: &'static str,
    /// May hold the polymorphic types `Any`, `AnyElement` and `AnyArray`.
    pub args: &'static [Type],
    /// The last argument may be given any number of times, at least once.
    pub variadic: bool,
    /// May be polymorphic like `args`.
    pub ret: Type,
    /// NULL in, NULL out: `run` is not called when an argument is NULL.
    pub strict: bool,
    pub volatility: Volatility,
    pub run: Run,
    pub native: Option<Native>,
    /// How the polymorphic arguments depend on each other.
    pub family: Family,
    /// `run` wants to know the types of its arguments: one more argument at the end, made by
    /// [`types_argument`]. [`crate::resolve::Resolved::types_argument`] carries it. Without it `run` guesses
    /// from the values, which is wrong for `reg*` types, varchar, and NULLs.
    pub typed: bool,
    /// Argument names, for `make_interval(days => 10)`; empty where PostgreSQL has none.
    pub names: &'static [&'static str],
    /// The last `defaults.len()` arguments may be left out; these texts are their values.
    pub defaults: &'static [&'static str],
}

/// What PostgreSQL's pseudo-types say beyond [`Type::AnyElement`] and [`Type::AnyArray`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `anyelement`, `anyarray`: all of one type exactly.
    Same,
    /// `anynonarray`: as `Same`, and not an array.
    NonArray,
    /// `anycompatible`, `anycompatiblearray`: converted to a common type.
    Compatible,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// An arrow kernel that means exactly the same for these argument types, errors included
/// (overflow is SQLSTATE 22003, division by zero 22012).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Native {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

/// An operator and the function behind it. `left` is None for a prefix operator.
#[derive(Debug)]
pub struct Operator {
    pub symbol: &'static str,
    pub left: Option<Type>,
    pub right: Type,
    pub function: &'static Scalar,
}

impl Scalar {
    /// A strict, immutable function: what most are.
    pub(crate) const fn new(name: &'static str, args: &'static [Type], ret: Type, run: Run) -> Scalar {
        Scalar {
            name,
            args,
            variadic: false,
            ret,
            strict: true,
            volatility: Volatility::Immutable,
            run,
            native: None,
            family: Family::Same,
            typed: false,
            names: &[],
            defaults: &[],
        }
    }

    /// Called with NULLs, too.
    pub(crate) const fn lax(mut self) -> Scalar {
        self.strict = false;
        self
    }

    /// Says what [`Scalar::new`] assumes, where the entries of a table differ.
    pub(crate) const fn immutable(mut self) -> Scalar {
        self.volatility = Volatility::Immutable;
        self
    }

    pub(crate) const fn stable(mut self) -> Scalar {
        self.volatility = Volatility::Stable;
        self
    }

    pub(crate) const fn volatile(mut self) -> Scalar {
        self.volatility = Volatility::Volatile;
        self
    }

    pub(crate) const fn variadic(mut self) -> Scalar {
        self.variadic = true;
        self
    }

    pub(crate) const fn native(mut self, native: Native) -> Scalar {
        self.native = Some(native);
        self
    }

    pub(crate) const fn family(mut self, family: Family) -> Scalar {
        self.family = family;
        self
    }

    pub(crate) const fn typed(mut self) -> Scalar {
        self.typed = true;
        self
    }

    pub(crate) const fn named(mut self, names: &'static [&'static str]) -> Scalar {
        self.names = names;
        self
    }

    pub(crate) const fn defaults(mut self, defaults: &'static [&'static str]) -> Scalar {
        self.defaults = defaults;
        self
    }
}

/// No SQL text can hold a NUL, so no value of a user's can be taken for the types argument.
const TYPES_MARK: &str = "\0types";

/// The value that tells a [`Scalar::typed`] function the types of its other arguments.
pub fn types_argument(types: &[Type]) -> Datum {
    let shapes: Vec<Shape> = types
        .iter()
        .map(|ty| Shape {
            ty: *ty,
            fields: Vec::new(),
        })
        .collect();
    shapes_argument(&shapes)
}

/// What a function may know about the type of an argument.
#[derive(Clone, Debug)]
pub struct Shape {
    pub ty: Type,
    /// Names and types of a record's fields, where they are known: `row_to_json(t)` shows them.
    pub fields: Vec<(String, Type)>,
}

/// As [`types_argument`], with the names of records' fields.
pub fn shapes_argument(shapes: &[Shape]) -> Datum {
    let shape = |shape: &Shape| {
        let own = Datum::Oid(shape.ty.oid());
        if shape.fields.is_empty() {
            return own;
        }
        let fields = shape
            .fields
            .iter()
            .flat_map(|(name, ty)| [Datum::text(name.as_str()), Datum::Oid(ty.oid())]);
        Datum::Record([own].into_iter().chain(fields).collect())
    };
    Datum::Record([Datum::text(TYPES_MARK)].into_iter().chain(shapes.iter().map(shape)).collect())
}

fn type_of_oid(datum: Option<&Datum>) -> Type {
    match datum {
        Some(Datum::Oid(oid)) => Type::from_oid(*oid).unwrap_or(Type::Text),
        _ => Type::Text,
    }
}

/// The arguments of a [`Scalar::typed`] function without the types argument, and each one's shape.
pub(crate) fn split_shapes(args: &[Datum]) -> (&[Datum], Vec<Shape>) {
    if let Some((Datum::Record(fields), rest)) = args.split_last()
        && let Some(Datum::Text(mark)) = fields.first()
        && mark == TYPES_MARK
    {
        let shape = |datum: &Datum| match datum {
            Datum::Record(parts) => Shape {
                ty: type_of_oid(parts.first()),
                fields: parts[1..]
                    .chunks(2)
                    .map(|pair| (pair[0].as_str().unwrap_or_default().to_string(), type_of_oid(pair.get(1))))
                    .collect(),
            },
            other => Shape {
                ty: type_of_oid(Some(other)),
                fields: Vec::new(),
            },
        };
        let mut shapes: Vec<Shape> = fields[1..].iter().map(shape).collect();
        shapes.resize(
            rest.len(),
            Shape {
                ty: Type::Text,
                fields: Vec::new(),
            },
        );
        return (rest, shapes);
    }
    (
        args,
        args.iter()
            .map(|arg| Shape {
                ty: crate::argument::type_of(arg),
                fields: Vec::new(),
            })
            .collect(),
    )
}

/// As [`split_shapes`], types only.
pub(crate) fn split_types(args: &[Datum]) -> (&[Datum], Vec<Type>) {
    let (args, shapes) = split_shapes(args);
    (args, shapes.into_iter().map(|shape| shape.ty).collect())
}
