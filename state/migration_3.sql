-- A rented server costs something until it is ended, after the last call on it too.
CREATE OR REPLACE VIEW spend AS
WITH rulings AS (
    SELECT run_id, seq, recorded_at, substr(name, 7) AS step, (gave ->> '$.basis') AS basis, (gave ->> '$.problem') AS problem,
           try_cast(gave ->> '$.reserved_usd' AS DOUBLE) AS reserved_usd,
           coalesce(lead(seq) OVER (PARTITION BY run_id ORDER BY seq), 2147483647) AS next_seq
    FROM parsed_steps WHERE name LIKE 'guard %'
), settlements AS (
    SELECT run_id, seq, (given ->> '$.tool') AS step, try_cast(gave ->> '$.usd' AS DOUBLE) AS usd
    FROM parsed_steps WHERE name = 'settle'
), refusals AS (
    SELECT run_id, seq, substr(name, 6) AS step
    FROM parsed_steps WHERE name LIKE 'tool %' AND (gave ->> '$.problem') <> ''
), paid AS (
    SELECT run_id, seq, recorded_at, step, basis, reserved_usd,
           (SELECT min_by(usd, settlements.seq) FROM settlements WHERE settlements.run_id = rulings.run_id
              AND settlements.step = rulings.step AND settlements.seq > rulings.seq
              AND settlements.seq < rulings.next_seq) AS settled_usd,
           EXISTS (SELECT 1 FROM refusals WHERE refusals.run_id = rulings.run_id AND refusals.step = rulings.step
              AND refusals.seq > rulings.seq AND refusals.seq < rulings.next_seq) AS refused
    FROM rulings WHERE problem IS NULL AND reserved_usd > 0
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'planner' AS step,
           concat(took ->> '$.input_tokens', ' tokens in, ', (took ->> '$.output_tokens'), ' out, ', took ->> '$.by') AS basis,
           NULL AS reserved_usd, try_cast(took ->> '$.usd' AS DOUBLE) AS settled_usd, false AS refused
    FROM (SELECT run_id, seq, recorded_at, CASE name WHEN 'plan' THEN gave ELSE (gave -> '$.reading') END AS took
          FROM parsed_steps WHERE name IN ('plan', 'intake'))
    WHERE try_cast(took ->> '$.usd' AS DOUBLE) > 0 OR try_cast(took ->> '$.input_tokens' AS BIGINT) > 0
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'keeping the server' AS step, 'until it was ended, after the last call on it' AS basis,
           NULL AS reserved_usd, try_cast(gave ->> '$.usd' AS DOUBLE) AS settled_usd, false AS refused
    FROM parsed_steps WHERE name = 'release servers' AND try_cast(gave ->> '$.usd' AS DOUBLE) <> 0
), stated AS (
    SELECT *, CASE WHEN settled_usd IS NOT NULL THEN 'settled' WHEN refused THEN 'not carried out' ELSE 'open' END AS state
    FROM paid
)
SELECT run_id, seq, recorded_at, step, basis, reserved_usd, settled_usd, state,
       sum(coalesce(settled_usd, CASE WHEN state = 'open' THEN reserved_usd END, 0))
           OVER (PARTITION BY run_id ORDER BY seq) AS total_usd
FROM stated ORDER BY run_id, seq;

COMMENT ON VIEW spend IS 'Money reserved and settled, and the planner''s tokens';
COMMENT ON COLUMN spend.run_id IS 'the run';
COMMENT ON COLUMN spend.recorded_at IS 'when, ISO 8601, UTC';
COMMENT ON COLUMN spend.seq IS 'the step that reserved or, for tokens, spent it';
COMMENT ON COLUMN spend.step IS 'the paid tool, planner, or what a rented server cost after its last call';
COMMENT ON COLUMN spend.basis IS 'how the reservation was reckoned, or the tokens';
COMMENT ON COLUMN spend.reserved_usd IS 'the most it could cost; NULL for tokens and a server''s end, which are counted afterwards';
COMMENT ON COLUMN spend.settled_usd IS 'what it cost; NULL while open';
COMMENT ON COLUMN spend.state IS 'settled, open (counts as reserved), or not carried out (counts as nothing)';
COMMENT ON COLUMN spend.total_usd IS 'of the run so far';
