//! PostgreSQL's rules about tokens, where the tokenizer has others.
//!
//! The life of an operator: its characters arrive one or a few to a token. Those that touch make one operator, the longest, but
//! a sign at its end is a sign of its own unless the name holds a character that arithmetic and comparisons have not:
//! `a>-1` is `a > -1`, `a@-1` is the operator `@-`. So every name that PostgreSQL knows is one token, and `id>=-5` three.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

/// Joins and parts operators, and writes some words in the way that the parser reads.
pub(super) fn settle(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    reworded(operators(tokens))
}

fn operators(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut run: Vec<TokenWithSpan> = vec![];
    for token in tokens {
        if is_operator(&token.token) {
            if run.last().is_some_and(|last| last.span.end != token.span.start) {
                flush(&mut run, &mut out);
            }
            run.push(token);
        } else {
            flush(&mut run, &mut out);
            out.push(token);
        }
    }
    flush(&mut run, &mut out);
    out
}

/// Whether a token is made of the characters of operators alone.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(_) | Token::Number(..) | Token::Whitespace(_) | Token::Placeholder(_) | Token::EOF => false,
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::DollarQuotedString(_) => false,
        Token::Comma | Token::LParen | Token::RParen | Token::Period | Token::Assignment => false,
        other => {
            let text = other.to_string();
            !text.is_empty() && text.chars().all(|c| "+-*/<>=~!@#%^&|`?".contains(c))
        }
    }
}

/// Adds what touching tokens mean together.
fn flush(run: &mut Vec<TokenWithSpan>, out: &mut Vec<TokenWithSpan>) {
    let Some(first) = run.first() else { return };
    let mut start = first.span.start;
    let text: String = run.iter().map(|token| token.token.to_string()).collect();
    let end = run[run.len() - 1].span.end;
    run.clear();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (name, after) = rest.split_at(operator_length(rest));
        rest = after;
        let mut next = start;
        next.column += name.len() as u64;
        let span = Span::new(start, if rest.is_empty() { end } else { next });
        out.push(TokenWithSpan {
            token: operator(name),
            span,
        });
        start = next;
    }
}

/// How many of these characters PostgreSQL takes for one operator.
fn operator_length(text: &str) -> usize {
    // Once such a character is there, the name may end in a sign.
    if text.contains(|c| "~!@#%^&|`?".contains(c)) {
        return text.len();
    }
    let trimmed = text.trim_end_matches(['+', '-']).len();
    trimmed.max(1)
}

fn operator(name: &str) -> Token {
    match name {
        "+" => Token::Plus,
        "-" => Token::Minus,
        "*" => Token::Mul,
        "/" => Token::Div,
        "%" => Token::Mod,
        "^" => Token::Caret,
        "<" => Token::Lt,
        ">" => Token::Gt,
        "=" => Token::Eq,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "<>" | "!=" => Token::Neq,
        "=>" => Token::RArrow,
        "~" => Token::Tilde,
        "~*" => Token::TildeAsterisk,
        "!~" => Token::ExclamationMarkTilde,
        "!~*" => Token::ExclamationMarkTildeAsterisk,
        "~~" => Token::DoubleTilde,
        "~~*" => Token::DoubleTildeAsterisk,
        "!~~" => Token::ExclamationMarkDoubleTilde,
        "!~~*" => Token::ExclamationMarkDoubleTildeAsterisk,
        "|" => Token::Pipe,
        "||" => Token::StringConcat,
        "|/" => Token::PGSquareRoot,
        "||/" => Token::PGCubeRoot,
        "&" => Token::Ampersand,
        "&&" => Token::Overlap,
        "#" => Token::Sharp,
        "<<" => Token::ShiftLeft,
        ">>" => Token::ShiftRight,
        "@" => Token::AtSign,
        "!" => Token::ExclamationMark,
        "!!" => Token::DoubleExclamationMark,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "#>" => Token::HashArrow,
        "#>>" => Token::HashLongArrow,
        "#-" => Token::HashMinus,
        "@>" => Token::AtArrow,
        "<@" => Token::ArrowAt,
        "@?" => Token::AtQuestion,
        "@@" => Token::AtAt,
        "?" => Token::Question,
        "?|" => Token::QuestionPipe,
        "?&" => Token::QuestionAnd,
        "^@" => Token::CaretAt,
        other => Token::CustomBinaryOperator(other.to_string()),
    }
}

/// `a ISNULL` is `a IS NULL`, `a NOTNULL` is `a IS NOT NULL`; `a LIKE ANY (...)` is `a ~~ ANY (...)`, as PostgreSQL has them.
fn reworded(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Where in `out` the last words stand.
    let mut before: [Option<usize>; 2] = [None, None];
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if matches!(token.token, Token::Whitespace(_)) {
            out.push(token);
            continue;
        }
        let previous = before[0].map(|at| &out[at].token);
        let label = previous.is_some_and(|token| *token == Token::Period || is(token, "AS"));
        let called = tokens.peek().is_some_and(|next| next.token == Token::LParen);
        let expanded: Option<&[(&str, Keyword)]> = if label || called {
            None
        } else if is(&token.token, "ISNULL") {
            Some(&[("IS", Keyword::IS), ("NULL", Keyword::NULL)])
        } else if is(&token.token, "NOTNULL") {
            Some(&[("IS", Keyword::IS), ("NOT", Keyword::NOT), ("NULL", Keyword::NULL)])
        } else {
            None
        };
        if let Some(words) = expanded {
            out.extend(words.iter().map(|(text, keyword)| TokenWithSpan {
                token: Token::Word(Word {
                    value: text.to_string(),
                    quote_style: None,
                    keyword: *keyword,
                }),
                span: token.span,
            }));
            before = [Some(out.len() - 1), None];
            continue;
        }
        if ["ANY", "SOME", "ALL"].iter().any(|word| is(&token.token, word))
            && let Some(at) = before[0]
            && (is(&out[at].token, "LIKE") || is(&out[at].token, "ILIKE"))
        {
            let lower = is(&out[at].token, "ILIKE");
            let not = before[1].filter(|not| is(&out[*not].token, "NOT"));
            out[at].token = operator(match (not.is_some(), lower) {
                (false, false) => "~~",
                (false, true) => "~~*",
                (true, false) => "!~~",
                (true, true) => "!~~*",
            });
            if let Some(not) = not {
                out[at].span.start = out[not].span.start;
                out.drain(not..at);
            }
        }
        before = [Some(out.len()), before[0].filter(|at| *at < out.len())];
        out.push(token);
    }
    out
}

fn is(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use crate::parse::{Placeholders, Statement, parse};

    #[track_caller]
    fn check(expression: &str, expected: &str) {
        let statements = parse(&format!("SELECT {expression}"), Placeholders::Dollar).unwrap();
        let Statement::Sql(statement) = &statements[0].kind else {
            panic!("a query")
        };
        assert_eq!(statement.to_string(), format!("SELECT {expected}"));
    }

    #[test]
    fn operators_end_where_postgres_ends_them() {
        check("a>-1", "a > -1");
        check("a>=-5, a<>-1, a>=+1, a<=-b", "a >= -5, a <> -1, a >= +1, a <= -b");
        check("3-+1, 3*-1, 3/-1, a=-1, a<-1", "3 - +1, 3 * -1, 3 / -1, a = -1, a < -1");
        check("j->-1, j->>-1", "j -> -1, j ->> -1");
        check("a>--1\n2", "a > 2");
        check("a>/*-*/2", "a > 2");
        check("a||-1", "a ||- 1");
        check("a <-> b", "a <-> b");
        check("j#-'{a}', a!=b, a@>b, |/a, ||/ a, @a", "j #- '{a}', a <> b, a @> b, |/a, ||/a, @a");
        check("f(a=>-1)", "f(a => -1)");
    }

    #[test]
    fn words_that_are_operators() {
        check(
            "a isnull, a notnull, a.isnull, 1 as isnull",
            "a IS NULL, a IS NOT NULL, a.isnull, 1 AS isnull",
        );
        check("a like any (b), a not ilike all (b)", "a ~~ ANY(b), a !~~* ALL(b)");
    }
}
