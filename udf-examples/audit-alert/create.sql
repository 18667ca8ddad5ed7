-- Alarms on the audit log: one for each denied check, and one for a function that is denied again and again.
-- Run it: cargo run -- run udf-examples/audit-alert/create.sql --data ./data

CREATE TABLE salaries (name text, amount integer);

-- It holds no right: each call is denied, and on record.
CREATE FUNCTION curious() RETURNS integer LANGUAGE javascript
PURPOSE 'Sums up what it may not see' AS $$
function curious() {
  return heliosdb.query('SELECT sum(amount)::integer AS all FROM salaries').rows[0].all;
}
$$;

-- Raised by the trigger's own body.
CREATE TRIGGER security_alert_capability_denial
AFTER INSERT ON heliosdb.audit_log
FOR EACH ROW
WHEN (NEW.event_type = 'CapabilityCheck' AND NEW.allowed = false)
BEGIN
  SELECT heliosdb.alert(
    'security',
    'Capability denied for function: ' || NEW.function_name
  );
END;

-- Raised by a function, which counts in its own storage. NEW is the row of the log.
CREATE FUNCTION count_denials() RETURNS trigger LANGUAGE javascript
PURPOSE 'Tells of the third denial of one function, the sixth and so on' AS $$
function count_denials() {
  const denials = heliosdb.storage.increment(NEW.function_name);
  if (denials % 3 === 0) {
    heliosdb.query('SELECT heliosdb.alert(?, ?)', ['repeated', NEW.function_name + ' was denied ' + denials + ' times']);
  }
}
$$;

CREATE TRIGGER repeated_denials
AFTER INSERT ON heliosdb.audit_log
FOR EACH ROW
WHEN (NEW.event_type = 'CapabilityCheck' AND NEW.allowed = false)
EXECUTE FUNCTION count_denials();
