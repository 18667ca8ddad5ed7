//! Plans of what functions ask, kept for the session: the same text is parsed and bound once while the
//! catalog, the search path and the meaning of date literals stay as they are.

use std::collections::HashMap;
use std::sync::Arc;

use types::Type;
use types::text::TextStyle;

use crate::context::StatementContext;
use crate::plan::Plan;

/// Texts that one session keeps plans of on one ground; a function that builds its texts out of values must not fill the memory.
const KEPT_TEXTS: usize = 256;
/// Functions that call each other may have a search path or a role each.
const KEPT_GROUNDS: usize = 4;
/// A longer text is bound each time.
const MAX_TEXT_BYTES: usize = 16_384;

/// A statement that was parsed and bound.
pub struct Bound {
    pub plan: Plan,
    /// What each parameter is converted to.
    pub types: Vec<Type>,
    /// What the audit log calls it.
    pub resource: String,
}

/// What is known of a text with parameters of some types.
#[derive(Clone)]
pub enum Kept {
    Plan(Arc<Bound>),
    /// It has no meaning until more of its parameters have a type.
    Undecided,
}

/// What a text's meaning depends on besides the text.
#[derive(Clone, PartialEq)]
struct Ground {
    catalog_version: u64,
    role: u32,
    search_path: Vec<String>,
    style: TextStyle,
}

impl Ground {
    fn of(context: &StatementContext) -> Ground {
        let mut style = context.text_style.clone();
        style.now = None;
        Ground {
            catalog_version: context.catalog.version(),
            role: context.actor.role,
            search_path: context.search_path.clone(),
            style,
        }
    }
}

/// Plans of one text, each for other types of its parameters.
type ByTypes = Vec<(Vec<Option<Type>>, Kept)>;

#[derive(Default)]
pub struct Plans {
    /// The ground that a plan was last made on is the last one.
    kept: Vec<(Ground, HashMap<String, ByTypes>)>,
}

impl Plans {
    /// The plan of this text for parameters of these types, if there is one that still holds.
    pub fn find(&self, context: &StatementContext, sql: &str, known: &[Option<Type>]) -> Option<Kept> {
        if context.private_catalog {
            return None;
        }
        let (_, by_text) = self.kept.iter().rev().find(|(ground, _)| {
            ground.catalog_version == context.catalog.version()
                && ground.role == context.actor.role
                && ground.search_path == context.search_path
                && same_style(&ground.style, &context.text_style)
        })?;
        let bound = by_text.get(sql)?;
        bound.iter().find(|(types, _)| types == known).map(|(_, kept)| kept.clone())
    }

    pub fn keep(&mut self, context: &StatementContext, sql: &str, known: &[Option<Type>], plan: Kept) {
        // A plan made in a transaction that changed the catalog may never become true.
        if context.private_catalog || sql.len() > MAX_TEXT_BYTES || names_a_moment(sql) {
            return;
        }
        let ground = Ground::of(context);
        self.kept.retain(|(kept, _)| kept.catalog_version == ground.catalog_version);
        let mut by_text = match self.kept.iter().position(|(kept, _)| *kept == ground) {
            Some(at) => self.kept.remove(at).1,
            None => HashMap::new(),
        };
        if self.kept.len() >= KEPT_GROUNDS {
            self.kept.remove(0);
        }
        if by_text.len() >= KEPT_TEXTS {
            by_text.clear();
        }
        let kept = by_text.entry(sql.to_string()).or_default();
        // The types of parameters vary with their values, but not without end.
        if kept.len() >= KEPT_TEXTS {
            kept.clear();
        }
        kept.push((known.to_vec(), plan));
        self.kept.push((ground, by_text));
    }
}

/// Whether there may be a literal in it that means another time in each transaction.
fn names_a_moment(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    ["now", "today", "tomorrow", "yesterday"]
        .iter()
        .any(|moment| sql.contains(&format!("'{moment}")))
}

fn same_style(kept: &TextStyle, now: &TextStyle) -> bool {
    kept.time_zone == now.time_zone
        && kept.date_order == now.date_order
        && kept.interval_style == now.interval_style
        && kept.bytea_output == now.bytea_output
        && kept.extra_float_digits == now.extra_float_digits
}
