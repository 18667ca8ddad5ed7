#!/usr/bin/env python3
"""Asks a PostgreSQL 15 for the expected result of every case in the golden files, and rewrites them.

    from_postgres.py 'host=/tmp port=5432 user=postgres' tests/golden/*.txt

A line is a case, its parts separated by tabs, and after " => " (a result: type, value) or " !> " (an error: SQLSTATE,
message) what PostgreSQL said:

    call f          type:value ...      a function
    op +            type:value ...      an operator; one operand is a prefix operator
    cast type       type:value          an explicit cast
    agg f           type,type           row ...     an aggregate; a row's values are separated by "~"
    set f           type:value ...      a set-returning function; rows and columns of the answer by "~" and "^"

Values are as input functions read them; \\N is NULL, \\t \\n \\\\ as usual. The type "unknown" is a literal without a cast.
"#set name value" runs SET for the lines after it.
"""
import subprocess
import sys


def unescape(value):
    return value.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")


def literal(value, ty):
    if value == "\\N":
        return "NULL" if ty == "unknown" else f"NULL::{ty}"
    text = "'" + unescape(value).replace("'", "''") + "'"
    return text if ty == "unknown" else f"{text}::{ty}"


def quoted(name):
    return f'"{name}"'


def argument(part):
    ty, value = part.split(":", 1)
    return literal(value, ty)


SHOW = r"replace(replace(({0})::text, E'\\', E'\\\\'), E'\n', E'\\n')"


def statement(case):
    parts = case.split("\t")
    kind, name = parts[0].split(" ", 1)
    if kind == "call":
        expr = f"{quoted(name)}({', '.join(argument(p) for p in parts[1:])})"
    elif kind == "op":
        args = [argument(p) for p in parts[1:]]
        expr = f"{name} {args[0]}" if len(args) == 1 else f"{args[0]} {name} {args[1]}"
    elif kind == "cast":
        expr = f"CAST({argument(parts[1])} AS {name})"
    elif kind == "agg" and not parts[1]:
        return f"SELECT r::text, pg_typeof(r) FROM (SELECT {name}(*) AS r FROM generate_series(1, {len(parts) - 2})) s;"
    elif kind == "agg":
        types = parts[1].split(",") if parts[1] else []
        columns = [f"c{i}" for i in range(len(types))]
        rows = [", ".join(literal(v, t) for v, t in zip(row.split("~"), types)) for row in parts[2:]]
        source = f"(VALUES {', '.join(f'({row})' for row in rows)}) v({', '.join(columns)})" if rows else \
            f"(SELECT {', '.join(literal(chr(92) + 'N', t) + ' AS ' + c for t, c in zip(types, columns))} WHERE false) v"
        if name in ("percentile_cont", "percentile_disc"):
            first = literal(parts[2].split("~")[0], types[0])
            call = f"{name}({first}) WITHIN GROUP (ORDER BY c1)"
        elif name == "mode":
            call = "mode() WITHIN GROUP (ORDER BY c0)"
        else:
            call = f"{name}({', '.join(columns)})"
        return f"SELECT coalesce({SHOW.format('r')}, '\\N'), pg_typeof(r) FROM (SELECT {call} AS r FROM {source}) s;"
    elif kind == "set":
        call = f"{quoted(name)}({', '.join(argument(p) for p in parts[1:])})"
        columns = ["v0", "v1"] if "_each" in name else ["v0"]
        row = " || '^' || ".join(f"coalesce({c}::text, '\\N')" for c in columns)
        return f"SELECT coalesce({SHOW.format('r')}, '\\N'), '' FROM (SELECT string_agg({row}, '~') AS r FROM {call} x({', '.join(columns)})) s;"
    else:
        raise SystemExit(f"unknown kind in: {case}")
    return f"SELECT coalesce({SHOW.format('r')}, '\\N'), pg_typeof(r) FROM (SELECT {expr} AS r) s;"


def ask(connection, lines):
    script = ["\\set VERBOSITY verbose", "\\pset format unaligned", "\\pset tuples_only on", "\\pset fieldsep '\t'", "SET client_min_messages = error;"]
    for i, line in enumerate(lines):
        if line.startswith("#set "):
            script.append(f"\\echo @@{i}")
            name, value = line[5:].split(" ", 1)
            script.append(f"SET {name} = '{value}';")
        elif line and not line.startswith("#"):
            script.append(f"\\echo @@{i}")
            script.append(statement(line.split(" => ")[0].split(" !> ")[0]))
    out = subprocess.run(["psql", "-q", "-X", connection], input="\n".join(script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    answers = {}
    current = None
    for line in out.split("\n"):
        if line.startswith("@@"):
            current = int(line[2:])
        elif current is not None and current not in answers and line:
            if line.startswith("ERROR:"):
                state, message = line[len("ERROR:"):].strip().split(": ", 1)
                answers[current] = f" !> {state}\t{message}"
            else:
                value, ty = line.rsplit("\t", 1)
                answers[current] = f" => {ty}\t{value}"
    return answers


def main():
    connection = sys.argv[1]
    for path in sys.argv[2:]:
        lines = open(path).read().split("\n")
        answers = ask(connection, lines)
        for i, answer in answers.items():
            if not lines[i].startswith("#"):
                lines[i] = lines[i].split(" => ")[0].split(" !> ")[0] + answer
        open(path, "w").write("\n".join(lines))


main()
