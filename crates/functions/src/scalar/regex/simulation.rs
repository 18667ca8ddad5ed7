//! All ways through a pattern at once, byte by byte: the longest match from a place, and its groups.
//!
//! What `pikevm` of `regex-automata` does where it keeps all matches, but it can be interrupted: a pattern of a thousand states
//! over a long text takes seconds.

use std::cell::RefCell;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;
use types::Result;

/// Steps between two looks at whether the statement was cancelled.
const STEPS_BETWEEN_LOOKS: usize = 1 << 18;

/// In a table of groups: it has not been passed.
const NOWHERE: usize = usize::MAX;

pub(super) struct Simulation {
    nfa: NFA,
    scratch: RefCell<Scratch>,
}

struct Scratch {
    now: Threads,
    next: Threads,
    stack: Vec<Follow>,
}

/// The states that have been reached, in the order of their preference, and the groups on the way to each.
struct Threads {
    states: Vec<StateID>,
    /// By state: whether it is one of them.
    reached: Vec<bool>,
    slots: Vec<usize>,
}

impl Threads {
    fn clear(&mut self) {
        for state in self.states.drain(..) {
            self.reached[state.as_usize()] = false;
        }
    }

    /// Whether it is new among them.
    fn reach(&mut self, state: StateID) -> bool {
        let is_new = !std::mem::replace(&mut self.reached[state.as_usize()], true);
        if is_new {
            self.states.push(state);
        }
        is_new
    }
}

/// What is left to do before all states are known that are reached without a byte.
enum Follow {
    State(StateID),
    Restore { slot: usize, value: usize },
}

/// Where in the text a step is taken.
#[derive(Clone, Copy)]
struct Place<'t> {
    text: &'t [u8],
    at: usize,
}

impl Simulation {
    pub(super) fn new(nfa: NFA) -> Simulation {
        let states = nfa.states().len();
        let threads = || Threads {
            states: vec![],
            reached: vec![false; states],
            slots: vec![NOWHERE; states * nfa.group_info().slot_len()],
        };
        let scratch = Scratch {
            now: threads(),
            next: threads(),
            stack: vec![],
        };
        Simulation {
            nfa,
            scratch: RefCell::new(scratch),
        }
    }

    pub(super) fn states(&self) -> usize {
        self.nfa.states().len()
    }

    /// The longest match that begins at `from`, or the shortest: the places of its groups, two each. `check` is asked now and then.
    pub(super) fn search(&self, check: impl Fn() -> Result<()>, text: &str, from: usize, longest: bool) -> Result<Vec<Option<usize>>> {
        let width = self.nfa.group_info().slot_len();
        let Scratch { now, next, stack } = &mut *self.scratch.borrow_mut();
        now.clear();
        next.clear();
        let mut found = vec![NOWHERE; width];
        let mut slots = vec![NOWHERE; width];
        let mut place = Place {
            text: text.as_bytes(),
            at: from,
        };
        self.follow(place, self.nfa.start_anchored(), &mut slots, now, stack);
        let mut steps = 0;
        while !now.states.is_empty() && place.at <= text.len() {
            steps += now.states.len();
            if steps >= STEPS_BETWEEN_LOOKS {
                check()?;
                steps = 0;
            }
            let mut matched = false;
            let after = Place { at: place.at + 1, ..place };
            for state in now.states.iter().copied() {
                let from = &now.slots[state.as_usize() * width..][..width];
                let to = match self.nfa.state(state) {
                    State::ByteRange { trans } => trans.matches(place.text, place.at).then_some(trans.next),
                    State::Sparse(sparse) => sparse.matches(place.text, place.at),
                    State::Dense(dense) => dense.matches(place.text, place.at),
                    State::Match { .. } => {
                        found.copy_from_slice(from);
                        matched = true;
                        None
                    }
                    State::Fail | State::Look { .. } | State::Union { .. } | State::BinaryUnion { .. } | State::Capture { .. } => None,
                };
                if let Some(to) = to {
                    slots.copy_from_slice(from);
                    self.follow(after, to, &mut slots, next, stack);
                }
            }
            if matched && !longest {
                break;
            }
            std::mem::swap(now, next);
            next.clear();
            place = after;
        }
        Ok(found.into_iter().map(|slot| (slot != NOWHERE).then_some(slot)).collect())
    }

    /// Every state that is reached from this one without a byte.
    fn follow(&self, place: Place<'_>, state: StateID, slots: &mut [usize], into: &mut Threads, stack: &mut Vec<Follow>) {
        stack.push(Follow::State(state));
        while let Some(follow) = stack.pop() {
            let state = match follow {
                Follow::State(state) => state,
                Follow::Restore { slot, value } => {
                    slots[slot] = value;
                    continue;
                }
            };
            if !into.reach(state) {
                continue;
            }
            match self.nfa.state(state) {
                State::Fail | State::Match { .. } | State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                    into.slots[state.as_usize() * slots.len()..][..slots.len()].copy_from_slice(slots);
                }
                State::Look { look, next } => {
                    if self.nfa.look_matcher().matches(*look, place.text, place.at) {
                        stack.push(Follow::State(*next));
                    }
                }
                State::Union { alternates } => stack.extend(alternates.iter().rev().map(|state| Follow::State(*state))),
                State::BinaryUnion { alt1, alt2 } => stack.extend([Follow::State(*alt2), Follow::State(*alt1)]),
                State::Capture { next, slot, .. } => {
                    let slot = slot.as_usize();
                    stack.push(Follow::Restore { slot, value: slots[slot] });
                    slots[slot] = place.at;
                    stack.push(Follow::State(*next));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use regex_automata::nfa::thompson::{Compiler, pikevm};
    use regex_automata::{Anchored, Input, MatchKind};

    use super::*;

    #[test]
    fn it_ends_when_it_is_told_to() {
        let own = Simulation::new(Compiler::new().build("((a|b|c){1,100}(a|aa){1,100})*").unwrap());
        let stop = || Err(types::SqlError::new(types::SqlState::QueryCanceled, "enough"));
        assert!(own.search(stop, &"a".repeat(100_000), 0, true).is_err());
    }

    #[test]
    fn it_finds_what_the_librarys_own_finds() {
        let patterns = [
            "(a|ab)(c|bcd)(d*)",
            "(a*)*",
            "(a+|b)*?c",
            "a{2,3}(a|b)",
            "(?:)",
            "^a|b$",
            r"\bfoo\b",
            "(x?)(y?)z",
            "[é-ü]+(.)",
            "(a|b|c)*(a)",
            "((a)|(ab))((c)|(bc))?",
        ];
        let texts = ["", "a", "abcd", "aaaa", "aab", "foo bar", "xyz", "éüa", "abcabcaac", "abc\nb"];
        for pattern in patterns {
            let nfa = Compiler::new().build(pattern).unwrap();
            let vm = pikevm::Builder::new()
                .configure(pikevm::Config::new().match_kind(MatchKind::All))
                .build_from_nfa(nfa.clone())
                .unwrap();
            let own = Simulation::new(nfa.clone());
            for text in texts {
                for longest in [true, false] {
                    for from in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                        let mut slots = vec![None; nfa.group_info().slot_len()];
                        let input = Input::new(text).range(from..).anchored(Anchored::Yes).earliest(!longest);
                        vm.search_slots(&mut vm.create_cache(), &input, &mut slots);
                        let slots: Vec<Option<usize>> = slots.into_iter().map(|slot| slot.map(|slot| slot.get())).collect();
                        let found = own.search(|| Ok(()), text, from, longest).unwrap();
                        assert_eq!(found, slots, "{pattern} in {text} from {from}, longest: {longest}");
                    }
                }
            }
        }
    }
}
