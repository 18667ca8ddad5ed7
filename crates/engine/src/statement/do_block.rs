//! `DO`: a body that is run once and has no name.
//!
//! It runs under the policy that `heliosdb.do_security_policy` names, MINIMAL unless that was set: a policy that
//! whoever runs it could give to a function of their own.

use std::sync::Arc;

use catalog::{Function, Language, Returns, Volatility};
use policy::Rights;
use types::{Result, SqlError, SqlState};

use super::{alter_function, call, complete};
use crate::call::{ANONYMOUS, find_policy};
use crate::context::StatementContext;
use crate::parse::DoBlock;
use crate::session::{Outcome, Session};

/// As PostgreSQL names it in messages; the body is wrapped in a function of this name.
const NAME: &str = "inline_code_block";
const POLICY_SETTING: &str = "heliosdb.do_security_policy";

pub fn run(session: &mut Session, context: &Arc<StatementContext>, block: &DoBlock, alone: bool) -> Result<Outcome> {
    // PostgreSQL's default, which is not among ours.
    let name = block.language.as_deref().unwrap_or("plpgsql");
    let language = Language::from_name(name).ok_or_else(|| {
        SqlError::new(SqlState::UndefinedObject, format!("language \"{name}\" does not exist"))
            .hint("Write DO LANGUAGE javascript $$ ... $$ or DO LANGUAGE python $$ ... $$.")
    })?;
    let body = match language {
        // The first line stays the first: errors name the body's own lines.
        Language::JavaScript => format!("function {NAME}() {{{}\n}}", block.body),
        Language::Python => python_function(&block.body),
        Language::Wasm | Language::Sql => {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("language \"{}\" does not support inline code execution", language.name()),
            ));
        }
    };
    let policy = context.session.settings.lock().get(POLICY_SETTING).unwrap_or_default();
    let policy = find_policy(&context.catalog, &policy)
        .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("security policy \"{policy}\" does not exist")))?;
    for capability in &policy.capabilities {
        alter_function::may_grant(context, capability)?;
    }
    let function = Arc::new(function(language, body, Rights::of(&policy), context.actor.role));
    call::run_procedure(session, context, &function, vec![], alone).map_err(|error| match error.fields().hint.as_deref() {
        // It cannot be granted anything; its policy can be another.
        Some(hint) if hint.contains("GRANT CAPABILITY") => error.hint(format!(
            "A DO block runs under the security policy that {POLICY_SETTING} names; or create a function and grant it the capability."
        )),
        _ => error,
    })?;
    Ok(complete("DO"))
}

/// What runs: it stands in no catalog.
fn function(language: Language, body: String, rights: Rights, owner: u32) -> Function {
    Function {
        oid: ANONYMOUS,
        schema: "pg_temp".to_string(),
        name: NAME.to_string(),
        owner,
        language,
        args: vec![],
        returns: Returns::Void,
        body,
        volatility: Volatility::Volatile,
        strict: false,
        security_definer: false,
        search_path: None,
        created_path: vec![],
        purpose: None,
        version: 1,
        rights,
        enabled: true,
        forgiven_violations: 0,
        storage_consent: false,
        is_procedure: true,
        aggregate: None,
        acl: None,
        comment: None,
    }
}

/// The body as the body of a function, indented, as PL/Python does it. Where its first line is empty, as
/// after an opening `$$`, the function's head takes its place, so that line numbers are the body's own.
fn python_function(body: &str) -> String {
    let rest = match body.split_once('\n') {
        Some((first, rest)) if first.trim().is_empty() => rest,
        _ => body,
    };
    let mut function = format!("def {NAME}():");
    for line in rest.lines() {
        function.push_str("\n ");
        function.push_str(line);
    }
    // To Python a body of comments alone is none.
    let is_code = |line: &str| !matches!(line.trim_start().chars().next(), None | Some('#'));
    if !rest.lines().any(is_code) {
        function.push_str("\n pass");
    }
    function.push('\n');
    function
}
