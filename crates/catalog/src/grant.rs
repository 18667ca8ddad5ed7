//! How GRANT and REVOKE change an ACL.
//!
//! The life of a grant: the role that counts as its grantor is found ([`Acl::best_grantor`]): a role that holds the grant option and whose
//! privileges the actor has, the owner among them; its item in the list is changed; a grant option that is taken back takes along
//! what was granted on its strength, or the whole is refused. Nobody's grant option may come to rest on itself.

use crate::privilege::{Acl, AclItem, PUBLIC, Privilege};

/// Who gives what to whom, or takes it back.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// A role's OID or [`PUBLIC`].
    pub grantee: u32,
    pub grantor: u32,
    pub privileges: &'a [Privilege],
    /// Of a GRANT: WITH GRANT OPTION. Of a REVOKE: only the option.
    pub option: bool,
}

/// Why an ACL cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantError {
    OptionToPublic,
    BackToGrantor,
    DependentPrivileges,
}

/// Whether a role has the privileges of another: the catalog's question.
pub type ActsAs<'a> = &'a dyn Fn(u32, u32) -> bool;

impl Acl {
    /// The grantor that PostgreSQL would choose for `role`, and what of `wanted` that grantor may grant: the owner for superusers, else the
    /// first that may grant most of it. `roles` are `role` itself and those whose privileges it has, `role` first.
    pub fn best_grantor(&self, owner: u32, role: u32, roles: &[u32], superuser: bool, wanted: &[Privilege]) -> (u32, Vec<Privilege>) {
        if superuser {
            return (owner, wanted.to_vec());
        }
        let mut best = (role, vec![]);
        for candidate in roles {
            let may = |privilege: &Privilege| *candidate == owner || self.allows(*privilege, true, |grantee| grantee == *candidate);
            let held: Vec<Privilege> = wanted.iter().copied().filter(may).collect();
            if held.len() > best.1.len() {
                best = (*candidate, held);
            }
        }
        best
    }

    pub fn grant(&mut self, owner: u32, grant: Grant<'_>, acts_as: ActsAs<'_>) -> Result<(), GrantError> {
        if grant.option && grant.grantee == PUBLIC {
            return Err(GrantError::OptionToPublic);
        }
        let mut working = Working::new(self, owner, acts_as);
        working.add(Item {
            grantee: grant.grantee,
            grantor: grant.grantor,
            privileges: Set::of(grant.privileges),
            options: if grant.option { Set::of(grant.privileges) } else { Set::NONE },
        })?;
        *self = working.into_acl();
        Ok(())
    }

    /// Takes back what `grant.grantor` gave; with `cascade`, also what was given on its strength.
    pub fn revoke(&mut self, owner: u32, grant: Grant<'_>, cascade: bool, acts_as: ActsAs<'_>) -> Result<(), GrantError> {
        let mut working = Working::new(self, owner, acts_as);
        working.remove(
            Item {
                grantee: grant.grantee,
                grantor: grant.grantor,
                privileges: if grant.option { Set::NONE } else { Set::of(grant.privileges) },
                options: Set::of(grant.privileges),
            },
            cascade,
        )?;
        *self = working.into_acl();
        Ok(())
    }

    /// Takes everything from a role, whoever gave it, and what the role gave to others on its strength.
    pub fn forget_role(&mut self, owner: u32, role: u32, acts_as: ActsAs<'_>) {
        let mut working = Working::new(self, owner, acts_as);
        while let Some(item) = working.items.iter().copied().find(|item| item.grantee == role) {
            // Nothing refuses with CASCADE.
            let _ = working.remove(item, true);
        }
        working.items.retain(|item| item.grantor != role);
        *self = working.into_acl();
    }

    /// The object has another owner: what the old one held and gave is the new one's.
    pub fn change_owner(&mut self, old: u32, new: u32) {
        let mut items: Vec<Item> = vec![];
        for mut item in self.0.iter().map(Item::read) {
            for role in [&mut item.grantee, &mut item.grantor] {
                if *role == old {
                    *role = new;
                }
            }
            match items.iter_mut().find(|other| other.is_for(&item)) {
                Some(other) => {
                    other.privileges = other.privileges.with(item.privileges);
                    other.options = other.options.with(item.options);
                }
                None => items.push(item),
            }
        }
        *self = Acl(items.into_iter().map(Item::write).collect());
    }

    /// Whether a role gives or receives anything here.
    pub fn names(&self, role: u32) -> bool {
        self.0.iter().any(|item| item.grantee == role || item.grantor == role)
    }
}

/// An ACL while it is changed.
struct Working<'a> {
    items: Vec<Item>,
    owner: u32,
    acts_as: ActsAs<'a>,
}

impl<'a> Working<'a> {
    fn new(acl: &Acl, owner: u32, acts_as: ActsAs<'a>) -> Working<'a> {
        Working {
            items: acl.0.iter().map(Item::read).collect(),
            owner,
            acts_as,
        }
    }

    fn into_acl(self) -> Acl {
        Acl(self.items.into_iter().map(Item::write).collect())
    }

    fn add(&mut self, change: Item) -> Result<(), GrantError> {
        if change.privileges == Set::NONE {
            return Ok(());
        }
        if change.options != Set::NONE {
            self.refuse_circle(&change)?;
        }
        match self.items.iter_mut().find(|item| item.is_for(&change)) {
            Some(item) => {
                item.privileges = item.privileges.with(change.privileges);
                item.options = item.options.with(change.options);
            }
            None => self.items.push(change),
        }
        Ok(())
    }

    fn remove(&mut self, change: Item, cascade: bool) -> Result<(), GrantError> {
        let Some(at) = self.items.iter().position(|item| item.is_for(&change)) else {
            return Ok(());
        };
        let item = &mut self.items[at];
        let lost = item.options.and(change.options);
        item.privileges = item.privileges.without(change.privileges);
        item.options = item.options.without(change.options);
        if item.privileges == Set::NONE && item.options == Set::NONE {
            self.items.remove(at);
        }
        if lost == Set::NONE {
            return Ok(());
        }
        self.remove_dependents(change.grantee, lost, cascade)
    }

    /// What `role` granted on the strength of options that it has lost, unless it still has them from somebody else.
    fn remove_dependents(&mut self, role: u32, lost: Set, cascade: bool) -> Result<(), GrantError> {
        // An owner's options are not in the list and cannot be lost.
        if role == self.owner {
            return Ok(());
        }
        let gone = lost.without(self.options_of(role, lost));
        while let Some(dependent) = self
            .items
            .iter()
            .copied()
            .find(|item| item.grantor == role && item.privileges.and(gone) != Set::NONE)
        {
            if !cascade {
                return Err(GrantError::DependentPrivileges);
            }
            let change = Item {
                privileges: gone,
                options: gone,
                ..dependent
            };
            self.remove(change, true)?;
        }
        Ok(())
    }

    /// A grantor whose own option comes from the grantee alone would hold it up by its own bootstraps.
    fn refuse_circle(&self, change: &Item) -> Result<(), GrantError> {
        if change.grantor == self.owner {
            return Ok(());
        }
        let mut without = Working {
            items: self.items.clone(),
            owner: self.owner,
            acts_as: self.acts_as,
        };
        while let Some(item) = without
            .items
            .iter()
            .copied()
            .find(|item| item.grantee == change.grantee && item.options != Set::NONE)
        {
            without.remove(item, true)?;
        }
        let own = without.options_of(change.grantor, change.options);
        match change.options.without(own) {
            Set::NONE => Ok(()),
            _ => Err(GrantError::BackToGrantor),
        }
    }

    /// Which of these a role may grant.
    fn options_of(&self, role: u32, wanted: Set) -> Set {
        if (self.acts_as)(role, self.owner) {
            return wanted;
        }
        let held = self
            .items
            .iter()
            .filter(|item| item.grantee != PUBLIC && (self.acts_as)(role, item.grantee))
            .fold(Set::NONE, |held, item| held.with(item.options));
        held.and(wanted)
    }
}

#[derive(Clone, Copy)]
struct Item {
    grantee: u32,
    grantor: u32,
    privileges: Set,
    options: Set,
}

impl Item {
    fn read(item: &AclItem) -> Item {
        Item {
            grantee: item.grantee,
            grantor: item.grantor,
            privileges: Set::of(&item.privileges),
            options: Set::of(&item.grantable),
        }
    }

    fn write(self) -> AclItem {
        AclItem {
            grantee: self.grantee,
            grantor: self.grantor,
            privileges: self.privileges.list(),
            grantable: self.options.list(),
        }
    }

    fn is_for(&self, other: &Item) -> bool {
        self.grantee == other.grantee && self.grantor == other.grantor
    }
}

/// Privileges as bits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Set(u16);

impl Set {
    const NONE: Set = Set(0);

    fn of(privileges: &[Privilege]) -> Set {
        Set(privileges.iter().fold(0, |bits, privilege| bits | 1 << (*privilege as u16)))
    }

    fn list(self) -> Vec<Privilege> {
        let mut list: Vec<Privilege> = Privilege::ALL
            .into_iter()
            .filter(|privilege| self.and(Set::of(&[*privilege])) != Set::NONE)
            .collect();
        list.sort();
        list
    }

    fn with(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    fn without(self, other: Set) -> Set {
        Set(self.0 & !other.0)
    }

    fn and(self, other: Set) -> Set {
        Set(self.0 & other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AclKind;

    const OWNER: u32 = 1;
    const A: u32 = 2;
    const B: u32 = 3;
    const C: u32 = 4;

    fn alone(role: u32, of: u32) -> bool {
        role == of
    }

    fn grant(grantor: u32, grantee: u32, option: bool) -> Grant<'static> {
        Grant {
            grantee,
            grantor,
            privileges: &[Privilege::Select],
            option,
        }
    }

    /// The owner gave to A, A to B, B to C.
    fn chain() -> Acl {
        let mut acl = Acl::default_for(AclKind::Table, OWNER);
        for (grantor, grantee, option) in [(OWNER, A, true), (A, B, true), (B, C, false)] {
            acl.grant(OWNER, grant(grantor, grantee, option), &alone).unwrap();
        }
        acl
    }

    fn check(acl: &Acl, expected: &[(u32, u32, bool)]) {
        let items: Vec<(u32, u32, bool)> = acl.0[1..]
            .iter()
            .map(|item| (item.grantor, item.grantee, !item.grantable.is_empty()))
            .collect();
        assert_eq!(items, expected);
    }

    #[test]
    fn what_rests_on_a_lost_option_goes_with_it_or_keeps_it() {
        let mut acl = chain();
        let lost = acl.revoke(OWNER, grant(OWNER, A, false), false, &alone);
        assert_eq!(lost, Err(GrantError::DependentPrivileges));
        check(&acl, &[(OWNER, A, true), (A, B, true), (B, C, false)]);
        acl.revoke(OWNER, grant(OWNER, A, false), true, &alone).unwrap();
        check(&acl, &[]);

        let mut acl = chain();
        acl.revoke(OWNER, grant(OWNER, A, true), true, &alone).unwrap();
        check(&acl, &[(OWNER, A, false)]);
    }

    #[test]
    fn an_option_from_two_grantors_survives_the_loss_of_one() {
        let mut acl = chain();
        acl.grant(OWNER, grant(OWNER, B, true), &alone).unwrap();
        acl.revoke(OWNER, grant(A, B, false), false, &alone).unwrap();
        check(&acl, &[(OWNER, A, true), (B, C, false), (OWNER, B, true)]);
    }

    #[test]
    fn options_do_not_go_in_circles_or_to_everybody() {
        let mut acl = chain();
        assert_eq!(acl.grant(OWNER, grant(B, A, true), &alone), Err(GrantError::BackToGrantor));
        acl.grant(OWNER, grant(B, A, false), &alone).unwrap();
        assert_eq!(
            acl.grant(OWNER, grant(OWNER, PUBLIC, true), &alone),
            Err(GrantError::OptionToPublic)
        );
    }

    #[test]
    fn another_grantors_grant_is_left_alone() {
        let mut acl = chain();
        acl.revoke(OWNER, grant(OWNER, C, false), true, &alone).unwrap();
        check(&acl, &[(OWNER, A, true), (A, B, true), (B, C, false)]);
    }

    #[test]
    fn the_grantor_is_the_owner_or_who_holds_most_options() {
        let acl = chain();
        let best =
            |role, roles: &[u32], superuser| acl.best_grantor(OWNER, role, roles, superuser, &[Privilege::Select, Privilege::Insert]);
        assert_eq!(best(C, &[C], true), (OWNER, vec![Privilege::Select, Privilege::Insert]));
        assert_eq!(best(C, &[C, A, OWNER], false), (OWNER, vec![Privilege::Select, Privilege::Insert]));
        assert_eq!(
            acl.best_grantor(OWNER, A, &[A, OWNER], false, &[Privilege::Select]),
            (A, vec![Privilege::Select])
        );
        assert_eq!(best(C, &[C, B], false), (B, vec![Privilege::Select]));
        assert_eq!(best(C, &[C], false), (C, vec![]));
    }

    #[test]
    fn a_new_owner_takes_the_old_ones_place() {
        let mut acl = chain();
        acl.change_owner(OWNER, A);
        assert_eq!(acl.0[0].grantee, A);
        assert_eq!(acl.0.len(), 3);
        check(&acl, &[(A, B, true), (B, C, false)]);
        acl.forget_role(A, B, &alone);
        check(&acl, &[]);
    }
}
