//! What a Python function can ask of the host, and how a refusal looks from both sides.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::*;
use policy::Capability;
use sandbox::Error;
use types::{Datum, Severity, SqlState, Type};

fn text(body: &str) -> String {
    text_in(&Arc::default(), body)
}

#[track_caller]
fn text_in(world: &Arc<World>, body: &str) -> String {
    match call_python_in(world, python_limits(), body, &[], Type::Text) {
        Ok(Datum::Text(text)) => text,
        other => panic!("{body}: {other:?}"),
    }
}

/// What `f` does when `work` raises: the class, and the capability that was missing.
fn refused(imports: &str, work: &str) -> String {
    format!(
        "{imports}\ndef f():\n    try:\n        return 'done ' + str({work})\n    except Exception as e:\n        return type(e).__name__ + ' ' + str(getattr(e, 'capability', None))"
    )
}

#[test]
fn a_query_returns_rows_columns_and_their_count() {
    for body in [
        "import json\ndef f():\n    r = heliosdb.query('users')\n    return json.dumps([r['rows'], r['columns'], r['rowCount']])",
        "import json, heliosdb\ndef f():\n    r = heliosdb.query(sql='users', params=None)\n    return json.dumps([r.rows, r.columns, r.rowCount])",
        "import json\nfrom heliosdb import query\ndef f(): return json.dumps(list(query('users', ()).values()))",
    ] {
        assert_eq!(
            text(body),
            r#"[[{"id": 1, "name": "user 1"}, {"id": 2, "name": "user 2"}, {"id": 3, "name": "user 3"}], ["id", "name"], 3]"#
        );
    }
}

#[test]
fn execute_returns_rows_affected_and_what_returning_returned() {
    assert_eq!(text("def f(): return heliosdb.execute('insert')"), r#"{"rowsAffected":2}"#);
    assert_eq!(
        text("def f(): return heliosdb.execute('returning', [1])"),
        r#"{"rowsAffected":1,"rows":[{"id":7}],"columns":["id"],"rowCount":1}"#
    );
}

#[test]
fn parameters_arrive_as_what_they_are() {
    let world: Arc<World> = Arc::default();
    let body = "import datetime, decimal\ndef f():\n    heliosdb.execute('insert', [None, True, 1, 3000000000, 1.5, 2.0, 2 ** 63, 'text', b'ab', decimal.Decimal('1.50'), {'a': 1}, \
                datetime.datetime(1970, 1, 1, 0, 0, 5, tzinfo=datetime.UTC), datetime.datetime(1970, 1, 1), datetime.date(1970, 1, 2), datetime.timedelta(1), [1, 2], ('a', None), [1, 2.5]])\n    return 'ok'";
    text_in(&world, body);
    let statements = world.statements.lock().unwrap();
    let params = &statements[0].1;
    let printed: Vec<String> = params.iter().map(|param| format!("{param:?}")).collect();
    assert_eq!(
        printed[..6],
        ["Null", "Bool(true)", "Int4(1)", "Int8(3000000000)", "Float8(1.5)", "Float8(2.0)"]
    );
    assert!(matches!(&params[6], Datum::Numeric(_)) && matches!(&params[9], Datum::Numeric(_)));
    assert_eq!(
        [
            &printed[7],
            &printed[8],
            &printed[10],
            &printed[11],
            &printed[12],
            &printed[13],
            &printed[14]
        ],
        [
            "Text(\"text\")",
            "Bytea([97, 98])",
            "Json(\"{\\\"a\\\":1}\")",
            "Timestamptz(5000000)",
            "Timestamp(0)",
            "Date(1)",
            "Text(\"1 days 00:00:00.000000\")"
        ]
    );
    for (param, element) in params[15..].iter().zip([Type::Int8, Type::Text, Type::Float8]) {
        assert!(matches!(param, Datum::Array(array) if array.element == element), "{param:?}");
    }
}

#[test]
fn a_denial_is_catchable_and_names_the_capability() {
    let body = "def f():\n    try:\n        heliosdb.query('secret')\n    except heliosdb.CapabilityError as e:\n        return '|'.join(map(str, [isinstance(e, DatabaseError), \
                isinstance(e, Exception), CapabilityError is heliosdb.CapabilityError, e.capability, e.sqlstate, e, e.hint]))";
    assert_eq!(
        text(body),
        "True|True|True|DATABASE_READ('secret')|42501|function f lacks capability DATABASE_READ('secret')|\
         ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('secret');"
    );
}

#[test]
fn an_uncaught_denial_reaches_the_client_whole() {
    for body in [
        "def f():\n heliosdb.query('secret')",
        "def f():\n try: heliosdb.query('secret')\n except Exception: raise",
        "def f():\n try: heliosdb.query('secret')\n except Exception as e: raise e",
        "def f():\n try: heliosdb.query('secret')\n finally: 1",
    ] {
        let error = call_python(body, &[], Type::Text).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{body} {error:?}");
        let error = sql_error(error);
        assert_eq!(error.state(), SqlState::InsufficientPrivilege);
        assert_eq!(
            error.fields().detail.as_deref(),
            Some("The function was created with policy MINIMAL.")
        );
        assert_eq!(
            error.fields().hint.as_deref(),
            Some("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('secret');")
        );
        assert!(
            error.fields().context.as_deref().unwrap().starts_with("Python function f(), line "),
            "{error:?}"
        );
    }
}

#[test]
fn a_denial_that_the_guest_changed_is_its_own_exception() {
    for body in [
        "def f():\n    try: heliosdb.query('secret')\n    except Exception as e: raise ValueError('wrapped: ' + str(e)) from e",
        "def f():\n    try: heliosdb.query('secret')\n    except Exception as e:\n        e.args = ('changed',)\n        raise",
        "def f():\n    e = CapabilityError('forged')\n    e.sqlstate = '00000'\n    raise e",
    ] {
        let error = call_python(body, &[], Type::Text).unwrap_err();
        assert!(matches!(error, Error::Guest { .. }), "{body}: {error:?}");
        assert_eq!(sql_error(error).state(), SqlState::ExternalRoutineException);
    }
}

#[test]
fn an_error_of_sql_keeps_its_sqlstate() {
    let body = "def f():\n    try: heliosdb.execute('other')\n    except DatabaseError as e: return '|'.join(map(str, [type(e).__name__, e.sqlstate, e.detail, e.hint]))";
    assert_eq!(text(body), "DatabaseError|23505|Key (id)=(1) already exists.|None");
    let error = sql_error(call_python("def f(): heliosdb.execute('other')", &[], Type::Text).unwrap_err());
    assert_eq!(error.state(), SqlState::UniqueViolation);
    let error = sql_error(call_python("def f(): heliosdb.query('nothing')", &[], Type::Text).unwrap_err());
    assert_eq!(error.state(), SqlState::UndefinedTable);
}

#[test]
fn the_clock_shows_the_transaction_without_time_access() {
    let body = "import time, datetime\ndef f(): return '|'.join(map(str, [time.time(), time.time_ns(), time.monotonic(), datetime.datetime.now(), datetime.datetime.now(datetime.UTC), \
                datetime.datetime.utcnow(), datetime.date.today(), time.strftime('%H:%M:%S'), time.localtime().tm_hour, time.gmtime().tm_hour, time.ctime(), time.mktime(time.localtime())]))";
    assert_eq!(
        text(body),
        "1700000000.123456|1700000000123456000|1700000000.123456|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123456+00:00|\
         2023-11-14 22:13:20.123456|2023-11-14|22:13:20|22|22|Tue Nov 14 22:13:20 2023|1700000000.0"
    );
    let world = World::holding(Capability::TimeAccess);
    let shown: f64 = text_in(&world, "import time\ndef f(): return str(time.time())").parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((shown - now).abs() < 60.0, "{shown} {now}");
}

#[test]
fn the_clock_is_on_record_once_and_its_lack_is_not() {
    let body = "import time\ndef f():\n    for i in range(1000): time.time()\n    return 'done'";
    let world: Arc<World> = Arc::default();
    text_in(&world, body);
    assert_eq!(world.checks(), []);
    let world = World::holding(Capability::TimeAccess);
    text_in(&world, body);
    assert_eq!(world.checks(), [("TIME_ACCESS".to_string(), true)]);
}

#[test]
fn a_function_does_not_wait() {
    let error = sql_error(call_python("import time\ndef f(): time.sleep(3600)", &[], Type::Int4).unwrap_err());
    assert_eq!(
        error.message(),
        "RuntimeError: time.sleep is not available: a function may not wait"
    );
}

#[test]
fn a_revoke_acts_on_the_next_host_call() {
    on_session_thread(|| {
        let world = World::holding(Capability::TimeAccess);
        let source = python_source("import time\ndef f(): return time.time_ns() // 1000", &[], Type::Int8);
        let prepared = runtime().prepare(&source).unwrap();
        let mut instance = runtime().instantiate(&prepared, context(&world, python_limits())).unwrap();
        let mut shown = || instance.call(&[vec![]]).unwrap()[0].as_i64().unwrap();
        assert!(shown() > TIMESTAMP + 1);
        world.capabilities.lock().unwrap().clear();
        assert_eq!(shown(), TIMESTAMP);
    });
}

#[test]
fn a_disabled_function_stops_at_the_next_host_call_whatever_it_catches() {
    for work in ["time.time()", "random.random()", "os.urandom(1)"] {
        let world: Arc<World> = Arc::default();
        world.disabled.store(true, Ordering::SeqCst);
        let body = refused("import time, random, os", work);
        let error = sql_error(call_python_in(&world, python_limits(), &body, &[], Type::Text).unwrap_err());
        assert_eq!(
            (error.state(), error.message()),
            (SqlState::ObjectNotInPrerequisiteState, "function f is disabled")
        );
    }
}

const RANDOMNESS: &[&str] = &[
    "random.random()",
    "random.getrandbits(64)",
    "random.randint(1, 10 ** 12)",
    "random.choice(range(10 ** 9))",
    "random.sample(range(10 ** 9), 2)",
    "random.gauss(0, 1)",
    "random.randbytes(8)",
    "random.Random().random()",
    "random.SystemRandom().random()",
    "random.shuffle(list(range(100))) or random.random()",
    "random.seed() or random.random()",
    "uuid.uuid4()",
    "uuid.uuid1()",
    "uuid.uuid7()",
    "secrets.token_hex(8)",
    "secrets.randbelow(10 ** 12)",
    "os.urandom(8)",
];

#[test]
fn randomness_is_refused_without_random_access_and_fresh_with_it() {
    for work in RANDOMNESS {
        let body = refused("import random, uuid, secrets, os", work);
        assert_eq!(text(&body), "CapabilityError RANDOM_ACCESS", "{work}");
        let world = World::holding(Capability::RandomAccess);
        let (first, second) = (text_in(&world, &body), text_in(&world, &body));
        assert!(first.starts_with("done ") && first != second, "{work}: {first} {second}");
        let check = ("RANDOM_ACCESS".to_string(), true);
        assert_eq!(world.checks(), [check.clone(), check], "{work}: one check for each sandbox");
    }
    let error = sql_error(call_python("import random\ndef f(): return random.random()", &[], Type::Float8).unwrap_err());
    assert_eq!(error.state(), SqlState::InsufficientPrivilege);
    assert_eq!(
        error.fields().hint.as_deref(),
        Some("ALTER FUNCTION f GRANT CAPABILITY RANDOM_ACCESS;")
    );
}

#[test]
fn a_seed_that_the_program_names_needs_nobody() {
    // What CPython answers.
    let body =
        "import random\ndef f():\n    random.seed(42)\n    return f'{random.random()} {random.randint(1, 6)} {random.Random(7).random()}'";
    assert_eq!(text(body), "0.6394267984578837 1 0.32383276483316237");
    assert_eq!(
        text("def f(): return str(list({'b', 'a', 'c', 'd'}))"),
        text("def f(): return str(list({'b', 'a', 'c', 'd'}))")
    );
}

#[test]
fn random_numbers_are_spread() {
    let world = World::holding(Capability::RandomAccess);
    let body = "import random, secrets\ndef f():\n    r = [random.random() for i in range(1000)]\n    assert all(0 <= x < 1 for x in r) and len(set(r)) == 1000\n    \
                b = secrets.token_bytes(100000)\n    assert len(set(b)) == 256 and len(b) == 100000\n    return 'fine'";
    assert_eq!(text_in(&world, body), "fine");
}

#[test]
fn what_is_printed_is_a_message() {
    let world: Arc<World> = Arc::default();
    text_in(
        &world,
        "import sys, io, warnings\ndef f():\n    print('a', 1, {'b': [2]})\n    print('x', 'y', sep='-', end='!')\n    print()\n    print('two\\nlines')\n    print('err', file=sys.stderr)\n    \
         sys.stdout.write('w\\n')\n    out = io.StringIO()\n    print('kept', file=out)\n    heliosdb.log.info('i', out.getvalue().strip())\n    heliosdb.log.debug('d')\n    heliosdb.log.warn('w')\n    \
         heliosdb.log.error('e')\n    return ''",
    );
    let messages = world.messages.lock().unwrap();
    let expected = [
        (Severity::Notice, "a 1 {'b': [2]}"),
        (Severity::Notice, "x-y!"),
        (Severity::Notice, ""),
        (Severity::Notice, "two\nlines"),
        (Severity::Warning, "err"),
        (Severity::Notice, "w"),
        (Severity::Info, "i kept"),
        (Severity::Debug, "d"),
        (Severity::Warning, "w"),
        (Severity::Warning, "e"),
    ];
    let said: Vec<(Severity, &str)> = messages.iter().map(|(severity, message)| (*severity, message.as_str())).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_flood_of_messages_is_cut() {
    let world: Arc<World> = Arc::default();
    text_in(&world, "def f():\n    for i in range(10000): print('flood')\n    return ''");
    let messages = world.messages.lock().unwrap();
    assert_eq!(messages.len(), 1001);
    assert_eq!(messages[1000].1, "further messages of this function are not shown");
    drop(messages);
    let world: Arc<World> = Arc::default();
    text_in(&world, "def f():\n    for i in range(100): print('x' * 2000000)\n    return ''");
    let bytes: usize = world.messages.lock().unwrap().iter().map(|(_, message)| message.len()).sum();
    assert!(bytes <= (1 << 20) + 100, "{bytes}");
}

#[test]
fn the_host_object_cannot_be_changed() {
    let body = "def f():\n    failed = []\n    def attempt(work):\n        try:\n            work()\n        except (AttributeError, TypeError):\n            failed.append(True)\n        else:\n            failed.append(False)\n    \
                attempt(lambda: setattr(heliosdb, 'query', None))\n    attempt(lambda: delattr(heliosdb, 'query'))\n    attempt(lambda: setattr(heliosdb, 'extra', 1))\n    \
                attempt(lambda: setattr(heliosdb.log, 'info', None))\n    attempt(lambda: heliosdb.__dict__.clear())\n    attempt(lambda: object.__setattr__(heliosdb, 'query', None))\n    \
                return ''.join(map(str, failed))";
    assert_eq!(text(body), "TrueTrueTrueTrueTrueTrue");
}

#[test]
fn a_changed_library_does_not_reach_the_codec_or_the_checks() {
    let body = "import builtins, json, datetime, decimal, uuid, sys, random, os\n\
        class Liar(datetime.datetime):\n    def utcoffset(self): raise ValueError('mine')\n\
        json.dumps = json.loads = None\ndecimal.Decimal = datetime.datetime = datetime.date = uuid.UUID = None\n\
        builtins.str = builtins.dict = builtins.list = builtins.len = None\nbuiltins.CapabilityError = builtins.DatabaseError = None\n\
        sys.modules['heliosdb'] = None\ntype(heliosdb).query = 'mine'\nos.urandom = random._urandom = lambda n: b'x' * n\n\
        def f(n):\n    r = heliosdb.execute('returning', [n])\n    try:\n        heliosdb.storage\n        heliosdb.execute('other')\n    except Exception as e:\n        return {'rows': r['rows'], 'n': n, 'error': e.sqlstate}";
    let argument = (Type::Int8, Datum::Int8(5));
    let result = call_python(body, &[argument], Type::Jsonb).unwrap();
    let Datum::Json(json) = result else { panic!("{result:?}") };
    assert!(
        json.contains("\"id\": 7") && json.contains("23505") && json.contains("\"n\": 5"),
        "{json}"
    );
}

#[test]
fn files_processes_and_the_environment_are_out_of_reach() {
    for (work, class) in [
        ("open('/etc/passwd').read()", "PermissionError"),
        ("open('/tmp/x', 'w')", "PermissionError"),
        ("open(0)", "PermissionError"),
        ("io.open('/etc/passwd')", "PermissionError"),
        ("io.FileIO('/etc/passwd')", "TypeError"),
        ("__import__('_io').open('/etc/passwd')", "PermissionError"),
        ("os.listdir('/')", "PermissionError"),
        ("os.remove('/etc/passwd')", "PermissionError"),
        ("os.stat('/etc/passwd')", "PermissionError"),
        ("os.path.exists('/etc/passwd')", "PermissionError"),
        ("os.mkdir('/tmp/x')", "PermissionError"),
        ("os.rename('/a', '/b')", "PermissionError"),
        ("os.environ", "AttributeError"),
        ("os.getenv('PATH')", "AttributeError"),
        ("os.system('true')", "AttributeError"),
        ("os.fork()", "AttributeError"),
        ("__import__('posix').system('true')", "ModuleNotFoundError"),
        ("__import__('socket').socket()", "ModuleNotFoundError"),
        ("__import__('_socket').socket()", "ModuleNotFoundError"),
        ("__import__('subprocess').run('true')", "ModuleNotFoundError"),
        ("__import__('_host').query('users')", "ModuleNotFoundError"),
        ("input()", "AttributeError"),
    ] {
        assert_eq!(text(&refused("import os, io", work)), format!("{class} None"), "{work}");
    }
    let error = sql_error(call_python("def f(): open('/etc/passwd')", &[], Type::Int4).unwrap_err());
    assert_eq!(
        error.message(),
        "PermissionError: [Errno 2] Permission denied (heliosdb.fs reaches the files that a function was granted): '/etc/passwd'"
    );
}

#[test]
fn bad_requests_are_exceptions() {
    for work in [
        "heliosdb.query()",
        "heliosdb.query(1)",
        "heliosdb.query('users', 'x')",
        "heliosdb.query('echo', [object()])",
        "heliosdb.query('echo', [f])",
    ] {
        assert_eq!(text(&refused("", work)), "TypeError None", "{work}");
    }
}

#[test]
fn every_host_function_is_there_by_its_name() {
    let body = "def f(): return ' '.join(sorted(name + ('' if callable(getattr(heliosdb, name)) else '.' + ','.join(n for n in dir(getattr(heliosdb, name)) if n[0] != '_')) for name in dir(heliosdb) if name[0] != '_'))";
    assert_eq!(
        text(body),
        "CapabilityError DatabaseError call crypto.hmac,randomBytes,sha256,sha512,timingSafeEqual,uuid env.get execute fs.appendText,list,readBytes,readText,remove,writeText \
         http.fetch,get,post log.debug,error,info,warn query storage.delete,get,increment,keys,set"
    );
}
