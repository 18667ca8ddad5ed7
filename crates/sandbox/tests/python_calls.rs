//! A Python function is called: rows in, results out, exceptions with message and place, nothing kept.

mod common;

use std::sync::Arc;

use common::*;
use sandbox::Error;
use types::{Datum, SqlState, Type};

fn int(value: i32) -> (Type, Datum) {
    (Type::Int4, Datum::Int4(value))
}

#[test]
fn a_function_is_found_however_it_is_written() {
    for body in [
        "def f(x):\n    return x + 1",
        "f = lambda x: x + 1",
        "def helper(x):\n    return x + 1\ndef f(x):\n    return helper(x)",
        "class f:\n    def __new__(cls, x):\n        return x + 1",
        "import functools\nf = functools.partial(lambda y, x: x + y, 1)",
        "\n\ndef f(x: int) -> int: return x + 1\n\n",
        // The margin that a body has in the statement around it.
        "  def f(x): return x + 1  ",
        "\n    def f(x):\n        return x + 1\n    ",
        "\n\tdef f(x):\n\n\t\treturn x + 1\n",
        " y = 1\ndef f(x):\n    return x + y\n",
        // SQL folds names to lower case.
        "def F(x): return x + 1",
    ] {
        let result = call_python(body, &[int(41)], Type::Int4).unwrap();
        assert!(matches!(result, Datum::Int4(42)), "{body}: {result:?}");
    }
}

#[test]
fn rows_of_a_batch_share_a_sandbox_and_statements_do_not() {
    on_session_thread(|| {
        let body = "n = 0\ndef f(x):\n    global n\n    n += x\n    return n";
        let prepared = runtime().prepare(&python_source(body, &[Type::Int4], Type::Int4)).unwrap();
        for _ in 0..3 {
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), python_limits())).unwrap();
            let rows: Vec<Vec<Datum>> = (1..=3000).map(|n| vec![Datum::Int4(n)]).collect();
            let results = instance.call(&rows).unwrap();
            assert_eq!(results.len(), 3000);
            assert!(matches!(results[0], Datum::Int4(1)));
            assert!(matches!(results[2999], Datum::Int4(4_501_500)));
        }
    });
}

#[test]
fn what_a_function_does_to_the_library_is_gone_with_its_statement() {
    on_session_thread(|| {
        let body = "import json, builtins, sys, collections\n\
                    def f():\n    kept = [hasattr(builtins, 'mark'), hasattr(json, 'mark'), 'mark' in sys.modules, json.dumps(1) != '1', hasattr(collections.OrderedDict, 'mark')]\n    \
                    builtins.mark = json.mark = 1\n    sys.modules['mark'] = json\n    json.dumps = lambda x: 'stolen'\n    \
                    json.JSONEncoder.default = None\n    return str(any(kept))";
        let prepared = runtime().prepare(&python_source(body, &[], Type::Text)).unwrap();
        for _ in 0..3 {
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), python_limits())).unwrap();
            let results = instance.call(&[vec![]]).unwrap();
            assert_eq!(results[0].as_str(), Some("False"));
        }
    });
}

#[test]
fn a_syntax_error_has_line_and_column() {
    for (body, at, message) in [
        ("def f(x):\n    return x +* 1\n", (2, 15), "invalid syntax"),
        ("def f(x)\n    return x\n", (1, 9), "expected ':'"),
        (
            "def f(x):\nreturn x\n",
            (2, 1),
            "expected an indented block after function definition on line 1",
        ),
        ("x = 1\n  def f(x): pass", (2, 1), "unexpected indentation"),
        ("    def f(x)\n        return x\n", (1, 13), "expected ':'"),
        ("  x = 1\ndef f(x)\n    return x\n", (2, 9), "expected ':'"),
        ("def f(x):\n    return (x\n", (2, 12), "'(' was never closed"),
        (
            "def f(x):\n    return 'x\n",
            (2, 12),
            "unterminated string literal (detected at line 2)",
        ),
        ("return 1", (1, 1), "'return' outside function"),
        ("def f(x, x): pass", (1, 10), "duplicate argument 'x' in function definition"),
    ] {
        let error = prepare_python(body, &[Type::Int4], Type::Int4).err().unwrap();
        let Error::Syntax {
            line,
            column,
            message: said,
            ..
        } = &error
        else {
            panic!("{body}: {error:?}")
        };
        assert_eq!(((*line, *column), said.as_str()), (at, message), "{body}");
        assert_eq!(sql_error(error).state(), SqlState::SyntaxError);
    }
    let error = sql_error(
        prepare_python("def f(x):\n    return x +* 1\n", &[Type::Int4], Type::Int4)
            .err()
            .unwrap(),
    );
    assert_eq!(error.fields().context.as_deref(), Some("Python function body, line 2, column 15"));
}

#[test]
fn a_body_without_the_function_is_refused() {
    for (body, message, hint) in [
        (
            "",
            "the body does not define a function named \"f\"",
            Some("Write it as: def f(...): ..."),
        ),
        (
            "import json\nx = 1",
            "the body does not define a function named \"f\"",
            Some("Write it as: def f(...): ..."),
        ),
        (
            "def g(): pass\ndef h(): pass",
            "the body does not define a function named \"f\"",
            Some("The body defines: g, h."),
        ),
        ("f = 1", "\"f\" in the body is not a function", None),
        (
            "async def f(): pass",
            "\"f\" is asynchronous, and asynchronous functions are not supported",
            Some("Host calls return their results directly; no await is needed."),
        ),
        (
            "async def f(): yield 1",
            "\"f\" is asynchronous, and asynchronous functions are not supported",
            Some("Host calls return their results directly; no await is needed."),
        ),
        (
            "def f(): yield 1",
            "\"f\" is a generator, but the function is not declared to return a set",
            Some("Declare it RETURNS SETOF or RETURNS TABLE."),
        ),
    ] {
        let error = sql_error(prepare_python(body, &[], Type::Int4).err().unwrap());
        assert_eq!(
            (error.state(), error.message()),
            (SqlState::InvalidFunctionDefinition, message),
            "{body}"
        );
        assert_eq!(error.fields().hint.as_deref(), hint, "{body}");
    }
    // What the body says twice in other letters is nobody's guess.
    let mut twice = python_source("def Ab(): pass\ndef aB(): pass", &[], Type::Int4);
    twice.name = "ab".into();
    let error = sql_error(on_session_thread(|| runtime().prepare(&twice)).err().unwrap());
    assert_eq!(
        error.message(),
        "the body defines more than one function whose name is \"ab\" but for upper and lower case"
    );
}

#[test]
fn a_body_that_raises_while_it_loads_is_refused() {
    let error = sql_error(prepare_python("def f(): pass\nundefined_name.x", &[], Type::Int4).err().unwrap());
    assert_eq!(error.state(), SqlState::ExternalRoutineException);
    assert_eq!(error.message(), "NameError: name 'undefined_name' is not defined");
    assert!(
        error
            .fields()
            .context
            .as_deref()
            .unwrap()
            .starts_with("Python function f(), line 2")
    );
    for body in [
        "heliosdb.query('users')\ndef f(): pass",
        "import random\nx = random.random()\ndef f(): pass",
    ] {
        let error = sql_error(prepare_python(body, &[], Type::Int4).err().unwrap());
        assert!(
            error
                .message()
                .contains("host functions are not available while a function is being created"),
            "{error:?}"
        );
    }
}

#[test]
fn an_exception_reaches_the_client_with_message_line_and_traceback() {
    let body = "def inner(x):\n    raise ValueError(f'boom {x}')\n\ndef f(x):\n    return inner(x)\n";
    let error = sql_error(call_python(body, &[int(3)], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::ExternalRoutineException, "ValueError: boom 3")
    );
    assert_eq!(
        error.fields().context.as_deref(),
        Some(
            "Python function f(integer), line 2\nTraceback (most recent call last):\n  line 5, in f\n    return inner(x)\n  \
             line 2, in inner\n    raise ValueError(f'boom {x}')"
        )
    );
}

#[test]
fn an_exception_that_came_of_another_names_both() {
    let body = "def f():\n    try:\n        return 1 // 0\n    except ZeroDivisionError as error:\n        raise KeyError('x') from error";
    let error = sql_error(call_python(body, &[], Type::Int4).unwrap_err());
    assert_eq!(error.message(), "KeyError: 'x'");
    let context = error.fields().context.clone().unwrap();
    assert!(context.starts_with("Python function f(), line 5\n"), "{context}");
    assert!(
        context.contains(
            "\nZeroDivisionError: division by zero\n\nThe above exception was the direct cause of the following exception:\n\nTraceback"
        ),
        "{context}"
    );
}

#[test]
fn whatever_is_raised_has_a_message() {
    for (body, message) in [
        ("def f(): return 1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(): raise Exception", "Exception"),
        ("def f(): raise SystemExit(3)", "SystemExit: 3"),
        ("def f(): import sys; sys.exit('enough')", "SystemExit: enough"),
        ("def f(): raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(): return {}['x']", "KeyError: 'x'"),
        ("def f(): return None.x", "AttributeError: 'NoneType' object has no attribute 'x'"),
        ("class Bad(Exception): pass\ndef f(): raise Bad('x', 1)", "Bad: ('x', 1)"),
        (
            "class Bad(Exception):\n    def __str__(self): raise ValueError\ndef f(): raise Bad",
            "Bad: <exception str() failed>",
        ),
        (
            "import json\ndef f(): return json.loads('{')",
            "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (
            "def f(): raise 1",
            "TypeError: exceptions must be classes or instances deriving from BaseException, not int",
        ),
        ("def f(x): pass", "TypeError: f() missing 1 required positional argument: 'x'"),
    ] {
        let error = sql_error(call_python(body, &[], Type::Int4).unwrap_err());
        assert_eq!(error.message(), message, "{body}");
    }
}

fn rows_of(body: &str, args: &[Datum], returns: Type, columns: &[(&str, Type)], piece: usize) -> Result<Vec<Datum>, Error> {
    on_session_thread(|| {
        let mut declared = python_source(body, &vec![Type::Int4; args.len()], returns);
        declared.set = true;
        declared.columns = columns.iter().map(|(name, ty)| ((*name).to_string(), *ty)).collect();
        let prepared = runtime().prepare(&declared)?;
        let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), python_limits()))?;
        instance.call_set(args)?;
        let mut rows = Vec::new();
        loop {
            let next = instance.next_rows(piece)?;
            if next.is_empty() || rows.len() > 10_000 {
                return Ok(rows);
            }
            assert!(next.len() <= piece);
            rows.extend(next);
        }
    })
}

#[test]
fn sets_are_fetched_in_pieces() {
    for body in [
        "def f(n):\n    for i in range(n): yield i",
        "def f(n): return list(range(n))",
        "def f(n): return tuple(range(n))",
        "def f(n): return (i for i in range(n))",
        "def f(n): return range(n)",
        "def f(n): return {i: 0 for i in range(n)}.keys()",
        "class Rows:\n    def __init__(self, n): self.n = n\n    def __getitem__(self, i):\n        if i < self.n: return i\n        raise IndexError\nf = Rows",
    ] {
        let rows = rows_of(body, &[Datum::Int4(25)], Type::Int8, &[], 10).unwrap();
        let numbers: Vec<i64> = rows.iter().map(|row| row.as_i64().unwrap()).collect();
        assert_eq!(numbers, (0..25).collect::<Vec<_>>(), "{body}");
    }
    assert!(rows_of("def f(): return None", &[], Type::Int8, &[], 10).unwrap().is_empty());
    for body in [
        "def f(): return 5",
        "def f(): return 'text'",
        "def f(): return {'a': 1}",
        "def f(): return b'12'",
    ] {
        let error = sql_error(rows_of(body, &[], Type::Int8, &[], 10).unwrap_err());
        assert_eq!(
            error.message(),
            "function f(): a set-returning function must return a list, a generator or another iterable",
            "{body}"
        );
    }
}

#[test]
fn rows_of_a_table_are_dicts_tuples_or_lists() {
    let columns = [("id", Type::Int4), ("name", Type::Text)];
    for row in [
        "{'name': 'n' + str(i), 'id': i, 'other': 1}",
        "(i, 'n' + str(i))",
        "[i, 'n' + str(i)]",
        "Row(i, f'n{i}')",
    ] {
        let body =
            format!("import collections\nRow = collections.namedtuple('Row', 'id name')\ndef f():\n    for i in range(3): yield {row}");
        let rows = rows_of(&body, &[], Type::Record, &columns, 2).unwrap();
        let Datum::Record(second) = &rows[1] else { panic!("{rows:?}") };
        assert!(
            matches!(&second[..], [Datum::Int4(1), Datum::Text(name)] if name == "n1"),
            "{body}: {second:?}"
        );
    }
    for (row, message) in [
        ("{'id': 1}", "function f(): the returned dict has no key \"name\""),
        ("(1,)", "function f(): the returned row has 1 values where 2 columns are declared"),
        (
            "(1, 2, 3)",
            "function f(): the returned row has 3 values where 2 columns are declared",
        ),
        ("('x', 'y')", "function f() returned the string \"x\" where integer is declared"),
    ] {
        let error = sql_error(rows_of(&format!("def f(): return [{row}]"), &[], Type::Record, &columns, 2).unwrap_err());
        assert_eq!(error.message(), message);
    }
}

#[test]
fn an_endless_set_is_cut_by_whoever_reads_it() {
    let body = "import itertools\nf = itertools.count";
    let rows = rows_of(body, &[], Type::Int8, &[], 1000).unwrap();
    assert!(rows.len() > 10_000);
}

#[test]
fn the_library_that_is_promised_is_there() {
    for module in [
        "json",
        "math",
        "re",
        "datetime",
        "time",
        "random",
        "statistics",
        "hashlib",
        "hmac",
        "base64",
        "itertools",
        "functools",
        "collections",
        "collections.abc",
        "decimal",
        "fractions",
        "string",
        "textwrap",
        "typing",
        "dataclasses",
        "enum",
        "uuid",
        "secrets",
        "copy",
        "heapq",
        "bisect",
        "csv",
        "io",
        "struct",
        "zlib",
        "difflib",
        "operator",
        "heliosdb",
    ] {
        let body = format!("import {module}\ndef f(): return '{module}'");
        let result = call_python(&body, &[], Type::Text).unwrap();
        assert_eq!(result.as_str(), Some(module));
    }
    for (work, result) in [
        (
            "return json.dumps({'a': [1, 2.5, None, 'ü']}, ensure_ascii=False)",
            r#"{"a": [1, 2.5, null, "ü"]}"#,
        ),
        ("return ','.join(re.findall(r'(?i)\\b[a-z]\\d+', 'A1 b22 3c'))", "A1,b22"),
        (
            "return str(statistics.median([3, 1, 2])) + ' ' + str(statistics.stdev([1, 2, 3]))",
            "2 1.0",
        ),
        (
            "return hashlib.sha256(b'abc').hexdigest()[:16] + ' ' + hashlib.md5(b'').hexdigest()[:8]",
            "ba7816bf8f01cfea d41d8cd9",
        ),
        ("return hmac.new(b'k', b'm', 'sha256').hexdigest()[:16]", "b60090e3052297ae"),
        ("return base64.b64encode(b'hello').decode()", "aGVsbG8="),
        ("return str(decimal.Decimal('0.1') + decimal.Decimal('0.2'))", "0.3"),
        ("return str(fractions.Fraction(1, 3) + fractions.Fraction(1, 6))", "1/2"),
        ("return textwrap.fill('a b c d', 3)", "a b\nc d"),
        ("return str(P(1, y=2)) + ' ' + str(P(1) == P(1))", "P(x=1, y=2) True"),
        ("return Color.RED.name + str(Color(2).value)", "RED2"),
        (
            "return str(uuid.uuid5(uuid.NAMESPACE_DNS, 'a'))",
            "4f3f2898-69e3-5a0d-820a-c4e87987dbce",
        ),
        (
            "return str(heapq.nsmallest(2, [5, 1, 4])) + str(bisect.bisect([1, 3, 5], 4))",
            "[1, 4]2",
        ),
        (
            "out = io.StringIO(); csv.writer(out).writerow([1, 'a,b']); return out.getvalue().strip()",
            "1,\"a,b\"",
        ),
        (
            "return struct.pack('>HI', 1, 2).hex() + zlib.decompress(zlib.compress(b'zz')).decode()",
            "000100000002zz",
        ),
        (
            "return ' '.join(difflib.get_close_matches('appel', ['ape', 'apple', 'peach']))",
            "apple ape",
        ),
        (
            "return datetime.datetime.strptime('2024-02-29 13:05', '%Y-%m-%d %H:%M').strftime('%d.%m.%Y %I:%M %p')",
            "29.02.2024 01:05 PM",
        ),
        (
            "return str(random.Random(42).randint(1, 1000)) + ' ' + str(random.Random(42).random())",
            "655 0.6394267984578837",
        ),
        ("return str(len(str(2 ** 20000)))", "6021"),
    ] {
        let body = format!(
            "import json, re, statistics, hashlib, hmac, base64, decimal, fractions, textwrap, dataclasses, enum, uuid, heapq, bisect, csv, io, struct, zlib, difflib, datetime, random\n\
             @dataclasses.dataclass\nclass P:\n    x: int\n    y: int = 0\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 2\ndef f():\n    {work}"
        );
        let answer = call_python(&body, &[], Type::Text).unwrap_or_else(|error| panic!("{work}: {error}"));
        assert_eq!(answer.as_str(), Some(result), "{work}");
    }
}

#[test]
fn what_is_not_in_the_library_says_why() {
    for (module, reason) in [
        (
            "socket",
            "a function has no sockets; heliosdb.http reaches hosts that it was granted",
        ),
        ("subprocess", "a function starts no processes"),
        ("ctypes", "a function has no native code"),
        ("threading", "a function has one thread"),
        ("urllib.request", "heliosdb.http reaches hosts that a function was granted"),
        ("requests", "heliosdb.http reaches hosts that a function was granted"),
    ] {
        let error = sql_error(call_python(&format!("def f():\n    import {module}"), &[], Type::Int4).unwrap_err());
        let first = if module.contains('.') { "urllib" } else { module };
        assert_eq!(error.message(), format!("ModuleNotFoundError: No module named '{first}': {reason}"));
    }
    let error = sql_error(prepare_python("import numpy\ndef f(): pass", &[], Type::Int4).err().unwrap());
    assert_eq!(error.message(), "ModuleNotFoundError: No module named 'numpy'");
}
