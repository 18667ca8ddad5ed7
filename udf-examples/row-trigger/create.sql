-- Orders keep their own history: a BEFORE trigger tidies the row, an AFTER trigger writes down what changed.
-- Run it: cargo run -- run udf-examples/row-trigger/create.sql --data ./data

CREATE TABLE orders (
    id integer PRIMARY KEY,
    email text NOT NULL,
    amount numeric(10,2) NOT NULL,
    state text NOT NULL DEFAULT 'new'
);

CREATE TABLE order_history (order_id integer, change text);

CREATE FUNCTION tidy_order() RETURNS trigger LANGUAGE javascript
PURPOSE 'One spelling for e-mail addresses; no order is paid backwards' AS $$
function tidy_order() {
  NEW.email = NEW.email.trim().toLowerCase();
  if (TG_OP === 'UPDATE' && OLD.state === 'paid' && NEW.state === 'new') {
    throw new Error('order ' + OLD.id + ' is paid already');
  }
  return NEW;
}
$$;

CREATE TRIGGER tidy BEFORE INSERT OR UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION tidy_order();

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE javascript
PURPOSE 'Who changed what of an order' AS $$
function note_change() {
  const changes = Object.keys(NEW)
    .filter(column => String(OLD[column]) !== String(NEW[column]))
    .map(column => column + ': ' + OLD[column] + ' -> ' + NEW[column]);
  heliosdb.execute('INSERT INTO order_history VALUES (?, ?)', [NEW.id, changes.join(', ')]);
}
$$;

CREATE TRIGGER note AFTER UPDATE ON orders
    FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.*) EXECUTE FUNCTION note_change();

-- The first function only computes. The second may write to one table, and to no other.
ALTER FUNCTION note_change GRANT CAPABILITY DATABASE_WRITE('order_history');
