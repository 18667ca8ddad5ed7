//! Calls of users' functions: which of several is meant, and what its arguments are.

use std::sync::Arc;

use functions::resolve::{Pick, Signature};
use query::ir::Expr;
use types::{Result, SqlError, Type};

use super::function::{ambiguous, undefined_call};
use super::{Binder, Scope, cannot_cast, undefined_function};

impl Binder<'_> {
    /// Chooses among users' functions and puts the arguments in order, defaults filled in.
    pub(super) fn user_arguments(
        &mut self,
        schema: Option<&str>,
        name: &str,
        candidates: &[Arc<catalog::Function>],
        args: Vec<Expr>,
        names: &[Option<String>],
    ) -> Result<(Arc<catalog::Function>, Vec<Expr>)> {
        let positional = names.iter().take_while(|name| name.is_none()).count();
        // Where each given argument goes, per candidate that could take them at all.
        let mut fitting = vec![];
        for function in candidates {
            let mut places: Vec<Option<usize>> = (0..function.args.len())
                .map(|index| (index < positional).then_some(index))
                .collect();
            let mut fits = positional <= function.args.len();
            for (given, name) in names.iter().enumerate().skip(positional) {
                let place = function.args.iter().position(|arg| arg.name.is_some() && arg.name == *name);
                match place {
                    Some(place) if places[place].is_none() => places[place] = Some(given),
                    Some(_) | None => fits = false,
                }
            }
            fits &= places
                .iter()
                .zip(&function.args)
                .all(|(place, arg)| place.is_some() || arg.default.is_some());
            if fits {
                fitting.push((function, places));
            }
        }
        let types: Vec<Type> = args.iter().map(Expr::ty).collect();
        let signatures: Vec<Signature> = fitting
            .iter()
            .map(|(function, places)| {
                let mut of_given = vec![Type::Unknown; args.len()];
                for (index, place) in places.iter().enumerate() {
                    if let Some(given) = place {
                        of_given[*given] = function.args[index].ty;
                    }
                }
                Signature {
                    args: of_given,
                    defaults: 0,
                    variadic: false,
                }
            })
            .collect();
        let (function, places) = match functions::resolve::pick(&signatures, &types) {
            Pick::One(index) => {
                // Another of the same schema takes these very arguments, and its defaults do the rest.
                let rival = |other: usize| {
                    other != index && signatures[other].args == signatures[index].args && fitting[other].0.schema == fitting[index].0.schema
                };
                if (0..fitting.len()).any(rival) {
                    return Err(ambiguous(schema, name, &types, names));
                }
                fitting.swap_remove(index)
            }
            Pick::None => return Err(undefined_call(schema, name, &types, names)),
            Pick::Ambiguous => return Err(ambiguous(schema, name, &types, names)),
        };
        let function = function.clone();
        let mut given: Vec<Option<Expr>> = args.into_iter().map(Some).collect();
        let mut ordered = vec![];
        for (arg, place) in function.args.iter().zip(places) {
            let bound = match place.and_then(|place| given[place].take()) {
                Some(bound) => bound,
                None => {
                    let text = arg.default.as_deref().ok_or_else(|| undefined_function(schema, name, &types))?;
                    self.argument_default(&function, text)?
                }
            };
            let ty = arg.ty;
            ordered.push(
                self.coerce(bound, ty, types::NO_TYPMOD, functions::cast::Context::Implicit, |from| {
                    cannot_cast(from, ty)
                })?,
            );
        }
        Ok((function, ordered))
    }

    /// What a DEFAULT means where an argument is left out. Its names mean what they meant to the function's creator: who calls puts no
    /// function of their own in their place.
    fn argument_default(&mut self, function: &catalog::Function, text: &str) -> Result<Expr> {
        let outer = self.names;
        self.names = outer.made_with(function).unwrap_or_else(|| outer.without_path());
        // Nor do the arguments of a function around the call.
        let arguments = self.function_arguments.take();
        let value = crate::parse::parse_expression(text)
            .and_then(|node| self.expr(&node, &Scope::default()))
            .map_err(SqlError::without_position);
        self.names = outer;
        self.function_arguments = arguments;
        value
    }
}
