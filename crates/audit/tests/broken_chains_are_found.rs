//! A log that was changed by hand, in each way that one can think of.

use audit::{Chain, DecodeError, Event, EventType, Reason, Verdict, Verifier, verify};

type Rows = Vec<(u64, Vec<u8>)>;

fn event(number: i64) -> Event {
    Event {
        resource: Some(format!("t{number}")),
        ..Event::at(number, EventType::CapabilityCheck)
    }
}

fn log(count: i64) -> (Rows, Chain) {
    let mut chain = Chain::GENESIS;
    let rows = (1..=count)
        .map(|number| chain.append(&event(number)).unwrap())
        .map(|sealed| (sealed.id, sealed.bytes))
        .collect();
    (rows, chain)
}

fn check(change: impl FnOnce(&mut Rows), expected: Option<(u64, Reason)>) -> Verdict {
    let (mut rows, _) = log(10);
    change(&mut rows);
    let count = rows.len() as u64;
    let verdict = verify(rows);
    assert_eq!(verdict.first_bad, expected);
    assert_eq!(verdict.whole, expected.is_none());
    assert_eq!(verdict.rows, count);
    verdict
}

#[test]
fn a_whole_log_is_whole() {
    let verdict = check(|_| {}, None);
    let (_, chain) = log(10);
    assert_eq!(verdict.head, (10, chain.last_hash()));
    assert!(verify(Rows::new()).whole);
}

#[test]
fn changed_rows() {
    check(|rows| *rows[4].1.last_mut().unwrap() ^= 1, Some((5, Reason::Changed)));
    check(|rows| rows[4].1[1] ^= 1, Some((5, Reason::Changed)));
    check(|rows| rows[4].1[33] ^= 1, Some((5, Reason::Changed)));
    check(|rows| rows[4].1[0] = 9, Some((5, Reason::Unreadable(DecodeError::Version(9)))));
    check(
        |rows| rows[4].1.clear(),
        Some((5, Reason::Unreadable(DecodeError::Short("version")))),
    );
}

#[test]
fn a_row_with_a_new_hash_does_not_carry_the_next_one() {
    let forge = |rows: &mut Rows| {
        let mut chain = Chain::after_stored(4, &rows[3].1).unwrap();
        rows[4].1 = chain.append(&event(500)).unwrap().bytes;
    };
    let verdict = check(forge, Some((6, Reason::Detached)));
    assert_eq!(verdict.head.0, 5);
}

#[test]
fn removed_rows() {
    check(|rows| drop(rows.remove(0)), Some((2, Reason::Expected { id: 1 })));
    check(|rows| drop(rows.remove(4)), Some((6, Reason::Expected { id: 5 })));
    // Removed and the rest numbered anew.
    let renumber = |rows: &mut Rows| {
        rows.remove(4);
        for (index, row) in rows.iter_mut().enumerate() {
            row.0 = index as u64 + 1;
        }
    };
    check(renumber, Some((5, Reason::Changed)));
}

#[test]
fn added_and_reordered_rows() {
    check(|rows| rows.insert(5, rows[4].clone()), Some((5, Reason::Expected { id: 6 })));
    check(|rows| rows.swap(4, 5), Some((6, Reason::Expected { id: 5 })));
    let swap_contents = |rows: &mut Rows| {
        let row = rows[4].1.clone();
        rows[4].1 = rows[5].1.clone();
        rows[5].1 = row;
    };
    check(swap_contents, Some((5, Reason::Changed)));
}

#[test]
fn a_cut_tail_and_a_rewritten_log_show_against_a_kept_head() {
    let (rows, chain) = log(10);
    let walk = |rows: &[(u64, Vec<u8>)]| {
        let mut verifier = Verifier::after(Chain::GENESIS);
        rows.iter().for_each(|(id, bytes)| verifier.push(*id, bytes));
        verifier.finish_at(chain.last_id(), chain.last_hash())
    };
    assert!(walk(&rows).whole);
    assert!(verify(rows[..8].to_vec()).whole, "by itself a shorter log looks whole");
    assert_eq!(walk(&rows[..8]).first_bad, Some((9, Reason::Missing)));
    let mut forged = Chain::GENESIS;
    let rewritten: Rows = (1..=10)
        .map(|number| forged.append(&event(-number)).unwrap())
        .map(|sealed| (sealed.id, sealed.bytes))
        .collect();
    assert!(verify(rewritten.clone()).whole, "by itself a rewritten log looks whole");
    assert_eq!(walk(&rewritten).first_bad, Some((10, Reason::Replaced)));
}

#[test]
fn a_walk_may_begin_at_an_anchor() {
    let (rows, _) = log(10);
    let mut verifier = Verifier::after(Chain::after_stored(6, &rows[5].1).unwrap());
    rows[6..].iter().for_each(|(id, bytes)| verifier.push(*id, bytes));
    let verdict = verifier.finish();
    assert!(verdict.whole);
    assert_eq!(verdict.rows, 4);
}

#[test]
fn ids_end_before_they_wrap() {
    let mut chain = Chain::after(i64::MAX.unsigned_abs() - 1, [0; 32]);
    assert_eq!(chain.append(&event(1)).unwrap().id, i64::MAX.unsigned_abs());
    assert!(matches!(chain.append(&event(2)), Err(audit::AuditError::Full)));
    assert_eq!(chain.last_id(), i64::MAX.unsigned_abs());
}
