//! Who a session acts as.
//!
//! The life of an identity: a role logs in; SET SESSION AUTHORIZATION, which only a superuser may, puts another in its place; SET
//! ROLE lets that one act as a role that it is a member of. What each statement runs as is worked out when it begins
//! ([`Identity::actor`]). A SECURITY DEFINER function acts as its owner, whatever the session is.

use std::sync::Arc;

use catalog::Role;

use crate::context::Actor;

/// A role's OID and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub oid: u32,
    pub name: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who logged in.
    pub authenticated: Named,
    /// Who that is taken for: `session_user`.
    pub session: Named,
    /// As whom it acts, if that is somebody else: SET ROLE.
    pub role: Option<Named>,
}

impl Named {
    pub fn of(role: &Role) -> Named {
        Named {
            oid: role.oid,
            name: Arc::from(role.name.as_str()),
        }
    }
}

impl Identity {
    pub fn login(role: &Role) -> Identity {
        Identity::session(Named::of(role), Named::of(role))
    }

    /// `session` in the place of who logged in: what SET ROLE had said is over.
    pub fn session(authenticated: Named, session: Named) -> Identity {
        Identity {
            authenticated,
            session,
            role: None,
        }
    }

    pub fn actor(&self) -> Actor {
        let current = self.role.as_ref().unwrap_or(&self.session);
        Actor {
            role: current.oid,
            name: current.name.clone(),
            session_user: self.session.name.clone(),
            login: self.authenticated.name.clone(),
        }
    }

    /// What SHOW role says.
    pub fn role_name(&self) -> &str {
        self.role.as_ref().map_or("none", |role| &role.name)
    }
}

/// Nobody: no role has this OID, so nothing is allowed.
impl Default for Identity {
    fn default() -> Identity {
        let nobody = Named {
            oid: 0,
            name: Arc::from(""),
        };
        Identity::session(nobody.clone(), nobody)
    }
}
