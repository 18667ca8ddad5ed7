//! Errors of syntax, each with its place in the body.
//!
//! boa's parser finds most of them. What it does not look for (names that a function body declares
//! twice) and what it finds without saying where (labels, private names, ends of literals) is done
//! here.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Read};
use std::ops::ControlFlow;

use boa_engine::Source;
use boa_engine::ast::declaration::{Binding, LexicalDeclaration, VarDeclaration};
use boa_engine::ast::expression::Identifier;
use boa_engine::ast::function::{
    ArrowFunction, AsyncArrowFunction, AsyncFunctionDeclaration, AsyncFunctionExpression, AsyncGeneratorDeclaration,
    AsyncGeneratorExpression, ClassDeclaration, ClassElement, FunctionBody, FunctionDeclaration, FunctionExpression, GeneratorDeclaration,
    GeneratorExpression,
};
use boa_engine::ast::pattern::{ArrayPatternElement, ObjectPatternElement};
use boa_engine::ast::scope::Scope;
use boa_engine::ast::statement::iteration::IterableLoopInitializer;
use boa_engine::ast::visitor::{VisitWith, Visitor};
use boa_engine::ast::{Declaration, Position, Script, Spanned, StatementListItem};
use boa_engine::interner::{Interner, Sym};
use boa_engine::parser::lexer::error::Error as LexError;
use boa_engine::parser::{Error as ParseError, Parser};

use crate::abi::status;
use crate::buffer::{put_text, put_u32};

pub struct Error {
    pub message: String,
    pub line: u32,
    pub column: u32,
}

impl Error {
    pub fn at(position: Position, message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            line: position.line_number(),
            column: position.column_number(),
        }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(status::SYNTAX);
        put_text(out, &self.message);
        put_u32(out, self.line);
        put_u32(out, self.column);
    }
}

/// The body as a script.
pub fn parse(body: &str, interner: &mut Interner) -> Result<Script, Error> {
    let taken = Cell::new(0);
    let source = Source::from_reader(
        Counted {
            bytes: body.as_bytes(),
            taken: &taken,
        },
        None,
    );
    let script = Parser::new(source).parse_script(&Scope::new_global(), interner);
    let script = script.map_err(|error| located(&error, body, taken.get(), interner))?;
    let mut duplicates = Duplicates { found: None };
    check_names(script.statements().statements(), &mut duplicates);
    let _ = duplicates.visit_script(&script);
    match duplicates.found {
        Some(name) => Err(declared_twice(name, interner)),
        None => Ok(script),
    }
}

/// How far the parser has read.
struct Counted<'a> {
    bytes: &'a [u8],
    taken: &'a Cell<usize>,
}

impl Read for Counted<'_> {
    /// A byte at a time, or what was read would say nothing.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (Some(place), Some((first, rest))) = (buffer.first_mut(), self.bytes.split_first()) else {
            return Ok(0);
        };
        *place = *first;
        self.bytes = rest;
        self.taken.set(self.taken.get() + 1);
        Ok(1)
    }
}

fn located(error: &ParseError, body: &str, taken: usize, interner: &mut Interner) -> Error {
    let printed = error.to_string();
    let message = printed.rsplit_once(" at line ").map_or(printed.as_str(), |(message, _)| message);
    let position = match error {
        ParseError::Expected { span, .. } | ParseError::Unexpected { span, .. } => span.start(),
        ParseError::General { position, .. }
        | ParseError::Lex {
            err: LexError::Syntax(_, position),
        } => *position,
        ParseError::AbruptEnd => return Error::at(position_of(body, body.len()), "unexpected end of the function body"),
        // An end was missing: of the text, or of the line.
        ParseError::Lex { err: LexError::IO(_) } => {
            let end = body.floor_char_boundary(taken);
            return Error::at(position_of(body, body[..end].trim_end_matches(['\r', '\n']).len()), message);
        }
        ParseError::ScopeAnalysis { .. } => Position::new(1, 1),
    };
    // The place that boa gives to what it finds after it has read a whole function.
    if position != Position::new(1, 1) {
        return Error::at(position, message);
    }
    if message.starts_with("lexical name declared multiple times") {
        return declared_twice_at_top(body, interner).unwrap_or_else(|| Error::at(position, message));
    }
    let found = if message.contains("break") {
        statement_at_fault("break", body, interner)
    } else if message.contains("continue") {
        statement_at_fault("continue", body, interner)
    } else if message.contains("private identifier") {
        private_name_at_fault(body, interner)
    } else {
        None
    };
    Error::at(found.map_or(position, |offset| position_of(body, offset)), message)
}

fn is_label_error(text: &str, keyword: &str, interner: &mut Interner) -> Option<bool> {
    match Parser::new(Source::from_bytes(text)).parse_script(&Scope::new_global(), interner) {
        Ok(_) => Some(false),
        Err(ParseError::Lex {
            err: LexError::Syntax(message, position),
        }) if position == Position::new(1, 1) => Some(message.contains(keyword)),
        Err(_) => None,
    }
}

/// Places beyond which nobody looks for the one at fault.
const MAX_CANDIDATES: usize = 64;

/// The first `break` or `continue` that belongs to nothing: the keywords are blanked from the last to
/// the first until the error is gone.
fn statement_at_fault(keyword: &str, body: &str, interner: &mut Interner) -> Option<usize> {
    let mut text = body.to_owned();
    let blank = " ".repeat(keyword.len());
    for (offset, _) in body.rmatch_indices(keyword).take(MAX_CANDIDATES) {
        let whole = !body[..offset].ends_with(is_name_part) && !body[offset + keyword.len()..].starts_with(is_name_part);
        if !whole {
            continue;
        }
        let before = text.clone();
        text.replace_range(offset..offset + keyword.len(), &blank);
        match is_label_error(&text, keyword, interner) {
            Some(true) => {}
            Some(false) => return Some(offset),
            // It was no statement.
            None => text = before,
        }
    }
    None
}

/// The first use of a private name that no class around it declares: with every other name made
/// public, the error is still there.
fn private_name_at_fault(body: &str, interner: &mut Interner) -> Option<usize> {
    let names: Vec<(usize, &str)> = body
        .match_indices('#')
        .map(|(offset, _)| {
            let rest = &body[offset + 1..];
            (offset, &rest[..rest.find(|c| !is_name_part(c)).unwrap_or(rest.len())])
        })
        .filter(|(_, name)| !name.is_empty())
        .take(MAX_CANDIDATES)
        .collect();
    names
        .iter()
        .find(|(_, suspect)| {
            let mut text = body.to_owned();
            for (offset, name) in names.iter().rev() {
                if name != suspect {
                    text.replace_range(*offset..offset + 1, "$");
                }
            }
            matches!(
                Parser::new(Source::from_bytes(&text)).parse_script(&Scope::new_global(), interner),
                Err(ParseError::General { message, .. }) if message.contains("private identifier")
            )
        })
        .map(|(offset, _)| *offset)
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn declared_twice(name: Identifier, interner: &Interner) -> Error {
    let message = format!("identifier \"{}\" has already been declared", interner.resolve_expect(name.sym()));
    Error::at(name.span().start(), message)
}

/// boa refuses these before anybody sees the tree; as the body of a function it lets them pass.
fn declared_twice_at_top(body: &str, interner: &mut Interner) -> Option<Error> {
    let function = Parser::new(Source::from_bytes(body))
        .parse_function_body(interner, false, false)
        .ok()?;
    let mut duplicates = Duplicates { found: None };
    check_names(function.statements(), &mut duplicates);
    duplicates.found.map(|name| declared_twice(name, interner))
}

/// Looks into every function body for a name that is declared twice.
struct Duplicates {
    found: Option<Identifier>,
}

impl<'ast> Visitor<'ast> for Duplicates {
    type BreakTy = ();

    fn visit_function_body(&mut self, body: &'ast FunctionBody) -> ControlFlow<()> {
        check_names(body.statements(), self);
        if self.found.is_some() {
            return ControlFlow::Break(());
        }
        body.visit_with(self)
    }
}

fn check_names(statements: &[StatementListItem], duplicates: &mut Duplicates) {
    let mut names = Names {
        lexical: Vec::new(),
        var: Vec::new(),
        into_lexical: false,
    };
    for statement in statements {
        match statement {
            StatementListItem::Declaration(declaration) => match &**declaration {
                Declaration::Lexical(list) => names.lexical(list),
                Declaration::ClassDeclaration(class) => names.lexical.push(class.name()),
                Declaration::FunctionDeclaration(function) => names.var.push(function.name()),
                Declaration::GeneratorDeclaration(function) => names.var.push(function.name()),
                Declaration::AsyncFunctionDeclaration(function) => names.var.push(function.name()),
                Declaration::AsyncGeneratorDeclaration(function) => names.var.push(function.name()),
            },
            StatementListItem::Statement(statement) => {
                let _ = names.visit_statement(statement);
            }
        }
    }
    if names.lexical.is_empty() {
        return;
    }
    // In the order of the text; the second of two is at fault if either is lexical.
    let Names { lexical, var, .. } = names;
    let mut all: Vec<(Identifier, bool)> = lexical.into_iter().map(|name| (name, true)).collect();
    all.extend(var.into_iter().map(|name| (name, false)));
    all.sort_by_key(|(name, _)| (name.span().start().line_number(), name.span().start().column_number()));
    let mut seen: HashMap<Sym, bool> = HashMap::new();
    for (name, lexical) in all {
        match seen.get(&name.sym()) {
            Some(before) if *before || lexical => {
                duplicates.found = Some(name);
                return;
            }
            Some(_) => {}
            None => {
                seen.insert(name.sym(), lexical);
            }
        }
    }
}

/// Gathers the names that belong to one function body: those of functions inside it do not.
struct Names {
    lexical: Vec<Identifier>,
    var: Vec<Identifier>,
    /// Where the names of a binding go.
    into_lexical: bool,
}

impl Names {
    fn lexical(&mut self, list: &LexicalDeclaration) {
        self.into_lexical = true;
        for variable in list.variable_list().as_ref() {
            self.binding(variable.binding());
        }
        self.into_lexical = false;
    }

    fn push(&mut self, name: Identifier) {
        match self.into_lexical {
            true => self.lexical.push(name),
            false => self.var.push(name),
        }
    }

    fn binding(&mut self, binding: &Binding) {
        match binding {
            Binding::Identifier(name) => self.push(*name),
            Binding::Pattern(pattern) => {
                let _ = self.visit_pattern(pattern);
            }
        }
    }
}

macro_rules! not_into {
    ($($method:ident: $node:ty),* $(,)?) => {
        $(fn $method(&mut self, _: &'ast $node) -> ControlFlow<Infallible> {
            ControlFlow::Continue(())
        })*
    };
}

impl<'ast> Visitor<'ast> for Names {
    type BreakTy = Infallible;

    fn visit_var_declaration(&mut self, declaration: &'ast VarDeclaration) -> ControlFlow<Infallible> {
        for variable in declaration.0.as_ref() {
            self.binding(variable.binding());
        }
        ControlFlow::Continue(())
    }

    fn visit_iterable_loop_initializer(&mut self, initializer: &'ast IterableLoopInitializer) -> ControlFlow<Infallible> {
        if let IterableLoopInitializer::Var(variable) = initializer {
            self.binding(variable.binding());
        }
        ControlFlow::Continue(())
    }

    fn visit_object_pattern_element(&mut self, element: &'ast ObjectPatternElement) -> ControlFlow<Infallible> {
        match element {
            ObjectPatternElement::SingleName { ident, .. } | ObjectPatternElement::RestProperty { ident } => {
                self.push(*ident);
                ControlFlow::Continue(())
            }
            ObjectPatternElement::Pattern { pattern, .. } => self.visit_pattern(pattern),
            ObjectPatternElement::AssignmentPropertyAccess { .. } | ObjectPatternElement::AssignmentRestPropertyAccess { .. } => {
                ControlFlow::Continue(())
            }
        }
    }

    fn visit_array_pattern_element(&mut self, element: &'ast ArrayPatternElement) -> ControlFlow<Infallible> {
        match element {
            ArrayPatternElement::SingleName { ident, .. } | ArrayPatternElement::SingleNameRest { ident } => {
                self.push(*ident);
                ControlFlow::Continue(())
            }
            ArrayPatternElement::Pattern { pattern, .. } | ArrayPatternElement::PatternRest { pattern } => self.visit_pattern(pattern),
            ArrayPatternElement::Elision | ArrayPatternElement::PropertyAccess { .. } | ArrayPatternElement::PropertyAccessRest { .. } => {
                ControlFlow::Continue(())
            }
        }
    }

    fn visit_expression(&mut self, _: &'ast boa_engine::ast::Expression) -> ControlFlow<Infallible> {
        ControlFlow::Continue(())
    }

    not_into! {
        visit_lexical_declaration: LexicalDeclaration,
        visit_class_declaration: ClassDeclaration,
        visit_class_element: ClassElement,
        visit_function_declaration: FunctionDeclaration,
        visit_function_expression: FunctionExpression,
        visit_generator_declaration: GeneratorDeclaration,
        visit_generator_expression: GeneratorExpression,
        visit_async_function_declaration: AsyncFunctionDeclaration,
        visit_async_function_expression: AsyncFunctionExpression,
        visit_async_generator_declaration: AsyncGeneratorDeclaration,
        visit_async_generator_expression: AsyncGeneratorExpression,
        visit_arrow_function: ArrowFunction,
        visit_async_arrow_function: AsyncArrowFunction,
    }
}

/// Line and column, as boa counts them, of a place in the text.
fn position_of(body: &str, offset: usize) -> Position {
    let (mut line, mut column) = (1, 1);
    let mut characters = body[..offset].chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\r' && characters.peek() == Some(&'\n') {
            continue;
        }
        match is_line_end(c) {
            true => (line, column) = (line + 1, 1),
            false => column += 1,
        }
    }
    Position::new(line, column)
}

/// The place in the text of a line and column.
pub fn offset_of(body: &str, position: Position) -> Option<usize> {
    let (mut line, mut column) = (1, 1);
    let mut characters = body.char_indices().peekable();
    while let Some((offset, c)) = characters.next() {
        if (line, column) == (position.line_number(), position.column_number()) {
            return Some(offset);
        }
        if c == '\r' && characters.peek().is_some_and(|(_, next)| *next == '\n') {
            continue;
        }
        match is_line_end(c) {
            true => (line, column) = (line + 1, 1),
            false => column += 1,
        }
    }
    None
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}
