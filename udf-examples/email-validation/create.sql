-- An application checks addresses in the database: in queries, and in a constraint that no client can leave out.
CREATE FUNCTION email_problem(address text) RETURNS text
  LANGUAGE javascript IMMUTABLE PURPOSE 'say what is wrong with an e-mail address' AS $$
function email_problem(address) {
    if (address === null) return 'missing';
    if (address.length > 254) return 'longer than 254 characters';
    const at = address.lastIndexOf('@');
    if (at < 1) return 'no name before @';
    const name = address.slice(0, at);
    const host = address.slice(at + 1);
    if (name.length > 64) return 'name longer than 64 characters';
    if (!/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+$/.test(name)) return 'a character that a name cannot have';
    if (name.startsWith('.') || name.endsWith('.') || name.includes('..')) return 'a dot in the wrong place';
    const labels = host.split('.');
    if (labels.length < 2) return 'no domain';
    if (!labels.every(label => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label))) return 'not a domain';
    return null;
}
$$;

CREATE TABLE subscribers (
    id integer PRIMARY KEY,
    email text NOT NULL,
    CONSTRAINT email_is_valid CHECK (email_problem(email) IS NULL)
);
