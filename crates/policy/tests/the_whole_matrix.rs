//! Every holding x every request -> verdict, written down, and the list's own completeness: a capability, a request, an administrative action or
//! a predefined policy that has no line here fails the test. `UPDATE_GOLDEN=1` writes the file anew; read the difference before it is committed.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use audit::MemorySink;
use policy::{
    Administer, Administration, Ask, CallFunction, CanonicalPath, Capability, Connect, Denied, DrawRandom, Endpoint, Gate, Host, Kind,
    ListFolder, MakeSyscall, Mode, ObjectName, Policy, ReadClock, ReadFile, ReadTable, ReadVariable, RequestKind, ResolveHost, RunDdl,
    Syscall, UseCrypto, UseHttp, WriteAction, WriteFile, WriteTable,
};
use support::{Function, gate_for};

/// They hold nothing, and record what they lack.
const RECORDED_FOR_A_SUPERUSER: &str = "MINIMAL in record mode, called by a superuser";
const RECORDED: &str = "MINIMAL in record mode, called by somebody else";

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/matrix.txt");

struct Case {
    kind: RequestKind,
    label: String,
    run: Run,
}

type Run = Box<dyn Fn(&Gate) -> Result<(), Denied>>;

fn case<T: Ask + Clone + 'static>(label: impl std::fmt::Display, ask: T) -> Case {
    let kind = ask.request().kind();
    Case {
        kind,
        label: format!("{} {label}", kind.name()),
        run: Box::new(move |gate| gate.check(ask.clone()).map(drop)),
    }
}

/// Of each kind of request those on both sides of each line that some capability draws.
fn cases(kind: RequestKind) -> Vec<Case> {
    // `!`: not found through the search path.
    let objects = [
        "public.users",
        "public.user_a",
        "!app.users",
        "pg_temp_3.t",
        "heliosdb.audit_log",
        "pg_catalog.pg_class",
        "!information_schema.tables",
    ];
    let object = |text: &str| {
        let (schema, name) = text.trim_start_matches('!').split_once('.').unwrap();
        ObjectName::new(schema, name, !text.starts_with('!'))
    };
    let paths = ["/srv/in/a.csv", "/srv/in/deep/a.csv", "/srv/in", "/srv/out/b", "/etc/passwd"];
    let path = |text: &str| CanonicalPath::new(text).unwrap();
    let endpoints = [
        "api.example.com:443",
        "api.example.com:8443",
        "example.com:443",
        "a.b.example.com:443",
        "10.0.0.1:80",
        "localhost:80",
    ];
    let endpoint = |text: &str| {
        let (host, port) = text.rsplit_once(':').unwrap();
        Endpoint {
            host: Host::parse(host).unwrap(),
            port: port.parse().unwrap(),
        }
    };
    match kind {
        RequestKind::ReadTable => objects.map(|text| case(text, ReadTable(object(text)))).into(),
        RequestKind::WriteTable => {
            let write = |text: &str, action| {
                case(
                    format!("{text} {action:?}"),
                    WriteTable {
                        table: object(text),
                        action,
                    },
                )
            };
            let mut cases: Vec<Case> = objects.iter().map(|text| write(text, WriteAction::Insert)).collect();
            cases.extend([WriteAction::Update, WriteAction::Delete, WriteAction::Truncate].map(|action| write("public.users", action)));
            cases
        }
        RequestKind::RunDdl => [Some("public"), Some("heliosdb"), Some("pg_catalog"), None]
            .map(|schema| {
                case(
                    schema.unwrap_or("-"),
                    RunDdl {
                        statement: "CREATE TABLE".into(),
                        schema: schema.map(Into::into),
                        name: "t".into(),
                    },
                )
            })
            .into(),
        RequestKind::ReadFile => paths.map(|text| case(text, ReadFile(path(text)))).into(),
        RequestKind::WriteFile => paths.map(|text| case(text, WriteFile(path(text)))).into(),
        RequestKind::ListFolder => ["/srv/in", "/srv/in/deep", "/srv", "/"]
            .map(|text| case(text, ListFolder(path(text))))
            .into(),
        RequestKind::ResolveHost => endpoints.map(|text| case(text, ResolveHost(endpoint(text)))).into(),
        RequestKind::Connect => [
            ("api.example.com:443", "93.184.216.34"),
            ("api.example.com:8443", "93.184.216.34"),
            ("api.example.com:443", "10.0.0.1"),
            ("api.example.com:443", "169.254.169.254"),
            ("other.org:443", "93.184.216.34"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("10.0.0.1:80", "10.0.0.2"),
            ("localhost:80", "127.0.0.1"),
            ("localhost:80", "10.0.0.1"),
        ]
        .map(|(at, address)| {
            case(
                format!("{at} at {address}"),
                Connect {
                    endpoint: endpoint(at),
                    address: address.parse().unwrap(),
                },
            )
        })
        .into(),
        RequestKind::UseHttp => vec![case("api.example.com:443", UseHttp(endpoint("api.example.com:443")))],
        RequestKind::ReadVariable => vec![case("API_KEY", ReadVariable("API_KEY".into()))],
        RequestKind::ReadClock => vec![case("", ReadClock)],
        RequestKind::DrawRandom => vec![case("", DrawRandom)],
        RequestKind::UseCrypto => vec![case("sha256", UseCrypto("sha256"))],
        RequestKind::CallFunction => ["public.helper", "public.util_a", "!app.helper", "heliosdb.alert"]
            .map(|text| case(text, CallFunction(object(text))))
            .into(),
        RequestKind::Administer => Administration::ALL
            .iter()
            .map(|&action| {
                case(
                    action.name(),
                    Administer {
                        action,
                        object: "x".into(),
                    },
                )
            })
            .collect(),
        RequestKind::MakeSyscall => {
            let names = [
                "clock_time_get",
                "random_get",
                "proc_exit",
                "environ_get",
                "environ_sizes_get",
                "path_open",
                "fd_write",
                "sock_send",
            ];
            names.map(|name| case(name, MakeSyscall(Syscall::parse(name).unwrap()))).into()
        }
    }
}

/// What one function may hold alone: of each kind of capability every sort of pattern.
fn capabilities(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::DatabaseRead => &[
            "DATABASE_READ('users')",
            "DATABASE_READ('user*')",
            "DATABASE_READ('app.users')",
            "DATABASE_READ('app.*')",
            "DATABASE_READ('*.users')",
            "DATABASE_READ('*')",
            "DATABASE_READ('heliosdb.audit_log')",
            "DATABASE_READ('pg_catalog.*')",
        ],
        Kind::DatabaseWrite => &[
            "DATABASE_WRITE('users')",
            "DATABASE_WRITE('user_*')",
            "DATABASE_WRITE('app.*')",
            "DATABASE_WRITE('*')",
            "DATABASE_WRITE('heliosdb.*')",
        ],
        Kind::DatabaseExecute => &["DATABASE_EXECUTE"],
        Kind::FileRead => &[
            "FILE_READ('/srv/in/a.csv')",
            "FILE_READ('/srv/in/*')",
            "FILE_READ('/srv/in/*.csv')",
            "FILE_READ('/srv/**')",
            "FILE_READ('/**')",
        ],
        Kind::FileWrite => &["FILE_WRITE('/srv/out/b')", "FILE_WRITE('/srv/*/*')", "FILE_WRITE('/srv/**')"],
        Kind::NetworkAccess => &[
            "NETWORK_ACCESS('api.example.com')",
            "NETWORK_ACCESS('api.example.com:443')",
            "NETWORK_ACCESS('*.example.com')",
            "NETWORK_ACCESS('*')",
            "NETWORK_ACCESS('*:443')",
            "NETWORK_ACCESS('10.0.0.1')",
            "NETWORK_ACCESS('localhost')",
        ],
        Kind::EnvAccess => &["ENV_ACCESS"],
        Kind::TimeAccess => &["TIME_ACCESS"],
        Kind::RandomAccess => &["RANDOM_ACCESS"],
        Kind::CryptoAccess => &["CRYPTO_ACCESS"],
        Kind::HttpClient => &["HTTP_CLIENT"],
        Kind::CallFunction => &[
            "CALL_FUNCTION('helper')",
            "CALL_FUNCTION('util_*')",
            "CALL_FUNCTION('*')",
            "CALL_FUNCTION('heliosdb.alert')",
        ],
    }
}

fn verdict(case: &Case, gate: &Gate) -> &'static str {
    match (case.run)(gate) {
        Ok(()) => "granted",
        Err(Denied::Lacking(_)) => "refused",
        Err(Denied::Forbidden { .. } | Denied::Syscall { .. }) => "forbidden",
        Err(
            denied @ (Denied::Caller(_)
            | Denied::Disabled { .. }
            | Denied::Gone { .. }
            | Denied::TooManyRows { .. }
            | Denied::Failed(_)
            | Denied::Unrecorded(_)),
        ) => {
            panic!("{}: {denied}", case.label)
        }
    }
}

#[test]
fn the_whole_matrix() {
    let mut holdings: Vec<(String, Arc<Function>)> = Policy::all_predefined()
        .map(|policy| (policy.name.clone(), Function::with(policy.clone())))
        .into();
    let recording = Function::holding("");
    recording.rights.lock().mode = Mode::Record;
    holdings.push((RECORDED_FOR_A_SUPERUSER.into(), Arc::clone(&recording)));
    holdings.push((RECORDED.into(), recording));
    let every = Kind::ALL.iter().flat_map(|kind| capabilities(*kind)).copied();
    holdings.extend(every.clone().map(|text| (text.to_string(), Function::holding(text))));
    holdings.push((
        "every capability above at once".into(),
        Function::holding(&every.collect::<Vec<_>>().join(", ")),
    ));

    let cases: Vec<Case> = RequestKind::ALL.iter().flat_map(|kind| cases(*kind)).collect();
    let mut text = String::new();
    let mut seen: BTreeMap<RequestKind, BTreeSet<&str>> = BTreeMap::new();
    let mut granted_by: BTreeMap<Kind, BTreeSet<RequestKind>> = BTreeMap::new();
    for (holding, function) in &holdings {
        let sink = Arc::new(MemorySink::new());
        let gate = gate_for(holding != RECORDED, "f", function, &sink, None);
        writeln!(text, "{holding}").unwrap();
        let mut by_verdict: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for case in &cases {
            let verdict = match verdict(case, &gate) {
                "granted" if sink.events().last().is_some_and(|event| event.details.is_some()) => "recorded",
                verdict => verdict,
            };
            by_verdict.entry(verdict).or_default().push(case.label.trim());
            if verdict == "recorded" {
                assert!(holding.contains("record mode"), "{holding}");
                continue;
            }
            seen.entry(case.kind).or_default().insert(verdict);
            if let (Ok(capability), "granted") = (Capability::parse(holding), verdict) {
                granted_by.entry(capability.kind()).or_default().insert(case.kind);
            }
        }
        // Each cell of the matrix is one row of the log, with the same verdict.
        let events = sink.events();
        assert_eq!(events.len(), cases.len(), "{holding}");
        let allowed = events.iter().filter(|event| event.allowed == Some(true)).count();
        let passed = ["granted", "recorded"].map(|verdict| by_verdict.get(verdict).map_or(0, Vec::len));
        assert_eq!(allowed, passed.iter().sum::<usize>(), "{holding}");
        for verdict in ["granted", "recorded", "refused", "forbidden"] {
            for label in by_verdict.get(verdict).into_iter().flatten() {
                writeln!(text, "  {verdict:<9} {label}").unwrap();
            }
        }
    }

    // The matrix covers itself: each request with each verdict that it can have, each capability with all that it is for.
    for kind in RequestKind::ALL {
        let expected: &[&str] = match kind {
            RequestKind::Administer => &["forbidden"],
            RequestKind::MakeSyscall => &["forbidden", "granted"],
            RequestKind::WriteTable | RequestKind::RunDdl => &["forbidden", "granted", "refused"],
            RequestKind::ReadTable
            | RequestKind::ReadFile
            | RequestKind::WriteFile
            | RequestKind::ListFolder
            | RequestKind::ResolveHost
            | RequestKind::Connect
            | RequestKind::UseHttp
            | RequestKind::ReadVariable
            | RequestKind::ReadClock
            | RequestKind::DrawRandom
            | RequestKind::UseCrypto
            | RequestKind::CallFunction => &["granted", "refused"],
        };
        assert_eq!(seen[kind].iter().copied().collect::<Vec<_>>(), expected, "{}", kind.name());
    }
    for kind in Kind::ALL {
        let expected: &[RequestKind] = match kind {
            Kind::DatabaseRead => &[RequestKind::ReadTable],
            Kind::DatabaseWrite => &[RequestKind::WriteTable],
            Kind::DatabaseExecute => &[RequestKind::RunDdl],
            Kind::FileRead => &[RequestKind::ReadFile, RequestKind::ListFolder],
            Kind::FileWrite => &[RequestKind::WriteFile],
            Kind::NetworkAccess => &[RequestKind::ResolveHost, RequestKind::Connect],
            Kind::EnvAccess => &[RequestKind::ReadVariable],
            Kind::TimeAccess => &[RequestKind::ReadClock],
            Kind::RandomAccess => &[RequestKind::DrawRandom],
            Kind::CryptoAccess => &[RequestKind::UseCrypto],
            Kind::HttpClient => &[RequestKind::UseHttp],
            Kind::CallFunction => &[RequestKind::CallFunction],
        };
        let mut granted = granted_by[kind].clone();
        // The default five need no capability, so every holding grants them.
        granted.remove(&RequestKind::MakeSyscall);
        assert_eq!(granted.into_iter().collect::<Vec<_>>(), expected, "{kind}");
        assert!(
            capabilities(*kind)
                .iter()
                .all(|text| Capability::parse(text).unwrap().kind() == *kind),
            "{kind}"
        );
    }

    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    for (line, (found, expected)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {GOLDEN}", line + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count());
}
