//! The best of several candidates (`func_match_argtypes`, `func_select_candidate`).

use types::Type;

use super::polymorphic::{is_consistent, is_polymorphic};
use crate::Family;
use crate::cast::{Context, can_cast};

/// A function that might be meant: a user's, or one built in.
#[derive(Clone, Debug)]
pub struct Signature {
    pub args: Vec<Type>,
    /// How many arguments, from the end, may be left out.
    pub defaults: usize,
    /// The last argument repeats; if it is an array type, its elements do.
    pub variadic: bool,
}

/// What [`pick`] found: an index into the candidates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    One(usize),
    None,
    Ambiguous,
}

/// Chooses among functions of one name by the types of the arguments.
pub fn pick(candidates: &[Signature], args: &[Type]) -> Pick {
    let fitting = candidates
        .iter()
        .enumerate()
        .filter_map(|(index, signature)| Candidate::new(index, signature, Family::Same, args.len()));
    best(fitting.collect(), args)
}

/// A signature with exactly one declared type per argument of the call.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) index: usize,
    pub(super) args: Vec<Type>,
    pub(super) family: Family,
    /// Of two candidates with the same types the one with the lower rank is meant: a plain function before
    /// one with defaults, and that before a variadic one.
    rank: usize,
}

impl Candidate {
    /// None when the function can't take `count` arguments.
    pub(super) fn new(index: usize, signature: &Signature, family: Family, count: usize) -> Option<Candidate> {
        let declared = signature.args.len();
        if signature.variadic && declared > 0 && count >= declared {
            let last = signature.args[declared - 1];
            let repeated = last.element().unwrap_or(last);
            let mut args = signature.args[..declared - 1].to_vec();
            args.resize(count, repeated);
            return Some(Candidate {
                index,
                args,
                family,
                rank: usize::MAX,
            });
        }
        if count <= declared && count + signature.defaults >= declared && !signature.variadic {
            return Some(Candidate {
                index,
                args: signature.args[..count].to_vec(),
                family,
                rank: declared - count,
            });
        }
        None
    }
}

/// The whole decision, exact matches first.
pub(super) fn best(mut candidates: Vec<Candidate>, args: &[Type]) -> Pick {
    candidates.sort_by_key(|candidate| candidate.rank);
    let mut distinct: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if !distinct
            .iter()
            .any(|kept| kept.args == candidate.args && kept.family == candidate.family)
        {
            distinct.push(candidate);
        }
    }
    if let Some(exact) = distinct.iter().find(|candidate| candidate.args == args) {
        return Pick::One(exact.index);
    }
    select(distinct, args)
}

/// The rules after the exact match failed. Operators enter here.
pub(super) fn select(mut candidates: Vec<Candidate>, args: &[Type]) -> Pick {
    candidates.retain(|candidate| reaches(args, candidate));
    if let Some(decided) = decided(&candidates) {
        return decided;
    }

    // Keep those with the most exact matches; then with the most exact or preferred types.
    keep_most(&mut candidates, |candidate| {
        known(args).filter(|&(i, ty)| candidate.args[i] == ty).count()
    });
    if let Some(decided) = decided(&candidates) {
        return decided;
    }
    keep_most(&mut candidates, |candidate| {
        let fits = |&(i, ty): &(usize, Type)| {
            let declared = candidate.args[i];
            declared == ty || (declared.category() == ty.category() && declared.is_preferred())
        };
        known(args).filter(fits).count()
    });
    if let Some(decided) = decided(&candidates) {
        return decided;
    }

    if !args.contains(&Type::Unknown) {
        return Pick::Ambiguous;
    }
    if let Some(remaining) = guess_unknowns(&candidates, args)
        && !remaining.is_empty()
    {
        candidates = remaining;
        if let Some(decided) = decided(&candidates) {
            return decided;
        }
    }

    // All known arguments have one type: suppose that the unknown ones have it, too.
    let mut types = known(args).map(|(_, ty)| ty);
    if let Some(first) = types.next()
        && types.all(|ty| ty == first)
    {
        let supposed = vec![first; args.len()];
        candidates.retain(|candidate| reaches(&supposed, candidate));
        if let [only] = candidates.as_slice() {
            return Pick::One(only.index);
        }
    }
    Pick::Ambiguous
}

fn decided(candidates: &[Candidate]) -> Option<Pick> {
    match candidates {
        [] => Some(Pick::None),
        [only] => Some(Pick::One(only.index)),
        _ => None,
    }
}

fn known(args: &[Type]) -> impl Iterator<Item = (usize, Type)> {
    args.iter().copied().enumerate().filter(|(_, ty)| *ty != Type::Unknown)
}

/// Do implicit casts lead from the arguments to what the candidate declares?
fn reaches(args: &[Type], candidate: &Candidate) -> bool {
    let each = args
        .iter()
        .zip(&candidate.args)
        .all(|(&actual, &declared)| declared == Type::Any || is_polymorphic(declared) || can_cast(actual, declared, Context::Implicit));
    each && (!candidate.args.iter().any(|ty| is_polymorphic(*ty)) || is_consistent(&candidate.args, args, candidate.family))
}

fn keep_most(candidates: &mut Vec<Candidate>, score: impl Fn(&Candidate) -> usize) {
    let most = candidates.iter().map(&score).max().unwrap_or(0);
    candidates.retain(|candidate| score(candidate) == most);
}

/// For each argument of unknown type: the category all candidates agree on (or string, if one takes
/// a string), and in it the preferred type if one takes that. None where they disagree.
fn guess_unknowns(candidates: &[Candidate], args: &[Type]) -> Option<Vec<Candidate>> {
    let mut wanted: Vec<(usize, char, bool)> = Vec::new();
    for (i, _) in args.iter().enumerate().filter(|(_, ty)| **ty == Type::Unknown) {
        let mut slot: Option<(char, bool)> = None;
        let mut conflict = false;
        for candidate in candidates {
            let (category, preferred) = (candidate.args[i].category(), candidate.args[i].is_preferred());
            slot = match slot {
                None => Some((category, preferred)),
                Some((known, has_preferred)) if known == category => Some((known, has_preferred || preferred)),
                Some(_) if category == 'S' => Some(('S', preferred)),
                Some(other) => {
                    conflict = true;
                    Some(other)
                }
            };
        }
        let (category, has_preferred) = slot?;
        if conflict && category != 'S' {
            return None;
        }
        wanted.push((i, category, has_preferred));
    }
    let keeps = |candidate: &&Candidate| {
        wanted.iter().all(|&(i, category, has_preferred)| {
            let declared = candidate.args[i];
            declared.category() == category && (!has_preferred || declared.is_preferred())
        })
    };
    Some(candidates.iter().filter(keeps).cloned().collect())
}
