-- A CSV text as a table: rows leave the sandbox in batches, as they are asked for.
-- Run it: cargo run -- run udf-examples/table-function/create.sql --data ./data

CREATE FUNCTION read_csv(csv text, separator text DEFAULT ',')
RETURNS TABLE(line integer, field integer, value text)
LANGUAGE javascript IMMUTABLE STRICT
PURPOSE 'Takes CSV apart, quotes included; reads nothing but its argument' AS $$
function* read_csv(csv, separator) {
  let line = 1, field = 1, value = '', quoted = false;
  for (let i = 0; i < csv.length; i++) {
    const c = csv[i];
    if (quoted) {
      if (c !== '"') value += c;
      else if (csv[i + 1] === '"') { value += '"'; i++; }
      else quoted = false;
    } else if (c === '"') {
      quoted = true;
    } else if (c === separator || c === '\n') {
      yield { line, field, value };
      value = '';
      if (c === '\n') { line++; field = 1; } else { field++; }
    } else if (c !== '\r') {
      value += c;
    }
  }
  if (value !== '' || field > 1) yield { line, field, value };
}
$$;

CREATE TABLE uploads (id integer PRIMARY KEY, csv text);

INSERT INTO uploads VALUES (1, E'ann,30\nbob,41\n'), (2, E'"smith, j.",7\n');
