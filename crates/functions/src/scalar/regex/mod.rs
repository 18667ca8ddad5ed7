//! Regular expressions: `~` and its kin, and the `regexp_*` functions.

mod engine;
mod simulation;
mod translate;

use std::rc::Rc;

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::argument::{int4, text};
use crate::limit::{Pace, check_elements, check_size};
use crate::set::{Rows, SetFunction};
use crate::{Environment, Scalar, set};
use engine::{Match, Regex, compile};
use translate::Options;

macro_rules! operators {
    ($($name:literal, $left:ident, $not:literal, $insensitive:literal;)*) => {
        &[$(Scalar::new($name, &[$left, Text], Bool, |_, a| {
            let options = Options { insensitive: $insensitive, ..Options::default() };
            Ok(Datum::Bool(compile(text(a, 1)?, options)?.is_match(text(a, 0)?) != $not))
        }),)*]
    };
}

pub(crate) static OPERATORS: &[Scalar] = operators! {
    "textregexeq", Text, false, false;
    "textregexne", Text, true, false;
    "texticregexeq", Text, false, true;
    "texticregexne", Text, true, true;
    "nameregexeq", Name, false, false;
    "nameregexne", Name, true, false;
    "nameicregexeq", Name, false, true;
    "nameicregexne", Name, true, true;
    "bpcharregexeq", Bpchar, false, false;
    "bpcharregexne", Bpchar, true, false;
    "bpcharicregexeq", Bpchar, false, true;
    "bpcharicregexne", Bpchar, true, true;
};

const TEXTS: types::Type = Array(&Text);

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("regexp_like", &[Text, Text], Bool, |_, a| regexp_like(a)),
    Scalar::new("regexp_like", &[Text, Text, Text], Bool, |_, a| regexp_like(a)),
    Scalar::new("regexp_match", &[Text, Text], TEXTS, regexp_match),
    Scalar::new("regexp_match", &[Text, Text, Text], TEXTS, regexp_match),
    Scalar::new("regexp_replace", &[Text, Text, Text], Text, regexp_replace),
    Scalar::new("regexp_replace", &[Text, Text, Text, Text], Text, regexp_replace),
    Scalar::new("regexp_replace", &[Text, Text, Text, Int4], Text, regexp_replace),
    Scalar::new("regexp_replace", &[Text, Text, Text, Int4, Int4], Text, regexp_replace),
    Scalar::new("regexp_replace", &[Text, Text, Text, Int4, Int4, Text], Text, regexp_replace),
    Scalar::new("regexp_count", &[Text, Text], Int4, regexp_count),
    Scalar::new("regexp_count", &[Text, Text, Int4], Int4, regexp_count),
    Scalar::new("regexp_count", &[Text, Text, Int4, Text], Int4, regexp_count),
    Scalar::new("regexp_instr", &[Text, Text], Int4, regexp_instr),
    Scalar::new("regexp_instr", &[Text, Text, Int4], Int4, regexp_instr),
    Scalar::new("regexp_instr", &[Text, Text, Int4, Int4], Int4, regexp_instr),
    Scalar::new("regexp_instr", &[Text, Text, Int4, Int4, Int4], Int4, regexp_instr),
    Scalar::new("regexp_instr", &[Text, Text, Int4, Int4, Int4, Text], Int4, regexp_instr),
    Scalar::new("regexp_instr", &[Text, Text, Int4, Int4, Int4, Text, Int4], Int4, regexp_instr),
    Scalar::new("regexp_substr", &[Text, Text], Text, regexp_substr),
    Scalar::new("regexp_substr", &[Text, Text, Int4], Text, regexp_substr),
    Scalar::new("regexp_substr", &[Text, Text, Int4, Int4], Text, regexp_substr),
    Scalar::new("regexp_substr", &[Text, Text, Int4, Int4, Text], Text, regexp_substr),
    Scalar::new("regexp_substr", &[Text, Text, Int4, Int4, Text, Int4], Text, regexp_substr),
    Scalar::new("regexp_split_to_array", &[Text, Text], TEXTS, split_to_array),
    Scalar::new("regexp_split_to_array", &[Text, Text, Text], TEXTS, split_to_array),
    Scalar::new("substring", &[Text, Text], Text, |env, a| substring(env, text(a, 0)?, text(a, 1)?)),
    Scalar::new("substring", &[Text, Text, Text], Text, |env, a| {
        let mut escape = text(a, 2)?.chars();
        let pattern = match (escape.next(), escape.next()) {
            (escape, None) => super::pattern::similar_to_regex(text(a, 1)?, escape)?,
            _ => {
                return Err(SqlError::new(SqlState::InvalidEscapeSequence, "invalid escape string")
                    .hint("Escape string must be empty or one character."));
            }
        };
        substring(env, text(a, 0)?, &pattern)
    }),
];

pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    SetFunction::new("regexp_matches", &[Text, Text], &[("regexp_matches", TEXTS)], regexp_matches),
    SetFunction::new("regexp_matches", &[Text, Text, Text], &[("regexp_matches", TEXTS)], regexp_matches),
    SetFunction::new(
        "regexp_split_to_table",
        &[Text, Text],
        &[("regexp_split_to_table", Text)],
        split_to_table,
    ),
    SetFunction::new(
        "regexp_split_to_table",
        &[Text, Text, Text],
        &[("regexp_split_to_table", Text)],
        split_to_table,
    ),
];

/// The options of a flags argument, and whether `g` is among them.
fn flags(letters: &str) -> Result<(Options, bool)> {
    let mut options = Options::default();
    let mut global = false;
    for letter in letters.chars() {
        if letter == 'g' {
            global = true;
        } else if letter == 'b' {
            return Err(SqlError::unsupported("the basic syntax of regular expressions"));
        } else if !options.apply(letter) {
            let message = format!("invalid regular expression option: \"{letter}\"");
            return Err(SqlError::new(SqlState::InvalidParameterValue, message));
        }
    }
    Ok((options, global))
}

/// Options of a function that has no use for `g`.
fn flags_of(args: &[Datum], index: usize, function: &str) -> Result<Options> {
    if args.len() <= index {
        return Ok(Options::default());
    }
    let (options, global) = flags(text(args, index)?)?;
    if global {
        let message = format!("{function}() does not support the \"global\" option");
        return Err(SqlError::new(SqlState::InvalidParameterValue, message));
    }
    Ok(options)
}

fn regexp_like(args: &[Datum]) -> Result<Datum> {
    let options = flags_of(args, 2, "regexp_like")?;
    Ok(Datum::Bool(compile(text(args, 1)?, options)?.is_match(text(args, 0)?)))
}

fn substring(env: &dyn Environment, text: &str, pattern: &str) -> Result<Datum> {
    let regex = compile(pattern, Options::default())?;
    let Some(found) = regex.find(env, text, 0)? else {
        return Ok(Datum::Null);
    };
    Ok(piece(text, found.spans.get(usize::from(regex.groups() > 0)).copied().flatten()))
}

fn piece(text: &str, span: Option<(usize, usize)>) -> Datum {
    span.map_or(Datum::Null, |(start, end)| Datum::text(&text[start..end]))
}

/// A match as `regexp_match` returns it: its groups, or all of it if there are none.
fn groups(text: &str, regex: &Regex, found: &Match) -> Datum {
    let spans = if regex.groups() > 0 { &found.spans[1..] } else { &found.spans[..] };
    Datum::array(Text, spans.iter().map(|span| piece(text, *span)).collect())
}

fn regexp_match(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let options = flags_of(args, 2, "regexp_match").map_err(|error| match error.state() {
        SqlState::InvalidParameterValue if error.message().contains("global") => error.hint("Use the regexp_matches function instead."),
        _ => error,
    })?;
    let regex = compile(text(args, 1)?, options)?;
    let found = regex.find(env, text(args, 0)?, 0)?;
    Ok(found.map_or(Datum::Null, |found| groups(text(args, 0).unwrap_or_default(), &regex, &found)))
}

/// Goes through the matches in a text; after an empty one it moves on by one character.
struct Matches<'t> {
    regex: Rc<Regex>,
    text: &'t str,
    /// None: done.
    from: Option<usize>,
    pace: Pace,
}

impl<'t> Matches<'t> {
    fn new(regex: Rc<Regex>, text: &'t str, from: usize) -> Matches<'t> {
        Matches {
            regex,
            text,
            from: Some(from),
            pace: Pace::default(),
        }
    }

    fn next(&mut self, env: &dyn Environment) -> Result<Option<Match>> {
        self.pace.step(env)?;
        let Some(from) = self.from else { return Ok(None) };
        let Some(found) = self.regex.find(env, self.text, from)? else {
            self.from = None;
            return Ok(None);
        };
        self.from = match self.text[found.end()..].chars().next() {
            None if found.start() == found.end() => None,
            Some(c) if found.start() == found.end() => Some(found.end() + c.len_utf8()),
            _ => Some(found.end()),
        };
        Ok(Some(found))
    }
}

fn regexp_matches(env: &dyn Environment, args: &[Datum]) -> Result<Rows> {
    let (options, global) = if args.len() > 2 {
        flags(text(args, 2)?)?
    } else {
        Default::default()
    };
    let regex = compile(text(args, 1)?, options)?;
    let subject = text(args, 0)?;
    let mut matches = Matches::new(regex.clone(), subject, 0);
    let mut rows = Vec::new();
    while let Some(found) = matches.next(env)? {
        rows.push(groups(subject, &regex, &found));
        check_elements(rows.len())?;
        if !global {
            break;
        }
    }
    Ok(set::column(rows))
}

/// The pieces between matches. Empty matches at either end, or right after another match, split nothing.
fn split(env: &dyn Environment, args: &[Datum], function: &str) -> Result<Vec<Datum>> {
    let options = flags_of(args, 2, function)?;
    let subject = text(args, 0)?;
    let mut matches = Matches::new(compile(text(args, 1)?, options)?, subject, 0);
    let mut pieces = Vec::new();
    let mut end_of_last = 0;
    while let Some(found) = matches.next(env)? {
        if found.start() < subject.len() && found.end() > end_of_last {
            pieces.push(Datum::text(&subject[end_of_last..found.start()]));
            check_elements(pieces.len())?;
            end_of_last = found.end();
        }
    }
    pieces.push(Datum::text(&subject[end_of_last..]));
    Ok(pieces)
}

fn split_to_array(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::array(Text, split(env, args, "regexp_split_to_array")?))
}

fn split_to_table(env: &dyn Environment, args: &[Datum]) -> Result<Rows> {
    Ok(set::column(split(env, args, "regexp_split_to_table")?))
}

fn invalid_parameter(name: &str, value: i32) -> SqlError {
    SqlError::new(
        SqlState::InvalidParameterValue,
        format!("invalid value for parameter \"{name}\": {value}"),
    )
}

/// The byte offset of a start argument (characters from 1).
fn start(args: &[Datum], index: usize) -> Result<usize> {
    if args.len() <= index {
        return Ok(0);
    }
    let subject = text(args, 0)?;
    match usize::try_from(int4(args, index)?) {
        Ok(start) if start > 0 => Ok(subject.char_indices().nth(start - 1).map_or(subject.len(), |(at, _)| at)),
        _ => Err(invalid_parameter("start", int4(args, index)?)),
    }
}

/// Whether a start argument lies behind the text's end (so that nothing matches, not even nothing).
fn is_beyond(args: &[Datum], index: usize) -> Result<bool> {
    Ok(args.len() > index && i64::from(int4(args, index)?) > text(args, 0)?.chars().count() as i64 + 1)
}

/// The value of an integer argument that may be left out and is at least `least`.
fn at_least(args: &[Datum], index: usize, name: &str, default: i32, least: i32) -> Result<i32> {
    if args.len() <= index {
        return Ok(default);
    }
    match int4(args, index)? {
        value if value < least => Err(invalid_parameter(name, value)),
        value => Ok(value),
    }
}

fn regexp_replace(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let by_position = matches!(args.get(3), Some(Datum::Int4(_)));
    let (options, from, which) = if by_position {
        let from = start(args, 3)?;
        let which = at_least(args, 4, "n", 1, 0)?;
        let (options, global) = if args.len() > 5 {
            flags(text(args, 5)?)?
        } else {
            Default::default()
        };
        // Given n, g has nothing to say.
        (options, from, if global && args.len() <= 4 { 0 } else { which })
    } else if args.len() > 3 {
        if text(args, 3)?.starts_with(|c: char| c.is_ascii_digit()) {
            let message = format!(
                "invalid regular expression option: \"{}\"",
                text(args, 3)?.chars().next().unwrap_or_default()
            );
            return Err(SqlError::new(SqlState::InvalidParameterValue, message)
                .hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."));
        }
        let (options, global) = flags(text(args, 3)?)?;
        (options, 0, if global { 0 } else { 1 })
    } else {
        (Options::default(), 0, 1)
    };
    let (subject, replacement) = (text(args, 0)?, text(args, 2)?);
    let mut matches = Matches::new(compile(text(args, 1)?, options)?, subject, from);
    let mut out = String::with_capacity(subject.len());
    let mut copied = 0;
    let mut number = 0;
    while let Some(found) = matches.next(env)? {
        number += 1;
        if which != 0 && number < which {
            continue;
        }
        out.push_str(&subject[copied..found.start()]);
        substitute(&mut out, replacement, subject, &found);
        check_size(out.len())?;
        copied = found.end();
        if which != 0 {
            break;
        }
    }
    out.push_str(&subject[copied..]);
    check_size(out.len())?;
    Ok(Datum::Text(out))
}

/// `\1`..`\9` are groups, `\&` is the match, `\\` a backslash; any other backslash is itself.
fn substitute(out: &mut String, replacement: &str, subject: &str, found: &Match) {
    let mut rest = replacement.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = match rest.clone().next() {
            Some('&') => 0,
            Some(digit @ '1'..='9') => digit as usize - '0' as usize,
            Some('\\') => {
                rest.next();
                out.push('\\');
                continue;
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        rest.next();
        if let Some((start, end)) = found.spans.get(group).copied().flatten() {
            out.push_str(&subject[start..end]);
        }
    }
}

fn regexp_count(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let from = start(args, 2)?;
    let options = flags_of(args, 3, "regexp_count")?;
    if is_beyond(args, 2)? {
        return Ok(Datum::Int4(0));
    }
    let mut matches = Matches::new(compile(text(args, 1)?, options)?, text(args, 0)?, from);
    let mut count = 0;
    while matches.next(env)?.is_some() {
        count += 1;
    }
    Ok(Datum::Int4(count))
}

/// The nth match's subexpression (0 is all of it), if there are so many.
fn nth(env: &dyn Environment, args: &[Datum], n: i32, options: Options, group: i32) -> Result<Option<(usize, usize)>> {
    let from = start(args, 2)?;
    let regex = compile(text(args, 1)?, options)?;
    let group = usize::try_from(group).unwrap_or(usize::MAX);
    if group > regex.groups() || is_beyond(args, 2)? {
        return Ok(None);
    }
    let mut matches = Matches::new(regex, text(args, 0)?, from);
    for _ in 1..n {
        if matches.next(env)?.is_none() {
            return Ok(None);
        }
    }
    Ok(matches.next(env)?.and_then(|found| found.spans.get(group).copied().flatten()))
}

fn regexp_instr(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    start(args, 2)?;
    let n = at_least(args, 3, "n", 1, 1)?;
    let end = match args.get(4) {
        None => 0,
        Some(_) => int4(args, 4)?,
    };
    if end != 0 && end != 1 {
        return Err(invalid_parameter("endoption", end));
    }
    let options = flags_of(args, 5, "regexp_instr")?;
    let group = at_least(args, 6, "subexpr", 0, 0)?;
    let at = nth(env, args, n, options, group)?.map(|span| if end == 1 { span.1 } else { span.0 });
    Ok(Datum::Int4(match at {
        None => 0,
        Some(at) => text(args, 0)?[..at].chars().count() as i32 + 1,
    }))
}

fn regexp_substr(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    start(args, 2)?;
    let n = at_least(args, 3, "n", 1, 1)?;
    let options = flags_of(args, 4, "regexp_substr")?;
    let group = at_least(args, 5, "subexpr", 0, 0)?;
    Ok(piece(text(args, 0)?, nth(env, args, n, options, group)?))
}
