//! Function calls by name and argument types (`func_get_detail`).

use types::{Datum, Result, SqlError, SqlState, Type};

use super::pick::{Candidate, Pick, Signature, best};
use super::polymorphic::resolve_polymorphic;
use super::{list, pick};
use crate::cast::{Context, can_cast};
use crate::{Aggregate, Family, Scalar, SetFunction, registry, types_argument};

/// What a call means.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub target: Target,
    /// The exact type that each argument is to be cast to, one per argument given.
    pub args: Vec<Type>,
    /// For a set function of several columns: `Record`.
    pub ret: Type,
    /// To be appended, as a constant of type record, to the arguments of a [`Scalar::typed`] function.
    pub types_argument: Option<Datum>,
}

#[derive(Clone, Copy, Debug)]
pub enum Target {
    Scalar(&'static Scalar),
    Aggregate(&'static Aggregate),
    Set(&'static SetFunction),
    /// `float8(x)`, `date('2020-01-01')`: a call that is an explicit cast of its one argument.
    Cast(Type),
}

/// A call with positional arguments.
pub fn resolve_call(name: &str, args: &[Type]) -> Result<Resolved> {
    let targets = targets(name);
    let signatures: Vec<(Signature, Family)> = targets.iter().map(signature).collect();
    let exact = signatures
        .iter()
        .position(|(signature, _)| !signature.variadic && signature.args == args);
    if exact.is_none()
        && let Some(resolved) = as_cast(name, args)
    {
        return Ok(resolved);
    }
    let candidates = signatures
        .iter()
        .enumerate()
        .filter_map(|(i, (signature, family))| Candidate::new(i, signature, *family, args.len()));
    let chosen = match exact {
        Some(index) => Pick::One(index),
        None => best(candidates.collect(), args),
    };
    match chosen {
        Pick::One(index) => finish(targets[index], args),
        Pick::None => Err(not_found(name, &list(args))),
        Pick::Ambiguous => Err(SqlError::new(
            SqlState::AmbiguousFunction,
            format!("function {name}({}) is not unique", list(args)),
        )
        .hint("Could not choose a best candidate function. You might need to add explicit type casts.")),
    }
}

/// A call with named arguments after the positional ones (`make_interval(days => 10)`). Beside the
/// call, for each declared argument: the index of the argument given for it (positional ones first,
/// then named ones in their order), or the default's text. `Resolved::args` are the declared types.
pub fn resolve_named_call(name: &str, positional: &[Type], named: &[(&str, Type)]) -> Result<(Resolved, Vec<NamedSource>)> {
    for scalar in registry::scalars_named(name).iter().filter(|scalar| !scalar.names.is_empty()) {
        let Some(sources) = assign(scalar, positional, named) else {
            continue;
        };
        let actual: Vec<Type> = sources
            .iter()
            .zip(scalar.args)
            .map(|(source, declared)| match source {
                NamedSource::Given(i) => positional
                    .iter()
                    .copied()
                    .chain(named.iter().map(|(_, ty)| *ty))
                    .nth(*i)
                    .unwrap_or(Type::Unknown),
                NamedSource::Default(_) => *declared,
            })
            .collect();
        let signature = Signature {
            args: scalar.args.to_vec(),
            defaults: 0,
            variadic: false,
        };
        if pick(&[signature], &actual) == Pick::One(0) {
            return Ok((finish(Target::Scalar(scalar), &actual)?, sources));
        }
    }
    let shown: Vec<String> = positional
        .iter()
        .map(Type::to_string)
        .chain(named.iter().map(|(n, ty)| format!("{n} => {ty}")))
        .collect();
    Err(not_found(name, &shown.join(", ")))
}

/// Where a declared argument's value comes from in a call with named arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamedSource {
    Given(usize),
    /// Text that the argument's type reads.
    Default(&'static str),
}

fn assign(scalar: &'static Scalar, positional: &[Type], named: &[(&str, Type)]) -> Option<Vec<NamedSource>> {
    let mut sources: Vec<Option<NamedSource>> = vec![None; scalar.args.len()];
    for i in 0..positional.len() {
        *sources.get_mut(i)? = Some(NamedSource::Given(i));
    }
    for (i, (name, _)) in named.iter().enumerate() {
        let slot = sources.get_mut(scalar.names.iter().position(|n| n == name)?)?;
        if slot.is_some() {
            return None;
        }
        *slot = Some(NamedSource::Given(positional.len() + i));
    }
    let required = scalar.args.len() - scalar.defaults.len().min(scalar.args.len());
    sources
        .into_iter()
        .enumerate()
        .map(|(i, source)| {
            source.or_else(|| {
                let index = i.checked_sub(required)?;
                scalar.defaults.get(index).map(|text| NamedSource::Default(text))
            })
        })
        .collect()
}

fn not_found(name: &str, args: &str) -> SqlError {
    SqlError::new(SqlState::UndefinedFunction, format!("function {name}({args}) does not exist"))
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

fn targets(name: &str) -> Vec<Target> {
    let scalars = registry::scalars_named(name).iter().copied().map(Target::Scalar);
    let aggregates = registry::aggregates_named(name).iter().copied().map(Target::Aggregate);
    let sets = registry::set_functions_named(name).iter().copied().map(Target::Set);
    scalars.chain(aggregates).chain(sets).collect()
}

fn signature(target: &Target) -> (Signature, Family) {
    let (args, variadic, family) = match target {
        Target::Scalar(scalar) => (scalar.args, scalar.variadic, scalar.family),
        Target::Aggregate(aggregate) => (aggregate.args, false, aggregate.family),
        Target::Set(set) => (set.args, set.variadic, Family::Same),
        Target::Cast(_) => (&[] as &[Type], false, Family::Same),
    };
    (
        Signature {
            args: args.to_vec(),
            defaults: 0,
            variadic,
        },
        family,
    )
}

fn finish(target: Target, actual: &[Type]) -> Result<Resolved> {
    if let Target::Scalar(scalar) = target
        && let Some(text) = text_twin(scalar)
    {
        let args = vec![Type::Text; actual.len()];
        return Ok(Resolved {
            target: Target::Scalar(text),
            args,
            ret: text.ret,
            types_argument: None,
        });
    }
    let (signature, family) = signature(&target);
    let declared = Candidate::new(0, &signature, family, actual.len())
        .map(|candidate| candidate.args)
        .unwrap_or(signature.args);
    let ret = match target {
        Target::Scalar(scalar) => scalar.ret,
        Target::Aggregate(aggregate) => aggregate.ret,
        Target::Set(set) => match set.columns {
            [(_, ty)] => *ty,
            _ => Type::Record,
        },
        Target::Cast(ty) => ty,
    };
    let (args, ret) = resolve_polymorphic(&declared, ret, actual, family)?;
    let types_argument = match target {
        Target::Scalar(scalar) if scalar.typed => {
            // An untyped literal is converted to text for "any", but `pg_typeof` says unknown.
            let is_any = |i: usize| declared.get(i) == Some(&Type::Any);
            let seen: Vec<Type> = args
                .iter()
                .zip(actual)
                .enumerate()
                .map(|(i, (arg, actual))| if is_any(i) { *actual } else { *arg })
                .collect();
            Some(types_argument(&seen))
        }
        _ => None,
    };
    Ok(Resolved {
        target,
        args,
        ret,
        types_argument,
    })
}

/// A function over `anyelement` or `anynonarray` that PostgreSQL defines as its `text` twin over
/// `x::text`.
pub(super) fn text_twin(scalar: &'static Scalar) -> Option<&'static Scalar> {
    if !scalar.args.contains(&Type::AnyElement) {
        return None;
    }
    match scalar.name {
        "textanycat" | "anytextcat" => registry::scalar_exactly("textcat", &[Type::Text, Type::Text]),
        "quote_literal" | "quote_nullable" => registry::scalar_exactly(scalar.name, &[Type::Text]),
        _ => None,
    }
}

/// `typename(x)`, where no function takes exactly x.
fn as_cast(name: &str, args: &[Type]) -> Option<Resolved> {
    let [from] = args else { return None };
    let to = types::Type::from_name(name).filter(|ty| ty.catalog_name() == name && ty.category() != 'P')?;
    can_cast(*from, to, Context::Explicit).then(|| Resolved {
        target: Target::Cast(to),
        args: vec![*from],
        ret: to,
        types_argument: None,
    })
}
