-- Who published what a lake holds: one row per account and region. A database file has no row. The
-- relation of this name in a lake has them (publish/relations.py), so every report can say who is
-- silent.
--
-- account_id: AWS account
-- region: AWS region
-- collector: Name of the collector that publishes it
-- sequence: Number of its last whole publish
-- published_at: When that publish ended
-- usual_seconds: Seconds between its publishes, as a rule; NULL = it has published once
SELECT
    NULL::VARCHAR AS account_id,
    NULL::VARCHAR AS region,
    NULL::VARCHAR AS collector,
    NULL::BIGINT AS sequence,
    NULL::TIMESTAMPTZ AS published_at,
    NULL::BIGINT AS usual_seconds
WHERE FALSE
