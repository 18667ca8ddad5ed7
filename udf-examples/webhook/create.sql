-- Another system is told of large orders. The function may speak to that one host; the address is a setting of the table,
-- not of the function, so changing it does not open another door.
CREATE TABLE orders (id integer PRIMARY KEY, customer text NOT NULL, total numeric(12,2) NOT NULL);
CREATE TABLE webhooks (event text PRIMARY KEY, url text NOT NULL);

CREATE FUNCTION announce_order(order_id integer) RETURNS text
  LANGUAGE javascript PURPOSE 'tell the warehouse of large orders' AS $$
function announce_order(order_id) {
    const found = heliosdb.query('SELECT id, customer, total FROM orders WHERE id = ?', [order_id]);
    if (found.rowCount === 0) return 'no such order';
    const order = found.rows[0];
    if (Number(order.total) < 1000) return 'too small';
    const hook = heliosdb.query("SELECT url FROM webhooks WHERE event = 'large_order'");
    // The customer's name stays here: the warehouse needs the number and the sum.
    const answer = heliosdb.http.post(hook.rows[0].url, JSON.stringify({ order: order.id, total: order.total }), {
        headers: { 'Content-Type': 'application/json' },
    });
    return answer.status === 200 ? 'announced' : `refused: ${answer.status}`;
}
$$;

ALTER FUNCTION announce_order GRANT CAPABILITY DATABASE_READ('orders'), DATABASE_READ('webhooks');
