//! `pg_aggregate`: users' aggregates. Those built in are not made of other functions.

use types::Type;

use crate::row::*;
use crate::{Aggregate, Function, Row, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 2600,
    schema: "pg_catalog",
    name: "pg_aggregate",
    columns: &[
        ("aggfnoid", Type::Regproc),
        ("aggkind", Type::Char),
        ("aggnumdirectargs", Type::Int2),
        ("aggtransfn", Type::Regproc),
        ("aggfinalfn", Type::Regproc),
        ("aggcombinefn", Type::Regproc),
        ("aggserialfn", Type::Regproc),
        ("aggdeserialfn", Type::Regproc),
        ("aggmtransfn", Type::Regproc),
        ("aggminvtransfn", Type::Regproc),
        ("aggmfinalfn", Type::Regproc),
        ("aggfinalextra", Type::Bool),
        ("aggmfinalextra", Type::Bool),
        ("aggfinalmodify", Type::Char),
        ("aggmfinalmodify", Type::Char),
        ("aggsortop", Type::Oid),
        ("aggtranstype", Type::Oid),
        ("aggtransspace", Type::Int4),
        ("aggmtranstype", Type::Oid),
        ("aggmtransspace", Type::Int4),
        ("agginitval", Type::Text),
        ("aggminitval", Type::Text),
    ],
    rows: |context| {
        let of = |function: &std::sync::Arc<Function>| function.aggregate.as_ref().map(|aggregate| row(function, aggregate));
        context.snapshot.functions().filter_map(of).collect()
    },
    finders: &[],
};

fn row(function: &Function, aggregate: &Aggregate) -> Row {
    vec![
        oid(function.oid),
        letter('n'),
        int2(0),
        oid(aggregate.transition),
        oid(aggregate.finalizer.unwrap_or(0)),
        oid(0), // aggcombinefn
        oid(0), // aggserialfn
        oid(0), // aggdeserialfn
        oid(0), // aggmtransfn
        oid(0), // aggminvtransfn
        oid(0), // aggmfinalfn
        boolean(false),
        boolean(false),
        letter('r'),
        letter('r'),
        oid(0), // aggsortop
        oid(aggregate.state.oid()),
        int4(0),
        oid(0), // aggmtranstype
        int4(0),
        opt_text(aggregate.initial.as_deref()),
        NULL,
    ]
}
