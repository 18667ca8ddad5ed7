//! Compiled regular expressions.
//!
//! PostgreSQL wants the leftmost match, and of those that start there the longest (or, where the
//! first quantifier is a non-greedy one, the shortest). The automata crates find the leftmost-*first*
//! match of Perl: the same start, perhaps another end. So a fast automaton finds the start; from
//! there a simulation that follows all ways finds the end and the groups.
//!
//! What is left of the difference: which of several ways to reach the same end the groups show is Perl's choice (the first
//! alternative that fits), where PostgreSQL gives earlier groups the longest.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use regex_automata::Input;
use regex_automata::meta;
use regex_automata::nfa::thompson::{self, NFA};
use types::{Result, SqlError, SqlState};

use super::simulation::Simulation;
use super::translate::{Options, invalid, translate};
use crate::Environment;

/// Memory of one compiled automaton.
const NFA_BYTES: usize = 4 * 1024 * 1024;
/// Memory of the states that the fast automaton remembers.
const CACHE_BYTES: usize = 4 * 1024 * 1024;
/// Compiled patterns that a thread keeps.
const KEPT: usize = 64;
/// Steps (states times bytes) of one simulation: some minutes.
const SIMULATION_STEPS: usize = 20_000_000_000;

pub(super) struct Regex {
    fast: meta::Regex,
    hir: regex_syntax::hir::Hir,
    longest: bool,
    groups: usize,
    exact: OnceCell<Simulation>,
}

/// Where a match and its groups are: byte offsets. Index 0 is the whole match.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) spans: Vec<Option<(usize, usize)>>,
}

impl Match {
    pub(super) fn start(&self) -> usize {
        self.spans.first().copied().flatten().map_or(0, |(start, _)| start)
    }

    pub(super) fn end(&self) -> usize {
        self.spans.first().copied().flatten().map_or(0, |(_, end)| end)
    }
}

thread_local! {
    static COMPILED: RefCell<HashMap<(String, Options), Rc<Regex>>> = RefCell::new(HashMap::new());
}

/// The compiled pattern, from this thread's cache if it was used before.
pub(super) fn compile(pattern: &str, options: Options) -> Result<Rc<Regex>> {
    let key = (pattern.to_string(), options);
    if let Some(found) = COMPILED.with_borrow(|kept| kept.get(&key).cloned()) {
        return Ok(found);
    }
    let regex = Rc::new(Regex::new(pattern, options)?);
    COMPILED.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, regex.clone());
    });
    Ok(regex)
}

fn too_complex() -> SqlError {
    invalid("regular expression is too complex")
}

impl Regex {
    fn new(pattern: &str, options: Options) -> Result<Regex> {
        let translated = translate(pattern, options)?;
        let hir = regex_syntax::ParserBuilder::new()
            .nest_limit(400)
            .build()
            .parse(&translated.syntax)
            .map_err(|error| match error {
                regex_syntax::Error::Parse(ref e) if matches!(e.kind(), regex_syntax::ast::ErrorKind::NestLimitExceeded(_)) => {
                    too_complex()
                }
                other => invalid(&other.to_string().lines().last().unwrap_or_default().replace("error: ", "")),
            })?;
        let config = meta::Config::new()
            .nfa_size_limit(Some(NFA_BYTES))
            .hybrid_cache_capacity(CACHE_BYTES)
            .onepass_size_limit(Some(NFA_BYTES));
        let fast = meta::Builder::new()
            .configure(config)
            .build_from_hir(&hir)
            .map_err(|_| too_complex())?;
        Ok(Regex {
            fast,
            hir,
            longest: translated.longest,
            groups: translated.groups,
            exact: OnceCell::new(),
        })
    }

    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.fast.is_match(text)
    }

    /// The first match that starts at byte `from` or later.
    pub(super) fn find(&self, env: &dyn Environment, text: &str, from: usize) -> Result<Option<Match>> {
        let Some(found) = self.fast.search(&Input::new(text).range(from..)) else {
            return Ok(None);
        };
        let exact = self.exact()?;
        let length = if self.longest { text.len() - found.start() } else { found.len() };
        if length.saturating_mul(exact.states()) > SIMULATION_STEPS {
            return Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                "regular expression is too complex for an input of this size",
            ));
        }
        let slots = exact.search(|| env.check_cancelled(), text, found.start(), self.longest)?;
        let spans = slots.chunks(2).map(|pair| match pair {
            [Some(start), Some(end)] => Some((*start, *end)),
            _ => None,
        });
        Ok(Some(Match { spans: spans.collect() }))
    }

    fn exact(&self) -> Result<&Simulation> {
        if let Some(exact) = self.exact.get() {
            return Ok(exact);
        }
        let nfa: NFA = thompson::Compiler::new()
            .configure(thompson::Config::new().nfa_size_limit(Some(NFA_BYTES)))
            .build_from_hir(&self.hir)
            .map_err(|_| too_complex())?;
        Ok(self.exact.get_or_init(|| Simulation::new(nfa)))
    }
}
