//! Tables, views and sequences: everything that `pg_class` calls a relation.

use serde::{Deserialize, Serialize};
use types::{NO_TYPMOD, Type};

use crate::{Acl, SystemTable, Trigger};

/// A relation with columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// The owner's role OID.
    pub owner: u32,
    pub kind: TableKind,
    /// In `attnum` order, dropped ones included: a column's index never changes.
    pub columns: Vec<Column>,
    /// A table without one keys its rows by a hidden u64 that the engine hands out.
    #[serde(default)]
    pub primary_key: Option<Key>,
    /// CHECK, UNIQUE and FOREIGN KEY; the primary key and NOT NULL stand elsewhere.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// Indexes that a user created. Those of the primary key and of UNIQUE belong to their constraints.
    #[serde(default)]
    pub indexes: Vec<Index>,
    /// In the order of their names, which is the one that they fire in.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// The schemas in which a view's query, CHECK and DEFAULT look up the names that they do not qualify: those of
    /// the creation, whoever reads or writes. Of older records: none, thus only pg_catalog.
    #[serde(default)]
    pub search_path: Vec<String>,
    /// Counts the changes of this descriptor; a plan made for another version is stale.
    pub version: u64,
    /// None: the default, which is everything for the owner and nothing for others.
    #[serde(default)]
    pub acl: Option<Acl>,
    #[serde(default)]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    Table,
    View {
        /// The SELECT, as SQL text.
        definition: String,
    },
    Sequence(Sequence),
    /// Rows made from the catalog or by the engine; never stored.
    #[serde(skip)]
    System(&'static SystemTable),
}

impl TableKind {
    /// As errors name it.
    pub fn word(&self) -> &'static str {
        match self {
            TableKind::Table | TableKind::System(_) => "table",
            TableKind::View { .. } => "view",
            TableKind::Sequence(_) => "sequence",
        }
    }
}

/// What a sequence was created with. Its current value is data, kept by the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    #[serde(with = "crate::stored_type")]
    pub ty: Type,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cache: i64,
    pub cycle: bool,
    /// The table's OID and the column's `attnum`; dropped with it.
    #[serde(default)]
    pub owned_by: Option<(u32, i16)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(with = "crate::stored_type")]
    pub ty: Type,
    pub typmod: i32,
    pub not_null: bool,
    /// SQL text of the expression.
    #[serde(default)]
    pub default: Option<String>,
    /// From 1; the column's index in `Table::columns` plus one.
    pub attnum: i16,
    #[serde(default)]
    pub dropped: bool,
    #[serde(default)]
    pub generated: Option<Generated>,
    #[serde(default)]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generated {
    /// GENERATED ALWAYS (or BY DEFAULT) AS IDENTITY, from the sequence of this OID.
    Identity { always: bool, sequence: u32 },
    /// GENERATED ALWAYS AS (expression) STORED: SQL text.
    Stored(String),
}

/// The primary key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Of the constraint.
    pub oid: u32,
    /// Of the index that PostgreSQL's clients expect behind it; it has the constraint's name.
    pub index_oid: u32,
    pub name: String,
    /// Indexes into `Table::columns`, in key order.
    pub columns: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    pub oid: u32,
    pub name: String,
    /// Indexes into `Table::columns`; for CHECK those that the expression uses.
    pub columns: Vec<usize>,
    pub kind: ConstraintKind,
    #[serde(default)]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// SQL text of the expression, without the parentheses around it.
    Check {
        expression: String,
    },
    Unique {
        index_oid: u32,
        nulls_not_distinct: bool,
    },
    ForeignKey {
        /// The referenced table's OID.
        table: u32,
        /// Indexes into the referenced table's columns.
        columns: Vec<usize>,
        on_update: ForeignKeyAction,
        on_delete: ForeignKeyAction,
        match_full: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignKeyAction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    pub oid: u32,
    pub name: String,
    pub unique: bool,
    pub keys: Vec<IndexKey>,
    /// Indexes into `Table::columns` of INCLUDE.
    #[serde(default)]
    pub include: Vec<usize>,
    /// SQL text of a partial index's WHERE.
    #[serde(default)]
    pub predicate: Option<String>,
    #[serde(default)]
    pub nulls_not_distinct: bool,
    #[serde(default)]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexKey {
    pub target: IndexTarget,
    #[serde(default)]
    pub descending: bool,
    #[serde(default)]
    pub nulls_first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexTarget {
    /// Index into `Table::columns`.
    Column(usize),
    /// SQL text and the type of its result.
    Expression(String, #[serde(with = "crate::stored_type")] Type),
}

impl Table {
    /// The index into `columns` of the live column of this name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| !column.dropped && column.name == name)
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.column_index(name).map(|index| &self.columns[index])
    }

    /// The columns that are not dropped, with their indexes into `columns`.
    pub fn live_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.dropped)
    }

    pub fn is_table(&self) -> bool {
        matches!(self.kind, TableKind::Table)
    }

    pub fn sequence(&self) -> Option<&Sequence> {
        match &self.kind {
            TableKind::Sequence(sequence) => Some(sequence),
            TableKind::Table | TableKind::View { .. } | TableKind::System(_) => None,
        }
    }

    /// `pg_class.relkind`.
    pub fn relkind(&self) -> char {
        match &self.kind {
            TableKind::Table => 'r',
            TableKind::View { .. } => 'v',
            TableKind::Sequence(_) => 'S',
            TableKind::System(system) => system.relkind(),
        }
    }

    /// Every index: the primary key's, those of UNIQUE constraints, and those created as such.
    pub fn all_indexes(&self) -> Vec<Index> {
        let of_columns = |oid: u32, name: &str, columns: &[usize], nulls_not_distinct: bool| Index {
            oid,
            name: name.to_string(),
            unique: true,
            keys: columns
                .iter()
                .map(|column| IndexKey {
                    target: IndexTarget::Column(*column),
                    descending: false,
                    nulls_first: false,
                })
                .collect(),
            include: vec![],
            predicate: None,
            nulls_not_distinct,
            comment: None,
        };
        let mut indexes: Vec<Index> = self
            .primary_key
            .iter()
            .map(|key| of_columns(key.index_oid, &key.name, &key.columns, false))
            .collect();
        for constraint in &self.constraints {
            match &constraint.kind {
                ConstraintKind::Unique {
                    index_oid,
                    nulls_not_distinct,
                } => {
                    indexes.push(of_columns(*index_oid, &constraint.name, &constraint.columns, *nulls_not_distinct));
                }
                ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => {}
            }
        }
        indexes.extend(self.indexes.iter().cloned());
        indexes
    }

    /// (OID, name) of every index, cheaply.
    pub fn index_names(&self) -> impl Iterator<Item = (u32, &str)> {
        let key = self.primary_key.iter().map(|key| (key.index_oid, key.name.as_str()));
        let unique = self.constraints.iter().filter_map(|constraint| match constraint.kind {
            ConstraintKind::Unique { index_oid, .. } => Some((index_oid, constraint.name.as_str())),
            ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => None,
        });
        key.chain(unique)
            .chain(self.indexes.iter().map(|index| (index.oid, index.name.as_str())))
    }

    /// The OIDs of the primary key and the constraints.
    pub fn constraint_oids(&self) -> impl Iterator<Item = u32> {
        self.primary_key
            .iter()
            .map(|key| key.oid)
            .chain(self.constraints.iter().map(|constraint| constraint.oid))
    }

    /// Every OID that this descriptor uses.
    pub fn oids(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.oid)
            .chain(self.constraint_oids())
            .chain(self.index_names().map(|(oid, _)| oid))
            .chain(self.triggers.iter().map(|trigger| trigger.oid))
    }
}

impl Column {
    /// A nullable column without default.
    pub fn new(name: impl Into<String>, ty: Type, attnum: i16) -> Column {
        Column {
            name: name.into(),
            ty,
            typmod: NO_TYPMOD,
            not_null: false,
            default: None,
            attnum,
            dropped: false,
            generated: None,
            comment: None,
        }
    }
}
