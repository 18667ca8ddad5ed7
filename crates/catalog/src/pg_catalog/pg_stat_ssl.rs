//! `pg_stat_ssl`: whose connections are encrypted, and how. What others use is for superusers.

use types::{Datum, Type};

use crate::row::*;
use crate::{Row, SessionInfo, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12249,
    schema: "pg_catalog",
    name: "pg_stat_ssl",
    columns: &[
        ("pid", Type::Int4),
        ("ssl", Type::Bool),
        ("version", Type::Text),
        ("cipher", Type::Text),
        ("bits", Type::Int4),
        ("client_dn", Type::Text),
        ("client_serial", Type::Numeric),
        ("issuer_dn", Type::Text),
    ],
    rows: |context| context.live.sessions().iter().map(|session| row(context, session)).collect(),
    finders: &[],
};

fn row(context: &SystemContext, session: &SessionInfo) -> Row {
    let visible = context.snapshot.owns(context.current_user, session.user);
    let (ssl, version, cipher, bits) = match (&session.encryption, visible) {
        (_, false) => (NULL, NULL, NULL, NULL),
        (None, true) => (Datum::Bool(false), NULL, NULL, NULL),
        (Some(tls), true) => (Datum::Bool(true), text(&tls.version), text(&tls.cipher), int4(tls.bits)),
    };
    // Clients are not asked for certificates.
    vec![int4(session.pid), ssl, version, cipher, bits, NULL, NULL, NULL]
}
