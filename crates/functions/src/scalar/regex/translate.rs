//! PostgreSQL's advanced regular expressions (ARE) in the syntax of the `regex-syntax` crate.
//!
//! What the automata cannot do - back references and lookaround - is refused by name.

use types::{Result, SqlError, SqlState};

/// Options of a regular expression: the letters of a flags argument, or of `(?xyz)` at its start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Options {
    pub(super) insensitive: bool,
    /// `.` and negated brackets never match a newline.
    pub(super) dot_stops_at_newline: bool,
    /// `^` and `$` match at newlines.
    pub(super) line_anchors: bool,
    /// White space and comments are ignored.
    pub(super) expanded: bool,
    /// The whole pattern is a literal string.
    pub(super) literal: bool,
}

impl Options {
    /// Applies one letter; false if there is no such option. `g` is the functions' own affair.
    pub(super) fn apply(&mut self, letter: char) -> bool {
        match letter {
            'i' => self.insensitive = true,
            'c' => self.insensitive = false,
            'n' | 'm' => (self.dot_stops_at_newline, self.line_anchors) = (true, true),
            's' => (self.dot_stops_at_newline, self.line_anchors) = (false, false),
            'p' => (self.dot_stops_at_newline, self.line_anchors) = (true, false),
            'w' => (self.dot_stops_at_newline, self.line_anchors) = (false, true),
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'q' => self.literal = true,
            'e' => self.literal = false,
            _ => return false,
        }
        true
    }
}

/// A translated pattern.
pub(super) struct Translated {
    pub(super) syntax: String,
    /// The whole match is the longest that there is, not the shortest.
    pub(super) longest: bool,
    pub(super) groups: usize,
}

/// The most repetitions a bound can ask for (PostgreSQL's `DUPMAX`).
const MAX_BOUND: u32 = 255;
/// Groups inside groups.
const MAX_DEPTH: usize = 100;

pub(super) fn invalid(what: &str) -> SqlError {
    SqlError::new(SqlState::InvalidRegularExpression, format!("invalid regular expression: {what}"))
}

pub(super) fn translate(pattern: &str, mut options: Options) -> Result<Translated> {
    let mut body = pattern;
    if let Some(rest) = body.strip_prefix("***=") {
        options.literal = true;
        body = rest;
    } else if let Some(rest) = body.strip_prefix("***:") {
        body = rest;
    } else if body.starts_with("***") {
        return Err(invalid("quantifier operand invalid"));
    }
    if !options.literal
        && let Some(rest) = body.strip_prefix("(?")
        && rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && let Some((letters, rest)) = rest.split_once(')')
    {
        for letter in letters.chars() {
            if !options.apply(letter) {
                return Err(invalid("invalid embedded option"));
            }
        }
        body = rest;
    }
    let mut syntax = String::from(if options.insensitive { "(?si)" } else { "(?s)" });
    if options.literal {
        syntax.push_str(&regex_syntax::escape(body));
        return Ok(Translated {
            syntax,
            longest: true,
            groups: 0,
        });
    }
    let mut parser = Parser {
        rest: body.chars().collect::<Vec<_>>().into_iter().peekable(),
        options,
        groups: 0,
        depth: 0,
    };
    let whole = parser.alternatives()?;
    if parser.rest.peek().is_some() {
        return Err(invalid("parentheses () not balanced"));
    }
    syntax.push_str(&whole.syntax);
    Ok(Translated {
        syntax,
        longest: whole.prefers != Some(Prefers::Short),
        groups: parser.groups,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefers {
    Long,
    Short,
}

/// A translated part, and its greediness if it has any.
struct Part {
    syntax: String,
    prefers: Option<Prefers>,
}

struct Parser {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    options: Options,
    groups: usize,
    depth: usize,
}

impl Parser {
    /// Branches up to a closing parenthesis or the end.
    fn alternatives(&mut self) -> Result<Part> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(invalid("regular expression is too complex"));
        }
        let mut whole = self.branch()?;
        while self.rest.next_if_eq(&'|').is_some() {
            let next = self.branch()?;
            whole.syntax.push('|');
            whole.syntax.push_str(&next.syntax);
            whole.prefers = Some(Prefers::Long);
        }
        self.depth -= 1;
        Ok(whole)
    }

    fn branch(&mut self) -> Result<Part> {
        let mut branch = Part {
            syntax: String::new(),
            prefers: None,
        };
        loop {
            self.skip_ignored();
            match self.rest.peek() {
                None | Some('|' | ')') => return Ok(branch),
                Some(_) => {}
            }
            let atom = self.quantified()?;
            branch.syntax.push_str(&atom.syntax);
            branch.prefers = branch.prefers.or(atom.prefers);
        }
    }

    /// White space and comments of the expanded syntax, and `(?#...)` comments.
    fn skip_ignored(&mut self) {
        loop {
            if self.options.expanded {
                if self.rest.next_if(|c| c.is_whitespace()).is_some() {
                    continue;
                }
                if self.rest.next_if_eq(&'#').is_some() {
                    while self.rest.next_if(|c| *c != '\n').is_some() {}
                    continue;
                }
            }
            let mut ahead = self.rest.clone();
            if (ahead.next(), ahead.next(), ahead.next()) == (Some('('), Some('?'), Some('#')) {
                for c in self.rest.by_ref() {
                    if c == ')' {
                        break;
                    }
                }
                continue;
            }
            return;
        }
    }

    fn quantified(&mut self) -> Result<Part> {
        let Some(c) = self.rest.next() else {
            return Err(invalid("quantifier operand invalid"));
        };
        let mut is_constraint = false;
        let mut atom = Part {
            syntax: String::new(),
            prefers: None,
        };
        match c {
            '(' => atom = self.group()?,
            '[' => {
                let (syntax, constraint) = self.bracket()?;
                atom.syntax = syntax;
                is_constraint = constraint;
            }
            '.' => atom.syntax.push_str(if self.options.dot_stops_at_newline { "[^\\n]" } else { "." }),
            '^' => {
                atom.syntax.push_str(if self.options.line_anchors { "(?m:^)" } else { "\\A" });
                is_constraint = true;
            }
            '$' => {
                atom.syntax.push_str(if self.options.line_anchors { "(?m:$)" } else { "\\z" });
                is_constraint = true;
            }
            '\\' => (atom.syntax, is_constraint) = self.escape()?,
            '*' | '+' | '?' => return Err(invalid("quantifier operand invalid")),
            '{' if self.rest.peek().is_some_and(char::is_ascii_digit) => return Err(invalid("quantifier operand invalid")),
            c => atom.syntax = literal(c),
        }
        self.skip_ignored();
        let Some((bounds, is_fixed)) = self.quantifier()? else {
            return Ok(atom);
        };
        if is_constraint {
            return Err(invalid("quantifier operand invalid"));
        }
        let short = self.rest.next_if_eq(&'?').is_some();
        self.skip_ignored();
        let follows = self.rest.peek().copied();
        if matches!(follows, Some('*' | '+' | '?')) {
            return Err(invalid("quantifier operand invalid"));
        }
        let prefers = match (is_fixed, short) {
            (true, _) => atom.prefers,
            (false, true) => Some(Prefers::Short),
            (false, false) => Some(Prefers::Long),
        };
        let syntax = if bounds == "{1,1}" {
            // Only the preference is meant; it holds for the group as a whole.
            if short { swap_greed(&atom.syntax) } else { atom.syntax }
        } else {
            format!("(?:{}){bounds}{}", atom.syntax, if short && !is_fixed { "?" } else { "" })
        };
        Ok(Part { syntax, prefers })
    }

    /// A quantifier in the syntax of regex-syntax, and whether it is `{m}`.
    fn quantifier(&mut self) -> Result<Option<(String, bool)>> {
        let Some(&c) = self.rest.peek() else { return Ok(None) };
        if matches!(c, '*' | '+' | '?') {
            self.rest.next();
            return Ok(Some((c.to_string(), false)));
        }
        let mut ahead = self.rest.clone();
        if c != '{' || !matches!((ahead.next(), ahead.next()), (_, Some('0'..='9'))) {
            return Ok(None);
        }
        self.rest.next();
        let low = self.number()?;
        let mut high = Some(low);
        let mut is_fixed = true;
        if self.rest.next_if_eq(&',').is_some() {
            is_fixed = false;
            high = if self.rest.peek().is_some_and(char::is_ascii_digit) {
                Some(self.number()?)
            } else {
                None
            };
        }
        match self.rest.next() {
            Some('}') => {}
            Some(_) => return Err(invalid("invalid repetition count(s)")),
            None => return Err(invalid("braces {} not balanced")),
        }
        if high.is_some_and(|high| high < low) {
            return Err(invalid("invalid repetition count(s)"));
        }
        let bounds = match high {
            Some(high) if is_fixed => format!("{{{high}}}"),
            Some(high) => format!("{{{low},{high}}}"),
            None => format!("{{{low},}}"),
        };
        Ok(Some((bounds, is_fixed)))
    }

    fn number(&mut self) -> Result<u32> {
        let mut number = 0_u32;
        while let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(10)) {
            self.rest.next();
            number = number.saturating_mul(10).saturating_add(digit);
        }
        if number > MAX_BOUND {
            Err(invalid("invalid repetition count(s)"))
        } else {
            Ok(number)
        }
    }

    /// After an opening parenthesis.
    fn group(&mut self) -> Result<Part> {
        let mut opening = "(";
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some(':') => opening = "(?:",
                Some('=' | '!' | '<') => return Err(invalid("lookahead and lookbehind constraints are not supported")),
                _ => return Err(invalid("quantifier operand invalid")),
            }
        } else {
            self.groups += 1;
        }
        let inner = self.alternatives()?;
        if self.rest.next() != Some(')') {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(Part {
            syntax: format!("{opening}{})", inner.syntax),
            prefers: inner.prefers,
        })
    }

    /// After a backslash outside brackets: the translation, and whether it is a constraint.
    fn escape(&mut self) -> Result<(String, bool)> {
        let Some(c) = self.rest.next() else {
            return Err(invalid("invalid escape \\ sequence"));
        };
        let constraint = match c {
            'A' => "\\A",
            'Z' => "\\z",
            'm' => "\\b{start}",
            'M' => "\\b{end}",
            'y' => "\\b",
            'Y' => "\\B",
            _ => "",
        };
        if !constraint.is_empty() {
            return Ok((constraint.to_string(), true));
        }
        if let Some(class) = class_escape(c) {
            let newline_too = c.is_ascii_uppercase() && self.options.dot_stops_at_newline;
            return Ok((
                if newline_too {
                    format!("[{class}--\\n]")
                } else {
                    format!("[{class}]")
                },
                false,
            ));
        }
        if c.is_ascii_digit() && c != '0' {
            return Err(invalid("back references are not supported"));
        }
        Ok((literal(self.character(c)?), false))
    }

    /// The character that an escape stands for, after the backslash and its first letter.
    fn character(&mut self, c: char) -> Result<char> {
        Ok(match c {
            'a' => '\x07',
            'b' => '\x08',
            'B' => '\\',
            'e' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'c' => match self.rest.next() {
                Some(control) => char::from_u32(u32::from(control) & 0x1f).unwrap_or('\0'),
                None => return Err(invalid("invalid escape \\ sequence")),
            },
            'u' => self.code(16, 4, 4)?,
            'U' => self.code(16, 8, 8)?,
            'x' => self.code(16, 1, 255)?,
            '0' => self.code(8, 0, 2)?,
            c if c.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
            c => c,
        })
    }

    fn code(&mut self, radix: u32, least: usize, most: usize) -> Result<char> {
        let mut digits = 0;
        let mut code = 0_u32;
        while digits < most
            && let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(radix))
        {
            self.rest.next();
            digits += 1;
            code = code
                .checked_mul(radix)
                .and_then(|code| code.checked_add(digit))
                .ok_or_else(|| invalid("invalid escape \\ sequence"))?;
        }
        if digits < least {
            return Err(invalid("invalid escape \\ sequence"));
        }
        char::from_u32(code).ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    /// After an opening bracket: the translation, and whether it is a constraint (`[[:<:]]`).
    fn bracket(&mut self) -> Result<(String, bool)> {
        let ahead: String = self.rest.clone().take(6).collect();
        for (spelling, boundary) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            if ahead == spelling {
                self.rest.nth(5);
                return Ok((boundary.to_string(), true));
            }
        }
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut out = String::from(if negated { "[^" } else { "[" });
        if negated && self.options.dot_stops_at_newline {
            out.push_str("\\n");
        }
        let mut first = true;
        loop {
            let Some(c) = self.rest.next() else {
                return Err(invalid("brackets [] not balanced"));
            };
            if c == ']' && !first {
                out.push(']');
                return Ok((out, false));
            }
            first = false;
            let start = match self.bracket_item(c)? {
                Item::Class(class) => {
                    out.push_str(&class);
                    continue;
                }
                Item::Char(c) => c,
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            if !is_range {
                out.push_str(&escaped(start));
                continue;
            }
            self.rest.next();
            let c = self.rest.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
            match self.bracket_item(c)? {
                Item::Char(end) if end >= start => {
                    out.push_str(&escaped(start));
                    out.push('-');
                    out.push_str(&escaped(end));
                }
                Item::Char(_) | Item::Class(_) => return Err(invalid("invalid character range")),
            }
        }
    }

    fn bracket_item(&mut self, c: char) -> Result<Item> {
        if c == '\\' {
            let Some(c) = self.rest.next() else {
                return Err(invalid("invalid escape \\ sequence"));
            };
            return match class_escape(c) {
                Some(class) => Ok(Item::Class(class.to_string())),
                None => self.character(c).map(Item::Char),
            };
        }
        if c != '[' {
            return Ok(Item::Char(c));
        }
        let Some(kind) = self.rest.next_if(|c| matches!(c, ':' | '.' | '=')) else {
            return Ok(Item::Char('['));
        };
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some(c) if c == kind && self.rest.next_if_eq(&']').is_some() => break,
                Some(c) => name.push(c),
                None => return Err(invalid("brackets [] not balanced")),
            }
        }
        if kind == ':' {
            return named_class(&name)
                .map(|class| Item::Class(class.to_string()))
                .ok_or_else(|| invalid("invalid character class"));
        }
        let mut chars = name.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(Item::Char(c)),
            _ => Err(invalid("invalid collating element")),
        }
    }
}

/// One thing inside brackets.
enum Item {
    Char(char),
    Class(String),
}

fn literal(c: char) -> String {
    let mut buffer = [0; 4];
    regex_syntax::escape(c.encode_utf8(&mut buffer))
}

/// A character inside brackets: everything but letters and digits has an escape.
fn escaped(c: char) -> String {
    if c.is_alphanumeric() {
        c.to_string()
    } else {
        format!("\\x{{{:x}}}", u32::from(c))
    }
}

fn class_escape(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => "\\s",
        'S' => "\\S",
        'w' => "\\w",
        'W' => "\\W",
        _ => return None,
    })
}

fn named_class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alpha" => "\\p{Alphabetic}",
        "digit" => "0-9",
        "alnum" => "\\p{Alphabetic}0-9",
        "upper" => "\\p{Uppercase}",
        "lower" => "\\p{Lowercase}",
        "space" => "\\s",
        "blank" => "\\t\\p{Zs}",
        "punct" => "\\p{P}\\p{S}",
        "cntrl" => "\\p{Cc}",
        "xdigit" => "0-9A-Fa-f",
        "graph" => "[^\\s\\p{Cc}\\p{Cn}]",
        "print" => "[^\\p{Cc}\\p{Cn}]",
        "word" => "\\w",
        "ascii" => "\\x00-\\x7f",
        _ => return None,
    })
}

/// A group in which short becomes long and the reverse; capturing groups stay where they are.
fn swap_greed(syntax: &str) -> String {
    format!("(?U:{syntax})")
}
