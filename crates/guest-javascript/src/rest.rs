//! `const {auth: {hash}, ...others} = user`: what `others` must not hold.
//!
//! boa 0.22 leaves only keys out of a rest object that are bound to a name or a property, not those
//! that a nested pattern takes apart: `others` would have `auth`. So that nobody hands out what he
//! thinks he removed, each such key is bound once more, to a name that nothing uses:
//! `{"auth": $1, auth: {hash}, ...others}`. Lines stay what they were.

use std::borrow::Cow;
use std::ops::ControlFlow;

use boa_engine::ast::declaration::Binding;
use boa_engine::ast::expression::Expression;
use boa_engine::ast::expression::literal::LiteralKind;
use boa_engine::ast::expression::operator::assign::AssignTarget;
use boa_engine::ast::pattern::{ObjectPattern, ObjectPatternElement};
use boa_engine::ast::property::PropertyName;
use boa_engine::ast::scope::Scope;
use boa_engine::ast::statement::iteration::IterableLoopInitializer;
use boa_engine::ast::visitor::{VisitWith, Visitor};
use boa_engine::ast::{Position, Script, Spanned};
use boa_engine::interner::{Interner, ToInternedString};
use boa_engine::parser::Parser;
use boa_engine::{Context, JsNativeError, JsResult, JsString, Source};

use crate::syntax::{Error, offset_of};

/// The body with all keys bound; itself, if there is nothing to do.
pub fn exclude_nested_keys<'a>(script: &Script, body: &'a str, interner: &Interner) -> Result<Cow<'a, str>, Error> {
    let mut keys = Keys {
        interner,
        found: Vec::new(),
        declares: true,
    };
    if let ControlFlow::Break(error) = keys.visit_script(script) {
        return Err(error);
    }
    if keys.found.is_empty() {
        return Ok(Cow::Borrowed(body));
    }
    let prefix = free_prefix(body);
    let mut inserted = Vec::new();
    for (count, key) in keys.found.into_iter().enumerate() {
        let offset = offset_of(body, key.position).ok_or_else(|| unsupported(key.position))?;
        let offset = start_of_element(body, offset);
        if key.text.starts_with('[') && !body[offset..].starts_with('[') {
            return Err(unsupported(key.position));
        }
        let target = match key.declares {
            true => format!("{prefix}{count}"),
            // No name can be declared here, but a property of an object that nobody keeps will do.
            false => "[].x".to_owned(),
        };
        inserted.push((offset, format!("{}: {target}, ", key.text)));
    }
    inserted.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
    let mut text = body.to_owned();
    for (offset, insertion) in inserted {
        text.insert_str(offset, &insertion);
    }
    Ok(Cow::Owned(text))
}

/// Code that is made at run time is compiled as it is, so it must have none of those keys.
pub fn refuse_in_made_code(parameters: &[JsString], body: &JsString, context: &mut Context) -> JsResult<()> {
    let body = body.to_std_string_lossy();
    let parameters: Vec<String> = parameters.iter().map(JsString::to_std_string_lossy).collect();
    if !body.contains("...") && !parameters.iter().any(|parameter| parameter.contains("...")) {
        return Ok(());
    }
    // As a program, and as the body of whatever kind of function it may be; boa reports what is neither.
    let as_function = |star: &str| format!("(async function{star}({}\n) {{\n{body}\n}})", parameters.join(","));
    for text in [body.clone(), as_function(""), as_function("*")] {
        let mut parser = Parser::new(Source::from_bytes(&text));
        let Ok(script) = parser.parse_script(&Scope::new_global(), context.interner_mut()) else {
            continue;
        };
        let changed = exclude_nested_keys(&script, &text, context.interner());
        if !matches!(changed, Ok(Cow::Borrowed(_))) {
            return Err(JsNativeError::syntax()
                .with_message(
                    "a key that a nested pattern takes apart is not supported beside a rest element in code that is made at run time",
                )
                .into());
        }
    }
    Ok(())
}

/// A beginning of names that the body does not contain.
fn free_prefix(body: &str) -> String {
    let mut prefix = "$".to_owned();
    while body.contains(&prefix) {
        prefix.push('$');
    }
    prefix
}

struct Key {
    /// Where the key stands that a pattern takes apart.
    position: Position,
    /// The key, as a property name.
    text: String,
    /// In a declaration or a parameter; else in an assignment.
    declares: bool,
}

struct Keys<'a> {
    interner: &'a Interner,
    found: Vec<Key>,
    declares: bool,
}

impl Keys<'_> {
    fn within<T>(&mut self, declares: bool, visit: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.declares, declares);
        let result = visit(self);
        self.declares = outer;
        result
    }

    fn key(&self, name: &PropertyName) -> Result<Key, Error> {
        let (position, text) = match name {
            PropertyName::Literal(name) => {
                let key: JsString = self.interner.resolve_expect(name.sym()).into_common(false);
                (name.span().start(), quoted(&key))
            }
            // These can be evaluated twice. A number stands with brackets or without.
            PropertyName::Computed(Expression::Literal(literal)) => match literal.kind() {
                LiteralKind::Int(number) => (literal.span().start(), number.to_string()),
                LiteralKind::Num(number) => (literal.span().start(), number.to_string()),
                LiteralKind::String(text) => {
                    let key: JsString = self.interner.resolve_expect(*text).into_common(false);
                    (literal.span().start(), quoted(&key))
                }
                _ => return Err(unsupported(literal.span().start())),
            },
            PropertyName::Computed(Expression::Identifier(name)) => {
                (name.span().start(), format!("[{}]", name.to_interned_string(self.interner)))
            }
            PropertyName::Computed(key) => return Err(unsupported(key.span().start())),
        };
        Ok(Key {
            position,
            text,
            declares: self.declares,
        })
    }
}

fn unsupported(position: Position) -> Error {
    Error::at(
        position,
        "a computed key that a nested pattern takes apart is not supported beside a rest element; read that property in a statement of its own",
    )
}

/// Where an element begins whose key, or what its brackets hold, is at `offset`.
fn start_of_element(body: &str, offset: usize) -> usize {
    let before = body[..offset].trim_end();
    match before.strip_suffix('[') {
        Some(before) => before.len(),
        None => offset,
    }
}

/// As a string literal of ASCII characters.
fn quoted(key: &JsString) -> String {
    let mut text = String::from("\"");
    for unit in key.iter() {
        match char::from_u32(u32::from(unit)) {
            Some(plain) if plain.is_ascii_alphanumeric() || plain == '_' || plain == ' ' => text.push(plain),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    text.push('"');
    text
}

impl<'ast> Visitor<'ast> for Keys<'_> {
    type BreakTy = Error;

    fn visit_binding(&mut self, binding: &'ast Binding) -> ControlFlow<Error> {
        self.within(true, |keys| binding.visit_with(keys))
    }

    fn visit_assign_target(&mut self, target: &'ast AssignTarget) -> ControlFlow<Error> {
        self.within(false, |keys| target.visit_with(keys))
    }

    fn visit_iterable_loop_initializer(&mut self, initializer: &'ast IterableLoopInitializer) -> ControlFlow<Error> {
        self.within(false, |keys| initializer.visit_with(keys))
    }

    fn visit_object_pattern(&mut self, pattern: &'ast ObjectPattern) -> ControlFlow<Error> {
        let by_name = pattern.has_rest();
        let by_property = matches!(
            pattern.bindings().last(),
            Some(ObjectPatternElement::AssignmentRestPropertyAccess { .. })
        );
        if by_name || by_property {
            for element in pattern.bindings() {
                match element {
                    ObjectPatternElement::Pattern { name, .. } => match self.key(name) {
                        Ok(key) => self.found.push(key),
                        Err(error) => return ControlFlow::Break(error),
                    },
                    // boa knows these keys, but for computed ones beside `...object.property`.
                    ObjectPatternElement::SingleName {
                        name: PropertyName::Computed(key),
                        ..
                    }
                    | ObjectPatternElement::AssignmentPropertyAccess {
                        name: PropertyName::Computed(key),
                        ..
                    } if by_property => {
                        return ControlFlow::Break(Error::at(
                            key.span().start(),
                            "a computed key is not supported beside a rest element that is a property; assign the rest to a variable first",
                        ));
                    }
                    ObjectPatternElement::SingleName { .. }
                    | ObjectPatternElement::AssignmentPropertyAccess { .. }
                    | ObjectPatternElement::RestProperty { .. }
                    | ObjectPatternElement::AssignmentRestPropertyAccess { .. } => {}
                }
            }
        }
        pattern.visit_with(self)
    }
}
