//! `heliosdb.suggest_policy('f')`: the least security policy under which a function could do what the audit log has seen it do.

use std::fmt::Write;

use catalog::Function;
use policy::{Capability, LimitKey};
use types::{Datum, Result, SqlError, SqlState};

use crate::context::StatementContext;
use crate::observed::{Observed, observe};
use crate::parse::{RoutineKind, parse_function_name};

/// For those who may read the log. What was refused is told in comments, not granted.
pub fn policy_for(context: &StatementContext, args: &[Datum]) -> Result<Datum> {
    crate::system::refuse_in_function(context, "read the audit log this way")?;
    crate::audit_log::must_read(context)?;
    let Some(name) = args.first().and_then(Datum::as_str) else {
        return Ok(Datum::Null);
    };
    let function = crate::statement::find_function(context, &parse_function_name(name)?, RoutineKind::Routine)?;
    if function.language == catalog::Language::Sql {
        return Err(SqlError::new(
            SqlState::WrongObjectType,
            format!("function {} is written in SQL and holds no capabilities", function.name),
        ));
    }
    let observed = observe(context, &function)?;
    let overloads = context.catalog.functions().filter(|other| other.name == function.name).count();
    Ok(Datum::Text(write_policy(&function, &observed, overloads)))
}

fn write_policy(function: &Function, observed: &Observed, overloads: usize) -> String {
    let name = policy_name(&function.name);
    let mut text = format!("CREATE SECURITY POLICY {name} AS (\n");
    let mut comment = |line: String| text.push_str(&format!("    -- {}\n", printable(&line)));
    comment(format!("Seen of {}: {} calls.", function.signature(), observed.calls));
    if overloads > 1 {
        comment(format!("The log does not tell the {overloads} functions of this name apart."));
    } else if observed.namesakes {
        comment("The log does not tell it apart from another function of this name that was there meanwhile.".to_string());
    }
    if observed.untold > 0 {
        comment(format!("Too many different uses: {} are left out.", observed.untold));
    }
    let allowed: Vec<&Capability> = observed
        .uses
        .iter()
        .filter(|(_, uses)| uses.allowed > 0)
        .map(|(held, _)| held)
        .collect();
    if allowed.iter().any(|capability| capability.is_superuser_only()) {
        comment("Only a superuser can create it.".to_string());
    }
    for (refused, _) in observed.uses.iter().filter(|(_, uses)| uses.allowed == 0) {
        comment(format!("Refused, and not granted here: {refused}"));
    }
    for refused in observed.refused_syscalls.difference(&observed.syscalls) {
        comment(format!("Refused, and not allowed here: system call {refused}"));
    }
    let mut entries = vec![match allowed.is_empty() {
        true => "capabilities: []".to_string(),
        false => {
            let lines: Vec<String> = allowed.iter().map(|capability| format!("        {capability}")).collect();
            format!("capabilities: [\n{}\n    ]", lines.join(",\n"))
        }
    }];
    if !observed.syscalls.is_empty() {
        let names: Vec<String> = observed.syscalls.iter().map(|name| format!("'{name}'")).collect();
        entries.push(format!("allowed_syscalls: [{}]", names.join(", ")));
    }
    for (key, value) in limits(observed) {
        entries.push(format!("{}: {value}", key.name()));
    }
    let _ = write!(text, "    {}\n);", entries.join(",\n    "));
    text
}

/// Limits with room above what was seen, where something was. CPU time and handles are not on record.
fn limits(observed: &Observed) -> Vec<(LimitKey, u64)> {
    const MIB: u64 = 1 << 20;
    let seen = [
        (LimitKey::MaxMemoryBytes, round_up(observed.max_memory_bytes.saturating_mul(2), MIB)),
        (
            LimitKey::MaxWallTimeMs,
            round_up((observed.max_duration_us / 1_000).saturating_mul(10).max(1), 1_000),
        ),
        (
            LimitKey::MaxInstructions,
            leading_digit_up(observed.max_fuel.saturating_mul(10)).max(1_000_000),
        ),
    ];
    match observed.max_duration_us {
        0 => vec![],
        _ => seen
            .into_iter()
            .filter(|(_, value)| *value > 0)
            .map(|(key, value)| (key, key.maximum().map_or(value, |maximum| value.min(maximum))))
            .collect(),
    }
}

fn round_up(value: u64, step: u64) -> u64 {
    value.div_ceil(step).saturating_mul(step)
}

/// `1234` becomes `2000`.
fn leading_digit_up(value: u64) -> u64 {
    let mut step = 1_u64;
    while value / step >= 10 {
        step *= 10;
    }
    round_up(value, step)
}

/// `f_policy`, as a statement must write it.
fn policy_name(function: &str) -> String {
    const SUFFIX: &str = "_policy";
    let mut name = String::new();
    for c in function.chars() {
        if name.len() + c.len_utf8() + SUFFIX.len() > types::ident::MAX_IDENTIFIER_BYTES {
            break;
        }
        name.push(c);
    }
    types::ident::quote_ident(&(name + SUFFIX)).to_string()
}

/// A guest chose some of it, and a line's end would end the comment.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_up() {
        for (value, expected) in [(0, 0), (7, 7), (10, 10), (11, 20), (1_234, 2_000), (u64::MAX, u64::MAX)] {
            assert_eq!(leading_digit_up(value), expected);
        }
        assert_eq!(round_up(1, 1_000), 1_000);
        assert_eq!(round_up(2_000, 1_000), 2_000);
    }

    #[test]
    fn what_a_guest_chose_stays_in_its_comment() {
        assert_eq!(
            printable("FILE_READ('/a\n); DROP TABLE t; --')"),
            "FILE_READ('/a?); DROP TABLE t; --')"
        );
        assert_eq!(policy_name("f"), "f_policy");
        assert_eq!(policy_name("F x"), "\"F x_policy\"");
        assert_eq!(policy_name(&"x".repeat(63)).len(), 63);
    }
}
