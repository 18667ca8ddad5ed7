//! `GRANT role TO role`, `REVOKE role FROM role`, and the memberships that CREATE ROLE begins with.
//!
//! Whoever has the ADMIN OPTION on a role hands it on, and so does CREATEROLE, except for what is trusted beyond that: superusers,
//! the auditors, and whoever is a member of them. In PostgreSQL 15 a role with CREATEROLE could join a superuser's member and SET
//! ROLE from there.

use std::sync::Arc;

use catalog::{AUDITOR_OID, Change, Role, Snapshot};
use types::{Notice, Result, SqlError, SqlState};

use super::complete;
use super::role::{find, resolve};
use crate::catalog_lock::Lockable;
use crate::context::StatementContext;
use crate::parse::{Membership, RoleName};
use crate::session::Outcome;

pub fn run(context: &Arc<StatementContext>, membership: &Membership) -> Result<Outcome> {
    for name in &membership.roles {
        may_hand_on(context, find(&context.catalog, name)?)?;
    }
    // A membership must not close a circle that another one has begun; its end needs no such care.
    if !membership.revoke {
        context.lock_catalog()?;
    }
    let context = &context.renewed();
    let actor = context.actor.role;
    let grantor = match &membership.granted_by {
        None => actor,
        Some(name) => {
            let named = resolve(context, &context.catalog, name)?.oid;
            if named != actor && !context.catalog.is_superuser(actor) {
                return Err(SqlError::new(SqlState::InsufficientPrivilege, "must be superuser to set grantor"));
            }
            named
        }
    };
    for name in &membership.roles {
        let role = find(&context.catalog, name)?.clone();
        may_hand_on(context, &role)?;
        for member in &membership.members {
            let oid = resolve(context, &context.newest_catalog(), member)?.oid;
            context.lock_object(Lockable::Role(oid))?;
            let catalog = context.newest_catalog();
            let member = resolve(context, &catalog, member)?.clone();
            match membership.revoke {
                false => join(context, &role, member, grantor, membership.admin)?,
                true => leave(context, &role, member, membership.admin)?,
            }
        }
    }
    Ok(complete(match membership.revoke {
        false => "GRANT ROLE",
        true => "REVOKE ROLE",
    }))
}

/// What CREATE ROLE says after IN ROLE, ROLE and ADMIN.
pub fn of_new_role(context: &StatementContext, new: &str, in_roles: &[String], members: &[RoleName], admins: &[RoleName]) -> Result<()> {
    let grantor = context.actor.role;
    for name in in_roles {
        let catalog = context.newest_catalog();
        let role = find(&catalog, name)?.clone();
        may_hand_on(context, &role)?;
        let new = Role::clone(find(&catalog, new)?);
        join(context, &role, Arc::new(new), grantor, false)?;
    }
    let admins = admins.iter().map(|name| (name, true));
    for (name, admin) in admins.chain(members.iter().map(|name| (name, false))) {
        let catalog = context.newest_catalog();
        context.lock_object(Lockable::Role(resolve(context, &catalog, name)?.oid))?;
        let catalog = context.newest_catalog();
        let role = find(&catalog, new)?.clone();
        // It may be more than its creator by now.
        may_hand_on(context, &role)?;
        let member = resolve(context, &catalog, name)?.clone();
        join(context, &role, member, grantor, admin)?;
    }
    Ok(())
}

fn may_hand_on(context: &StatementContext, role: &Role) -> Result<()> {
    let catalog = context.catalog_now();
    let actor = context.actor.role;
    if catalog.is_superuser(actor) {
        return Ok(());
    }
    let refused = |message: String| Err(SqlError::new(SqlState::InsufficientPrivilege, message));
    if role.superuser {
        return refused("must be superuser to alter superusers".to_string());
    }
    if catalog.is_trusted(role.oid) {
        return refused(format!("must be superuser to grant role \"{}\"", role.name)).map_err(|error| match role.oid {
            AUDITOR_OID => error.detail("Its members read the audit log."),
            _ => error.detail("It is a member of a superuser or of the auditors."),
        });
    }
    let createrole = catalog.role_by_oid(actor).is_some_and(|actor| actor.createrole);
    match createrole || catalog.is_admin(actor, role.oid) {
        true => Ok(()),
        false => refused(format!("must have admin option on role \"{}\"", role.name)),
    }
}

fn join(context: &StatementContext, role: &Role, member: Arc<Role>, grantor: u32, admin: bool) -> Result<()> {
    if role.oid == AUDITOR_OID && admin {
        return Err(SqlError::new(
            SqlState::InvalidGrantOperation,
            format!("role \"{}\" has no admin option", role.name),
        )
        .detail("Only superusers grant it."));
    }
    let catalog = context.newest_catalog();
    if catalog.is_member(role.oid, member.oid) {
        return Err(SqlError::new(
            SqlState::InvalidGrantOperation,
            format!("role \"{}\" is a member of role \"{}\"", role.name, member.name),
        ));
    }
    let there = member.member_of.contains(&role.oid) && (!admin || member.admin_of.contains(&role.oid));
    if there {
        context.notice(Notice::notice(format!(
            "role \"{}\" is already a member of role \"{}\"",
            member.name, role.name
        )));
        return Ok(());
    }
    let mut changed = Role::clone(&member);
    changed.join(role.oid, grantor, admin);
    context.change(vec![Change::PutRole(changed)])
}

fn leave(context: &StatementContext, role: &Role, member: Arc<Role>, admin_only: bool) -> Result<()> {
    if !member.member_of.contains(&role.oid) {
        context.notice(Notice::warning(
            SqlState::Warning,
            format!("role \"{}\" is not a member of role \"{}\"", member.name, role.name),
        ));
        return Ok(());
    }
    let mut changed = Role::clone(&member);
    changed.leave(role.oid, admin_only);
    context.change(vec![Change::PutRole(changed)])
}

/// The direct members of a role.
pub fn of(catalog: &Snapshot, role: u32) -> Vec<u32> {
    let members = catalog.roles().filter(|member| member.member_of.contains(&role));
    members.map(|member| member.oid).collect()
}

/// The changes that take a role that is dropped out of everybody's memberships.
pub fn without(catalog: &Snapshot, role: u32) -> Vec<Change> {
    catalog
        .roles()
        .filter(|member| member.member_of.contains(&role))
        .map(|member| {
            let mut changed = Role::clone(member);
            changed.leave(role, false);
            Change::PutRole(changed)
        })
        .collect()
}
