//! Settings: what SET, SHOW, `set_config` and `pg_settings` work on.
//!
//! Each setting is one row of [`SETTINGS`], or of [`crate::settings_taken`] where it changes nothing; a session keeps the values that differ. Some values are
//! looked at for every statement ([`Settings::text_style`], the search path, the timeouts): they are
//! worked out when they are set.

use std::collections::BTreeMap;

use catalog::Snapshot;
use types::text::{ByteaOutput, DateOrder, IntervalStyle, TextStyle, TimeZone};
use types::{Result, SqlError, SqlState};

use crate::audit_durability::AuditDurability;
use crate::identity::Identity;
use crate::settings_taken::TAKEN;

/// One setting.
pub struct SettingInfo {
    pub name: &'static str,
    pub default: &'static str,
    pub kind: Kind,
    /// Sent to the client as ParameterStatus when it changes.
    pub reported: bool,
    /// Only superusers may set it: see [`check_right`].
    pub superuser_only: bool,
    pub description: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Bool,
    Text,
    Integer {
        min: i64,
        max: i64,
    },
    /// Milliseconds, with PostgreSQL's units (`5s`, `1min`).
    Milliseconds,
    /// Memory in kB or other units (`64MB`); a number alone counts units of that many kB.
    Kilobytes {
        min: i64,
        unit: i64,
    },
    Enum(&'static [&'static str]),
    /// Shown, never set.
    ReadOnly,
}

pub(crate) const fn setting(name: &'static str, default: &'static str, kind: Kind, description: &'static str) -> SettingInfo {
    SettingInfo {
        name,
        default,
        kind,
        reported: false,
        superuser_only: false,
        description,
    }
}

const fn reported(name: &'static str, default: &'static str, kind: Kind, description: &'static str) -> SettingInfo {
    SettingInfo {
        name,
        default,
        kind,
        reported: true,
        superuser_only: false,
        description,
    }
}

pub(crate) const fn superusers(name: &'static str, default: &'static str, kind: Kind, description: &'static str) -> SettingInfo {
    SettingInfo {
        name,
        default,
        kind,
        reported: false,
        superuser_only: true,
        description,
    }
}

/// PostgreSQL keeps sizes in an int of their units.
const MAX_UNITS: i64 = 2_147_483_647;

/// The version of PostgreSQL that clients are told: they choose their catalog queries by it.
pub const SERVER_VERSION: &str = "15.8";

pub const SETTINGS: &[SettingInfo] = &[
    reported(
        "application_name",
        "",
        Kind::Text,
        "Sets the application name to be reported in statistics and logs.",
    ),
    superusers(
        "audit_durability",
        "statement",
        Kind::Enum(AuditDurability::NAMES),
        "Sets when routine audit rows are durable: before the statement is reported as done, or some milliseconds after.",
    ),
    setting(
        "bytea_output",
        "hex",
        Kind::Enum(&["escape", "hex"]),
        "Sets the output format for bytea.",
    ),
    setting(
        "check_function_bodies",
        "on",
        Kind::Bool,
        "Check routine bodies during CREATE FUNCTION.",
    ),
    reported("client_encoding", "UTF8", Kind::Text, "Sets the client's character set encoding."),
    setting(
        "client_min_messages",
        "notice",
        Kind::Enum(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
        ]),
        "Sets the message levels that are sent to the client.",
    ),
    reported(
        "DateStyle",
        "ISO, MDY",
        Kind::Text,
        "Sets the display format for date and time values.",
    ),
    setting(
        "default_transaction_isolation",
        "read committed",
        Kind::Enum(&["serializable", "repeatable read", "read committed", "read uncommitted"]),
        "Sets the transaction isolation level of each new transaction.",
    ),
    reported(
        "default_transaction_read_only",
        "off",
        Kind::Bool,
        "Sets the default read-only status of new transactions.",
    ),
    setting(
        "extra_float_digits",
        "1",
        Kind::Integer { min: -15, max: 3 },
        "Sets the number of digits displayed for floating-point values.",
    ),
    setting(
        "heliosdb.do_security_policy",
        "MINIMAL",
        Kind::Text,
        "The security policy that DO blocks run under.",
    ),
    setting(
        "idle_session_timeout",
        "0",
        Kind::Milliseconds,
        "Sets the maximum allowed idle time between queries, when not in a transaction.",
    ),
    setting(
        "idle_in_transaction_session_timeout",
        "0",
        Kind::Milliseconds,
        "Sets the maximum allowed idle time between queries, when in a transaction.",
    ),
    reported(
        "in_hot_standby",
        "off",
        Kind::ReadOnly,
        "Shows whether hot standby is currently active.",
    ),
    reported("integer_datetimes", "on", Kind::ReadOnly, "Datetimes are integer based."),
    reported(
        "IntervalStyle",
        "postgres",
        Kind::Enum(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        "Sets the display format for interval values.",
    ),
    reported(
        "is_superuser",
        "off",
        Kind::ReadOnly,
        "Shows whether the current user is a superuser.",
    ),
    setting("jit", "off", Kind::Bool, "Allow JIT compilation."),
    setting("lc_collate", "C", Kind::ReadOnly, "Shows the collation order locale."),
    setting(
        "lc_ctype",
        "C",
        Kind::ReadOnly,
        "Shows the character classification and case conversion locale.",
    ),
    setting("lc_messages", "C", Kind::Text, "Sets the language in which messages are displayed."),
    setting("lc_monetary", "C", Kind::Text, "Sets the locale for formatting monetary amounts."),
    setting("lc_numeric", "C", Kind::Text, "Sets the locale for formatting numbers."),
    setting("lc_time", "C", Kind::Text, "Sets the locale for formatting date and time values."),
    setting(
        "lock_timeout",
        "0",
        Kind::Milliseconds,
        "Sets the maximum allowed duration of any wait for a lock.",
    ),
    setting(
        "max_identifier_length",
        "63",
        Kind::ReadOnly,
        "Shows the maximum identifier length.",
    ),
    setting("max_index_keys", "32", Kind::ReadOnly, "Shows the maximum number of index keys."),
    setting("role", "none", Kind::ReadOnly, "Sets the current role."),
    setting("row_security", "on", Kind::Bool, "Enable row security."),
    setting(
        "search_path",
        "\"$user\", public",
        Kind::Text,
        "Sets the schema search order for names that are not schema-qualified.",
    ),
    reported(
        "server_encoding",
        "UTF8",
        Kind::ReadOnly,
        "Shows the server (database) character set encoding.",
    ),
    reported("server_version", SERVER_VERSION, Kind::ReadOnly, "Shows the server version."),
    setting(
        "server_version_num",
        "150008",
        Kind::ReadOnly,
        "Shows the server version as an integer.",
    ),
    reported("session_authorization", "", Kind::ReadOnly, "Shows the session user name."),
    reported(
        "standard_conforming_strings",
        "on",
        Kind::ReadOnly,
        "Causes '...' strings to treat backslashes literally.",
    ),
    setting(
        "statement_timeout",
        "0",
        Kind::Milliseconds,
        "Sets the maximum allowed duration of any statement.",
    ),
    setting("synchronize_seqscans", "on", Kind::Bool, "Enable synchronized sequential scans."),
    reported(
        "TimeZone",
        "UTC",
        Kind::Text,
        "Sets the time zone for displaying and interpreting time stamps.",
    ),
    setting(
        "transaction_isolation",
        "read committed",
        Kind::ReadOnly,
        "Shows the current transaction's isolation level.",
    ),
    setting(
        "transaction_read_only",
        "off",
        Kind::ReadOnly,
        "Shows the current transaction's read-only status.",
    ),
    setting(
        "default_tablespace",
        "",
        Kind::Text,
        "Sets the default tablespace to create tables and indexes in.",
    ),
    setting(
        "default_table_access_method",
        "heap",
        Kind::Text,
        "Sets the default table access method for new tables.",
    ),
    setting(
        "max_connections",
        "100",
        Kind::ReadOnly,
        "Sets the maximum number of concurrent connections.",
    ),
    setting(
        "xmloption",
        "content",
        Kind::Text,
        "Sets whether XML data is to be considered as documents or content.",
    ),
];

/// One session's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<String, String>,
    /// What RESET goes back to: the client's startup parameters.
    startup: BTreeMap<String, String>,
    pub text_style: TextStyle,
    /// As written, `"$user"` not replaced.
    pub search_path: Vec<String>,
    pub statement_timeout_ms: u64,
    pub lock_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub idle_in_transaction_timeout_ms: u64,
    pub audit_durability: AuditDurability,
    /// Who the session acts as: it comes and goes with transactions as settings do.
    identity: Identity,
    /// Reported settings that changed since [`Settings::take_changed`].
    changed: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            values: BTreeMap::new(),
            startup: BTreeMap::new(),
            text_style: TextStyle::default(),
            search_path: vec!["$user".into(), "public".into()],
            statement_timeout_ms: 0,
            lock_timeout_ms: 0,
            idle_timeout_ms: 0,
            idle_in_transaction_timeout_ms: 0,
            audit_durability: AuditDurability::default(),
            identity: Identity::default(),
            changed: vec![],
        }
    }
}

pub fn all() -> impl Iterator<Item = &'static SettingInfo> {
    SETTINGS.iter().chain(TAKEN)
}

pub fn info(name: &str) -> Option<&'static SettingInfo> {
    all().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// Whether somebody may set a setting, by SET, RESET, `set_config` or at the start of a session. Values that go back to what they
/// were (the end of a transaction, RESET ALL) are nobody's choice and are not asked about.
pub fn check_right(name: &str, superuser: bool) -> Result<()> {
    match info(name) {
        Some(info) if info.superuser_only && !superuser => Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied to set parameter \"{}\"", info.name),
        )),
        Some(_) | None => Ok(()),
    }
}

impl Settings {
    /// A setting's value; `a.b` is anybody's own setting, there once it was set.
    pub fn get(&self, name: &str) -> Option<String> {
        let key = name.to_ascii_lowercase();
        match (self.values.get(&key), info(name)) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(info)) => Some(self.startup.get(&key).cloned().unwrap_or_else(|| info.default.to_string())),
            (None, None) => None,
        }
    }

    /// Sets a setting; what is stored is how it prints.
    pub fn set(&mut self, name: &str, value: &str) -> Result<String> {
        let key = name.to_ascii_lowercase();
        let Some(info) = info(name) else {
            if name.contains('.') {
                self.values.insert(key, value.to_string());
                return Ok(value.to_string());
            }
            return Err(unrecognized(name));
        };
        let value = self.check(info, value)?;
        self.apply(&key, &value)?;
        self.values.insert(key, value.clone());
        if info.reported {
            self.changed.push(info.name.to_string());
        }
        Ok(value)
    }

    /// Values that the server knows and nobody sets.
    pub fn set_internal(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_ascii_lowercase(), value.to_string());
        if info(name).is_some_and(|info| info.reported) {
            self.changed.push(name.to_string());
        }
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The session acts as somebody else from here on, and its client is told.
    pub fn become_identity(&mut self, identity: Identity, catalog: &Snapshot) {
        let actor = identity.actor();
        for (name, value) in [
            ("session_authorization", &*actor.session_user),
            ("role", identity.role_name()),
            ("is_superuser", if catalog.is_superuser(actor.role) { "on" } else { "off" }),
        ] {
            if self.get(name).as_deref() != Some(value) {
                self.set_internal(name, value);
            }
        }
        self.identity = identity;
    }

    /// Goes back to what they were; a client is told what that changes for it.
    pub fn restore(&mut self, before: Settings) {
        let mut changed = std::mem::take(&mut self.changed);
        let reported = all().filter(|setting| setting.reported);
        let differing = reported.filter(|setting| self.get(setting.name) != before.get(setting.name));
        changed.extend(differing.map(|setting| setting.name.to_string()));
        *self = Settings { changed, ..before };
    }

    pub fn set_startup(&mut self, name: &str, value: &str) -> Result<()> {
        let value = self.set(name, value)?;
        self.startup.insert(name.to_ascii_lowercase(), value);
        Ok(())
    }

    pub fn reset(&mut self, name: &str) -> Result<()> {
        let key = name.to_ascii_lowercase();
        match info(name) {
            None if name.contains('.') => {
                self.values.remove(&key);
                Ok(())
            }
            None => Err(unrecognized(name)),
            Some(info) if info.kind == Kind::ReadOnly => Err(read_only(info.name)),
            Some(info) => {
                let value = self.startup.get(&key).cloned().unwrap_or_else(|| info.default.to_string());
                self.set(info.name, &value)?;
                self.values.remove(&key);
                Ok(())
            }
        }
    }

    pub fn reset_all(&mut self) -> Result<()> {
        let names: Vec<String> = self
            .values
            .keys()
            .filter(|name| info(name).is_none_or(|info| info.kind != Kind::ReadOnly))
            .cloned()
            .collect();
        names.iter().try_for_each(|name| self.reset(name))
    }

    /// (name, value) of the reported settings that changed.
    pub fn take_changed(&mut self) -> Vec<(String, String)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.dedup();
        changed
            .into_iter()
            .filter_map(|name| self.get(&name).map(|value| (name, value)))
            .collect()
    }

    pub fn reported(&self) -> Vec<(String, String)> {
        all()
            .filter(|setting| setting.reported)
            .filter_map(|setting| self.get(setting.name).map(|value| (setting.name.to_string(), value)))
            .collect()
    }

    fn check(&self, info: &SettingInfo, value: &str) -> Result<String> {
        let invalid = || {
            SqlError::new(
                SqlState::InvalidParameterValue,
                format!("invalid value for parameter \"{}\": \"{value}\"", info.name),
            )
        };
        match info.kind {
            // Good values are modes of the transaction: they do not come here.
            Kind::ReadOnly if info.name == "transaction_isolation" => {
                Err(invalid().hint("Available values: serializable, repeatable read, read committed, read uncommitted."))
            }
            Kind::ReadOnly => Err(read_only(info.name)),
            // Shown by its own name, `Europe/Berlin`, however it was written.
            Kind::Text if info.name == "TimeZone" => match TimeZone::from_setting(value) {
                Some(zone) => Ok(zone.to_string()),
                None => Err(invalid()),
            },
            // All of it is shown, however much of it was set.
            Kind::Text if info.name == "DateStyle" => Ok(format!("ISO, {}", order_name(date_order(value, self.text_style.date_order)?))),
            Kind::Text => Ok(value.to_string()),
            Kind::Bool => match value.to_ascii_lowercase().as_str() {
                "on" | "true" | "yes" | "1" | "t" | "y" => Ok("on".into()),
                "off" | "false" | "no" | "0" | "f" | "n" => Ok("off".into()),
                _ => Err(SqlError::new(
                    SqlState::InvalidParameterValue,
                    format!("parameter \"{}\" requires a Boolean value", info.name),
                )),
            },
            Kind::Integer { min, max } => {
                let number: i64 = value.trim().parse().map_err(|_| invalid())?;
                if !(min..=max).contains(&number) {
                    return Err(SqlError::new(
                        SqlState::InvalidParameterValue,
                        format!(
                            "{number} is outside the valid range for parameter \"{}\" ({min} .. {max})",
                            info.name
                        ),
                    ));
                }
                Ok(number.to_string())
            }
            Kind::Milliseconds => Ok(print_milliseconds(milliseconds(value).ok_or_else(invalid)?)),
            Kind::Kilobytes { min, unit } => {
                let total = kilobytes(value, unit)
                    .ok_or_else(|| invalid().hint("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"."))?;
                if !(min..=unit.saturating_mul(MAX_UNITS)).contains(&total) {
                    return Err(SqlError::new(
                        SqlState::InvalidParameterValue,
                        format!(
                            "{total} kB is outside the valid range for parameter \"{}\" ({min} kB .. )",
                            info.name
                        ),
                    ));
                }
                Ok(print_kilobytes(total))
            }
            Kind::Enum(choices) => {
                let value = value.to_ascii_lowercase();
                if choices.contains(&value.as_str()) {
                    return Ok(value);
                }
                Err(invalid().hint(format!("Available values: {}.", choices.join(", "))))
            }
        }
    }

    fn apply(&mut self, key: &str, value: &str) -> Result<()> {
        let invalid = || {
            SqlError::new(
                SqlState::InvalidParameterValue,
                format!("invalid value for parameter \"{key}\": \"{value}\""),
            )
        };
        match key {
            "timezone" => {
                self.text_style.time_zone = TimeZone::from_setting(value).ok_or_else(invalid)?;
            }
            "datestyle" => self.text_style.date_order = date_order(value, self.text_style.date_order)?,
            "intervalstyle" => {
                self.text_style.interval_style = match value {
                    "postgres" => IntervalStyle::Postgres,
                    "postgres_verbose" => IntervalStyle::PostgresVerbose,
                    "sql_standard" => IntervalStyle::SqlStandard,
                    _ => IntervalStyle::Iso8601,
                }
            }
            "bytea_output" => self.text_style.bytea_output = if value == "hex" { ByteaOutput::Hex } else { ByteaOutput::Escape },
            "extra_float_digits" => self.text_style.extra_float_digits = value.parse().map_err(|_| invalid())?,
            "search_path" => self.search_path = split_path(value),
            "statement_timeout" => self.statement_timeout_ms = milliseconds(value).ok_or_else(invalid)?,
            "lock_timeout" => self.lock_timeout_ms = milliseconds(value).ok_or_else(invalid)?,
            "idle_session_timeout" => self.idle_timeout_ms = milliseconds(value).ok_or_else(invalid)?,
            "idle_in_transaction_session_timeout" => self.idle_in_transaction_timeout_ms = milliseconds(value).ok_or_else(invalid)?,
            "audit_durability" => self.audit_durability = AuditDurability::from_name(value).ok_or_else(invalid)?,
            "client_encoding" => {
                let name: String = value
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .collect::<String>()
                    .to_ascii_lowercase();
                if !matches!(name.as_str(), "utf8" | "unicode" | "sqlascii") {
                    return Err(invalid().hint("The server speaks UTF8."));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The order of day, month and year that a date style asks for, where it asks for one.
fn date_order(value: &str, mut order: DateOrder) -> Result<DateOrder> {
    for part in value.split(',') {
        order = match part.trim().to_ascii_lowercase().as_str() {
            "iso" => order,
            "mdy" | "us" | "noneuro" | "noneuropean" | "default" => DateOrder::Mdy,
            "dmy" | "euro" | "european" => DateOrder::Dmy,
            "ymd" => DateOrder::Ymd,
            "sql" | "postgres" | "german" => return Err(SqlError::unsupported(format!("the date style {}", part.trim()))),
            _ => {
                return Err(SqlError::new(
                    SqlState::InvalidParameterValue,
                    format!("invalid value for parameter \"DateStyle\": \"{value}\""),
                )
                .detail(format!("Unrecognized key word: \"{}\".", part.trim())));
            }
        };
    }
    Ok(order)
}

fn order_name(order: DateOrder) -> &'static str {
    match order {
        DateOrder::Mdy => "MDY",
        DateOrder::Dmy => "DMY",
        DateOrder::Ymd => "YMD",
    }
}

fn unrecognized(name: &str) -> SqlError {
    SqlError::new(
        SqlState::UndefinedObject,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

fn read_only(name: &str) -> SqlError {
    SqlError::new(SqlState::CantChangeRuntimeParam, format!("parameter \"{name}\" cannot be changed"))
}

/// The names of a search path: folded unless quoted. A comma within quotes is a part of a name.
fn split_path(value: &str) -> Vec<String> {
    let mut quoted = false;
    let separates = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    value
        .split(separates)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => types::ident::fold(part),
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// `250`, `250ms`, `5s`, `2min`, `1h`, `1d` as milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let total = (number * unit).round();
    // PostgreSQL keeps these in an int of milliseconds.
    (0.0..=2_147_483_647.0).contains(&total).then_some(total as u64)
}

/// `64MB`, `1048576B`, or a number of units of so many kB, as kB.
fn kilobytes(text: &str, unit: i64) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "" => number.checked_mul(unit),
        "B" => Some(number / 1024),
        "kB" => Some(number),
        "MB" => number.checked_mul(1 << 10),
        "GB" => number.checked_mul(1 << 20),
        "TB" => number.checked_mul(1 << 30),
        _ => None,
    }
}

/// A value as `pg_settings` shows it: times and sizes as numbers of the setting's unit.
pub fn in_units(kind: Kind, value: String) -> String {
    match kind {
        Kind::Milliseconds => milliseconds(&value).map_or(value, |number| number.to_string()),
        Kind::Kilobytes { unit, .. } => kilobytes(&value, unit).map_or(value, |number| number.to_string()),
        Kind::Bool | Kind::Text | Kind::Integer { .. } | Kind::Enum(_) | Kind::ReadOnly => value,
    }
}

fn print_kilobytes(total: i64) -> String {
    for (size, unit) in [(1 << 30, "TB"), (1 << 20, "GB"), (1 << 10, "MB")] {
        if total > 0 && total % size == 0 {
            return format!("{}{unit}", total / size);
        }
    }
    format!("{total}kB")
}

fn print_milliseconds(total: u64) -> String {
    match total {
        0 => "0".into(),
        _ if total.is_multiple_of(86_400_000) => format!("{}d", total / 86_400_000),
        _ if total.is_multiple_of(3_600_000) => format!("{}h", total / 3_600_000),
        _ if total.is_multiple_of(60_000) => format!("{}min", total / 60_000),
        _ if total.is_multiple_of(1_000) => format!("{}s", total / 1_000),
        _ => format!("{total}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_postgres_prints_them() {
        let mut settings = Settings::default();
        for (given, shown) in [("250", "250ms"), ("5000", "5s"), ("2min", "2min"), ("0", "0"), ("90s", "90s")] {
            assert_eq!(settings.set("statement_timeout", given).unwrap(), shown);
        }
        assert_eq!(settings.statement_timeout_ms, 90_000);
        assert!(settings.set("statement_timeout", "-1").is_err());
    }

    #[test]
    fn search_paths_fold_and_unquote() {
        let mut settings = Settings::default();
        settings.set("search_path", "\"My Schema\", Public").unwrap();
        assert_eq!(settings.search_path, ["My Schema", "public"]);
        settings.set("search_path", "\"a, \"\"b\", , \"\", c").unwrap();
        assert_eq!(settings.search_path, ["a, \"b", "c"]);
    }
}
