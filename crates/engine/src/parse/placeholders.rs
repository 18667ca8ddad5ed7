//! `?` in SQL that comes from a function.
//!
//! In a text with `$1` it is PostgreSQL's operator, and so is each of `?|` and `?&`. In any other it is a placeholder, numbered from the
//! left; the operators are `??`, `??|` and `??&` there, as in JDBC (`?|` and `?&` too, which are no placeholders).

use sqlparser::tokenizer::{Token, TokenWithSpan};

pub fn number(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let numbered = |token: &TokenWithSpan| matches!(&token.token, Token::Placeholder(name) if name.starts_with('$'));
    if tokens.iter().any(numbered) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut next = 1;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(mut token) = tokens.next() {
        // The tokenizer takes `?-` and `?||` for operators on points and lines, which there are not.
        let behind = match &token.token {
            Token::Question => None,
            Token::QuestionMarkDash => Some(Token::Minus),
            Token::QuestionMarkDoubleVerticalBar => Some(Token::StringConcat),
            Token::QuestionMarkSharp => Some(Token::Sharp),
            _ => {
                out.push(token);
                continue;
            }
        };
        let doubled = tokens.next_if(|after| {
            let operator = matches!(after.token, Token::Question | Token::QuestionPipe | Token::QuestionAnd);
            behind.is_none() && operator && after.span.start == token.span.end
        });
        if let Some(mut operator) = doubled {
            operator.span.start = token.span.start;
            out.push(operator);
            continue;
        }
        token.token = Token::Placeholder(format!("${next}"));
        next += 1;
        let span = token.span;
        out.push(token);
        out.extend(behind.map(|token| TokenWithSpan { token, span }));
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::parse::{Placeholders, Statement, count_placeholders, parse};

    #[track_caller]
    fn check(sql: &str, expected: &str, placeholders: usize) {
        let statements = parse(sql, Placeholders::QuestionMarkToo).unwrap();
        let Statement::Sql(statement) = &statements[0].kind else {
            panic!("a query")
        };
        assert_eq!((statement.to_string().as_str(), count_placeholders(sql)), (expected, placeholders));
    }

    #[test]
    fn a_question_mark_is_a_placeholder_or_an_operator() {
        check("SELECT ?, ?", "SELECT $1, $2", 2);
        check("SELECT j ?? 'a', j ??| ?, j ?& ?", "SELECT j ? 'a', j ?| $1, j ?& $2", 2);
        check("SELECT j ??? FROM t", "SELECT j ? $1 FROM t", 1);
        check("SELECT j ? $1, j ?| $2", "SELECT j ? $1, j ?| $2", 2);
        check("SELECT ?-1, ?||'x', '?'", "SELECT $1 - 1, $2 || 'x', '?'", 2);
        assert!(parse("SELECT ? ?", Placeholders::QuestionMarkToo).is_err());
    }
}
