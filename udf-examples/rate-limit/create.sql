-- At most five exports of a report in a day, counted in the function's own storage: it is private to the function,
-- transactional, and outlives the session.
CREATE FUNCTION export_report(report text) RETURNS text
  LANGUAGE javascript PURPOSE 'export a report, not more often than a person would' AS $$
const LIMIT = 5;
const WINDOW_MS = 24 * 60 * 60 * 1000;

function export_report(report) {
    const window = Math.floor(Date.now() / WINDOW_MS);
    const used = heliosdb.storage.increment('calls:' + report + ':' + window);
    if (used > LIMIT) {
        throw new Error(`rate limit: at most ${LIMIT} exports of ${report} a day`);
    }
    return `${report}, export ${used} of ${LIMIT}`;
}
$$;

-- Without it Date.now() stands still within a transaction, and the limit could be held open.
ALTER FUNCTION export_report GRANT CAPABILITY TIME_ACCESS;
