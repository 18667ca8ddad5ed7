//! Whatever text arrives, it becomes statements or an error that points into it. The fuzz target `statements` runs [`read`], too.

use crate::parse::{DefinitionText, Placeholders, PolicyStatement, Statement, count_placeholders, parse, parse_expression};

pub fn read(bytes: &[u8]) {
    let Ok(sql) = std::str::from_utf8(bytes) else { return };
    for placeholders in [Placeholders::Dollar, Placeholders::QuestionMarkToo] {
        match parse(sql, placeholders) {
            Ok(statements) => {
                for statement in &statements {
                    assert_eq!(&*statement.source, sql);
                    assert!(sql.contains(&*statement.text));
                    assert_eq!(statement.siblings, statements.len());
                    look_into(&statement.kind);
                    // A statement that was cut out of a text is that statement by itself.
                    let again = parse(&statement.text, placeholders).expect("it has been parsed before");
                    assert_eq!(again.len(), 1, "{}", statement.text);
                }
            }
            Err(error) => {
                let end = sql.chars().count() + 1;
                assert!(error.fields().position.is_none_or(|at| (1..=end).contains(&at)), "{error:?}");
            }
        }
    }
    count_placeholders(sql);
    if let Ok(expression) = parse_expression(sql) {
        let _ = expression.to_string();
    }
}

/// What reads on where the grammar of statements ends.
fn look_into(statement: &Statement) {
    if let Statement::Sql(sql) = statement {
        let _ = sql.to_string();
    }
    if let Statement::GrantCapability { list, .. } = statement {
        let _ = policy::Capability::parse_list(list);
    }
    if let Statement::SecurityPolicy(policy) = statement
        && let PolicyStatement::Create { definition, .. } | PolicyStatement::Alter { definition, .. } = &**policy
    {
        let DefinitionText { text, position: _ } = definition;
        let _ = policy::Definition::parse(text);
    }
}

#[cfg(test)]
#[path = "../../../../fuzz/src/mutations.rs"]
mod mutations;

#[cfg(test)]
#[test]
fn whatever_text_arrives_is_read_or_refused() {
    // As much stack as a session has.
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let done = thread.spawn(|| mutations::each("statements", 8_000, read)).unwrap().join();
    assert!(done.is_ok());
}
