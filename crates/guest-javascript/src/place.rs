//! Where an error happened, when boa knows the function only.
//!
//! boa 0.22 keeps the places of calls, assignments, property reads and the like, but not of names, of
//! the methods that are called, nor of patterns: an error there has the place where its function's
//! body begins. What the message says is then looked for in that body, among what boa keeps no place of.

use std::cell::RefCell;
use std::convert::Infallible;
use std::ops::ControlFlow;

use boa_engine::Context;
use boa_engine::ast::declaration::LexicalDeclaration;
use boa_engine::ast::expression::access::PropertyAccess;
use boa_engine::ast::expression::operator::{Assign, Binary, Unary, Update};
use boa_engine::ast::expression::{Call, Expression, Identifier, Spread};
use boa_engine::ast::function::{FormalParameterList, FunctionBody, FunctionExpression};
use boa_engine::ast::operations::bound_names;
use boa_engine::ast::pattern::Pattern;
use boa_engine::ast::statement::{ForOfLoop, Throw};
use boa_engine::ast::visitor::{VisitWith, Visitor};
use boa_engine::ast::{Position, Spanned};
use boa_engine::interner::{Interner, Sym};

use crate::syntax;

thread_local! {
    /// The body of the function that is loaded.
    static BODY: RefCell<String> = const { RefCell::new(String::new()) };
}

pub fn keep_body(body: &str) {
    BODY.set(body.to_owned());
}

/// What stands in a stack for the place that boa gave.
pub enum Place {
    /// It is as good as it gets.
    AsGiven,
    /// One of these lines; none, if the body has no candidate.
    Lines(Vec<u32>),
}

/// `at`: line and column as boa gave them; None: it gave none. `main`: outside of every function.
pub fn refine(message: &str, at: Option<(u32, u32)>, main: bool, context: &mut Context) -> Place {
    let body = BODY.with_borrow(String::clone);
    let interner = context.interner_mut();
    let Ok(script) = syntax::parse(&body, interner) else {
        return Place::AsGiven;
    };
    let mut finder = Finder {
        regions: vec![Region::default(), Region::default()],
        current: MAIN,
        guarded: false,
        expression: None,
    };
    let _ = finder.visit_script(&script);
    let start = at.map(|(line, column)| Position::new(line, column));
    let region = match start {
        Some(start) => finder
            .regions
            .iter()
            .find(|region| region.start == Some(start) || region.expression == Some(start)),
        None => finder.regions.get(if main { MAIN } else { PARAMETERS }),
    };
    match region {
        Some(region) => Place::Lines(match region.only_line {
            Some(line) => vec![line],
            None => region.lines(message, interner),
        }),
        None => Place::AsGiven,
    }
}

/// The regions that are not the body of one function.
const MAIN: usize = 0;
const PARAMETERS: usize = 1;

/// What can throw in one function's body, but for what boa keeps a place of.
#[derive(Default)]
struct Region {
    start: Option<Position>,
    /// The place of a constructor's body for boa.
    expression: Option<Position>,
    /// The line that all of it stands on.
    only_line: Option<u32>,
    names: Vec<(Sym, Position)>,
    /// Names that `let`, `const` and `class` declare.
    lexical: Vec<Sym>,
    methods: Vec<Position>,
    patterns: Vec<Position>,
    iterables: Vec<Position>,
    operators: Vec<Position>,
}

impl Region {
    fn lines(&self, message: &str, interner: &Interner) -> Vec<u32> {
        let is_name = |symbol: Sym, name: &str| interner.resolve_expect(symbol).to_string() == name;
        let mut found: Vec<Position> = if let Some(name) = missing_name(message) {
            // An unknown name throws where it is met first.
            self.names
                .iter()
                .filter(|(symbol, _)| is_name(*symbol, name))
                .map(|(_, position)| *position)
                .take(1)
                .collect()
        } else if message.contains("uninitialized") {
            let mut seen = Vec::new();
            self.names
                .iter()
                .filter(|(symbol, _)| self.lexical.contains(symbol))
                .filter(|(symbol, _)| {
                    !seen.contains(symbol) && {
                        seen.push(*symbol);
                        true
                    }
                })
                .map(|(_, position)| *position)
                .collect()
        } else if message.contains("destructure") {
            self.patterns.clone()
        } else if message.contains("iterable") {
            [self.iterables.as_slice(), self.patterns.as_slice()].concat()
        } else if message.contains("to object") || message.contains("to Object") {
            [self.methods.as_slice(), self.iterables.as_slice()].concat()
        } else if message.contains("BigInt") || message.contains("instanceof") {
            self.operators.clone()
        } else {
            Vec::new()
        };
        found.sort_by_key(|position| position.line_number());
        let mut lines: Vec<u32> = found.into_iter().map(Position::line_number).collect();
        lines.dedup();
        lines
    }
}

/// `x` of `ReferenceError: x is not defined`.
fn missing_name(message: &str) -> Option<&str> {
    let (name, _) = message.lines().next()?.split_once(" is not defined")?;
    name.rsplit(' ').next()
}

struct Finder {
    regions: Vec<Region>,
    current: usize,
    /// Within something that boa keeps the place of.
    guarded: bool,
    /// Where the function expression begins whose body comes next.
    expression: Option<Position>,
}

impl Finder {
    fn region(&mut self) -> Option<&mut Region> {
        let current = self.current;
        (!self.guarded).then(|| &mut self.regions[current])
    }

    fn guarded(&mut self, visit: impl FnOnce(&mut Self) -> ControlFlow<Infallible>) -> ControlFlow<Infallible> {
        let outer = std::mem::replace(&mut self.guarded, true);
        let result = visit(self);
        self.guarded = outer;
        result
    }

    fn within(&mut self, region: usize, visit: impl FnOnce(&mut Self) -> ControlFlow<Infallible>) -> ControlFlow<Infallible> {
        let outer = (
            std::mem::replace(&mut self.current, region),
            std::mem::replace(&mut self.guarded, false),
        );
        let result = visit(self);
        (self.current, self.guarded) = outer;
        result
    }
}

impl<'ast> Visitor<'ast> for Finder {
    type BreakTy = Infallible;

    fn visit_function_body(&mut self, body: &'ast FunctionBody) -> ControlFlow<Infallible> {
        let (start, end) = (body.span().start(), body.span().end());
        self.regions.push(Region {
            start: Some(start),
            expression: self.expression.take(),
            only_line: (start.line_number() == end.line_number()).then_some(start.line_number()),
            ..Region::default()
        });
        self.within(self.regions.len() - 1, |finder| body.visit_with(finder))
    }

    fn visit_function_expression(&mut self, function: &'ast FunctionExpression) -> ControlFlow<Infallible> {
        self.expression = Some(function.span().start());
        function.visit_with(self)
    }

    fn visit_formal_parameter_list(&mut self, parameters: &'ast FormalParameterList) -> ControlFlow<Infallible> {
        self.within(PARAMETERS, |finder| parameters.visit_with(finder))
    }

    fn visit_lexical_declaration(&mut self, declaration: &'ast LexicalDeclaration) -> ControlFlow<Infallible> {
        let names = bound_names(declaration);
        let current = self.current;
        self.regions[current].lexical.extend(names);
        declaration.visit_with(self)
    }

    fn visit_pattern(&mut self, pattern: &'ast Pattern) -> ControlFlow<Infallible> {
        if let Some(region) = self.region() {
            region.patterns.push(pattern.span().start());
        }
        pattern.visit_with(self)
    }

    fn visit_expression(&mut self, expression: &'ast Expression) -> ControlFlow<Infallible> {
        if let Expression::Identifier(name) = expression
            && let Some(region) = self.region()
        {
            region.names.push((name.sym(), name.span().start()));
        }
        expression.visit_with(self)
    }

    fn visit_identifier(&mut self, _: &'ast Identifier) -> ControlFlow<Infallible> {
        ControlFlow::Continue(())
    }

    fn visit_for_of_loop(&mut self, each: &'ast ForOfLoop) -> ControlFlow<Infallible> {
        if let Some(region) = self.region() {
            region.iterables.push(each.iterable().span().start());
        }
        each.visit_with(self)
    }

    fn visit_spread(&mut self, spread: &'ast Spread) -> ControlFlow<Infallible> {
        if let Some(region) = self.region() {
            region.iterables.push(spread.target().span().start());
        }
        spread.visit_with(self)
    }

    fn visit_binary(&mut self, binary: &'ast Binary) -> ControlFlow<Infallible> {
        if let Some(region) = self.region() {
            region.operators.push(binary.lhs().span().start());
        }
        binary.visit_with(self)
    }

    fn visit_property_access(&mut self, access: &'ast PropertyAccess) -> ControlFlow<Infallible> {
        self.guarded(|finder| access.visit_with(finder))
    }

    fn visit_call(&mut self, call: &'ast Call) -> ControlFlow<Infallible> {
        match call.function() {
            // boa keeps no place of the read of the method itself.
            Expression::PropertyAccess(PropertyAccess::Simple(method)) => {
                if let Some(region) = self.region() {
                    region.methods.push(method.field().span().start());
                }
                self.visit_expression(method.target())?;
            }
            function => self.visit_expression(function)?,
        }
        self.guarded(|finder| call.args().iter().try_for_each(|argument| finder.visit_expression(argument)))
    }

    fn visit_assign(&mut self, assign: &'ast Assign) -> ControlFlow<Infallible> {
        self.guarded(|finder| assign.visit_with(finder))
    }

    fn visit_unary(&mut self, unary: &'ast Unary) -> ControlFlow<Infallible> {
        self.guarded(|finder| unary.visit_with(finder))
    }

    fn visit_update(&mut self, update: &'ast Update) -> ControlFlow<Infallible> {
        self.guarded(|finder| update.visit_with(finder))
    }

    fn visit_throw(&mut self, throw: &'ast Throw) -> ControlFlow<Infallible> {
        self.guarded(|finder| throw.visit_with(finder))
    }
}
