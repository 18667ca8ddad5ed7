-- Run by psql in this folder: psql -f create.sql. The module travels in the statement, as base64.
\set module `base64 -w0 fraud_score.wasm`

CREATE TABLE payments (id bigint PRIMARY KEY, customer bigint NOT NULL, amount double precision NOT NULL, country text NOT NULL);

CREATE FUNCTION amount_risk(amount double precision, average double precision) RETURNS double precision
  LANGUAGE wasm IMMUTABLE PURPOSE 'how far an amount is above the usual' AS :'module';

CREATE FUNCTION fraud_score(customer bigint, amount double precision, country text) RETURNS jsonb
  LANGUAGE wasm STABLE PURPOSE 'score a payment before it is accepted' AS :'module';

-- It reads one table, and nothing else.
ALTER FUNCTION fraud_score GRANT CAPABILITY DATABASE_READ('payments');
