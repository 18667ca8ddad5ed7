//! Triggers: part of their table's descriptor.

use serde::{Deserialize, Serialize};

/// A user's trigger on a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub oid: u32,
    pub name: String,
    pub timing: TriggerTiming,
    pub level: TriggerLevel,
    /// What fires it, each once.
    pub events: Vec<TriggerEvent>,
    /// Of UPDATE OF: indexes into `Table::columns`. Empty: an UPDATE of any column.
    #[serde(default)]
    pub columns: Vec<usize>,
    /// SQL text of WHEN, without the parentheses around it.
    #[serde(default)]
    pub condition: Option<String>,
    /// The schemas in which the names of WHEN are looked up: those of its creation. Of older records: none, thus
    /// only pg_catalog.
    #[serde(default)]
    pub search_path: Vec<String>,
    /// The function's OID.
    pub function: u32,
    /// TG_ARGV.
    #[serde(default)]
    pub args: Vec<String>,
    pub enabled: bool,
    #[serde(default)]
    pub comment: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerTiming {
    Before,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerLevel {
    Row,
    Statement,
}

/// In the order in which PostgreSQL prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerEvent {
    Insert,
    Delete,
    Update,
}

impl Trigger {
    /// `pg_trigger.tgtype`.
    pub fn type_bits(&self) -> i16 {
        let row = if self.level == TriggerLevel::Row { 1 } else { 0 };
        let before = if self.timing == TriggerTiming::Before { 2 } else { 0 };
        let events: i16 = self.events.iter().map(|event| event.bit()).sum();
        row + before + events
    }
}

impl TriggerTiming {
    /// TG_WHEN.
    pub fn word(self) -> &'static str {
        match self {
            TriggerTiming::Before => "BEFORE",
            TriggerTiming::After => "AFTER",
        }
    }
}

impl TriggerLevel {
    /// TG_LEVEL.
    pub fn word(self) -> &'static str {
        match self {
            TriggerLevel::Row => "ROW",
            TriggerLevel::Statement => "STATEMENT",
        }
    }
}

impl TriggerEvent {
    /// TG_OP.
    pub fn word(self) -> &'static str {
        match self {
            TriggerEvent::Insert => "INSERT",
            TriggerEvent::Delete => "DELETE",
            TriggerEvent::Update => "UPDATE",
        }
    }

    fn bit(self) -> i16 {
        match self {
            TriggerEvent::Insert => 4,
            TriggerEvent::Delete => 8,
            TriggerEvent::Update => 16,
        }
    }
}
