//! `pg_stat_activity`: the sessions, from the engine. What others run is for superusers.

use types::{Datum, Type};

use crate::builtin::DATABASE_OID;
use crate::row::*;
use crate::{Row, SessionInfo, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12222,
    schema: "pg_catalog",
    name: "pg_stat_activity",
    columns: &[
        ("datid", Type::Oid),
        ("datname", Type::Name),
        ("pid", Type::Int4),
        ("leader_pid", Type::Int4),
        ("usesysid", Type::Oid),
        ("usename", Type::Name),
        ("application_name", Type::Text),
        ("client_addr", Type::Text),
        ("client_hostname", Type::Text),
        ("client_port", Type::Int4),
        ("backend_start", Type::Timestamptz),
        ("xact_start", Type::Timestamptz),
        ("query_start", Type::Timestamptz),
        ("state_change", Type::Timestamptz),
        ("wait_event_type", Type::Text),
        ("wait_event", Type::Text),
        ("state", Type::Text),
        ("backend_xid", Type::Oid),
        ("backend_xmin", Type::Oid),
        ("query_id", Type::Int8),
        ("query", Type::Text),
        ("backend_type", Type::Text),
    ],
    rows: |context| context.live.sessions().iter().map(|session| row(context, session)).collect(),
    finders: &[],
};

fn row(context: &SystemContext, session: &SessionInfo) -> Row {
    let time = |time: Option<i64>| time.map_or(NULL, Datum::Timestamptz);
    let visible = context.snapshot.owns(context.current_user, session.user);
    let secret = |value: Datum| if visible { value } else { NULL };
    vec![
        oid(DATABASE_OID),
        text(context.database),
        int4(session.pid),
        NULL, // leader_pid
        oid(session.user),
        text(role_name(context.snapshot, session.user)),
        text(&session.application_name),
        secret(opt_text(session.client_addr.clone())),
        NULL, // client_hostname
        secret(session.client_port.map_or(NULL, int4)),
        secret(time(Some(session.backend_start))),
        secret(time(session.xact_start)),
        secret(time(session.query_start)),
        secret(time(session.state_change)),
        NULL, // wait_event_type
        NULL, // wait_event
        secret(text(session.state)),
        NULL, // backend_xid
        NULL, // backend_xmin
        NULL, // query_id
        if visible {
            text(&session.query)
        } else {
            text("<insufficient privilege>")
        },
        secret(text("client backend")),
    ]
}
