-- Schema 2: what a run decided, spent, tried, predicted and paid, as tables. Derived from the steps alone; nothing is stored.
-- Fields that a row lacks are NULL: rows of older or newer versions of Stratos are read as far as they go.

CREATE VIEW parsed_steps AS
SELECT run_id, seq, recorded_at, kind, name, seconds,
       -- Half a surrogate pair, which Python writes and DuckDB does not read, becomes the replacement character.
       coalesce(try_cast(input_json AS JSON),
                try_cast(regexp_replace(input_json, '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\ufffd', 'g') AS JSON)) AS given,
       coalesce(try_cast(output_json AS JSON),
                try_cast(regexp_replace(output_json, '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\ufffd', 'g') AS JSON)) AS gave
FROM steps;

CREATE VIEW decisions AS
WITH headers AS (
    SELECT run_id, any_value(given) AS header FROM parsed_steps WHERE kind = 'run' GROUP BY run_id
), calls AS (
    SELECT run_id, seq, recorded_at, gave, unnest(list_concat([(gave -> '$.call')], gave -> '$.also[*]')) AS call,
           generate_subscripts(list_concat([(gave -> '$.call')], gave -> '$.also[*]'), 1) AS part
    FROM parsed_steps WHERE name = 'plan'
), found AS (
    SELECT run_id, seq, recorded_at,
           CASE WHEN json_type(header -> '$.brief') = 'OBJECT' THEN 'user'
                WHEN (gave ->> '$.reading.gave_up') = '' THEN (gave ->> '$.reading.by') ELSE 'rules' END AS who,
           CASE WHEN (gave -> '$.problems') IS NULL THEN 'request read' ELSE 'request refused' END AS what,
           given AS arguments, array_to_string(gave ->> '$.brief.assumptions[*]', '; ') AS why,
           array_to_string(gave ->> '$.problems[*]', '; ') AS problem
    FROM parsed_steps LEFT JOIN headers USING (run_id) WHERE name = 'intake'
    UNION ALL BY NAME
    SELECT run_id, seq, part, recorded_at, (gave ->> '$.by') AS who,
           CASE WHEN (call ->> '$.name') IS NULL THEN 'gave up' WHEN (call ->> '$.name') = 'finish' THEN 'end the run'
                WHEN part > 1 THEN 'call too' ELSE 'call' END AS what,
           (call ->> '$.name') AS tool, (call -> '$.args') AS arguments, (gave ->> '$.why') AS why,
           CASE WHEN part = 1 THEN concat_ws('; ', array_to_string(gave ->> '$.corrections[*]', '; '),
                                             nullif(gave ->> '$.gave_up', '')) END AS problem
    FROM calls
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'guard' AS who,
           CASE WHEN (gave ->> '$.problem') IS NULL THEN 'let through' ELSE 'refused' END AS what,
           substr(name, 7) AS tool, coalesce((gave -> '$.arguments'), (given -> '$.arguments')) AS arguments,
           (gave ->> '$.basis') AS why, (gave ->> '$.problem') AS problem
    FROM parsed_steps WHERE name LIKE 'guard %'
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'tool' AS who,
           CASE WHEN (gave ->> '$.problem') IS NOT NULL THEN 'refused' WHEN json_type(gave -> '$.plan') = 'OBJECT'
                THEN CASE WHEN (gave ->> '$.pilot') = 'true' THEN 'pilot chosen' ELSE 'plan chosen' END
                ELSE 'no plan' END AS what,
           substr(name, 6) AS tool,
           CASE WHEN json_type(gave -> '$.plan') = 'OBJECT'
                THEN json_object('candidate', gave ->> '$.plan.candidate.id') ELSE (given -> '$.arguments') END AS arguments,
           (gave ->> '$.reason') AS why, (gave ->> '$.problem') AS problem
    FROM parsed_steps WHERE name = 'tool solve_pareto' OR (name LIKE 'tool %' AND (gave ->> '$.problem') <> '')
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'user' AS who,
           CASE WHEN (gave ->> '$.approved') = 'true' THEN 'approved'
                WHEN (gave ->> '$.instead') = 'true' THEN 'changed instead of approved' ELSE 'not approved' END
               || CASE WHEN (gave ->> '$.by') = 'in advance' THEN ' in advance' ELSE '' END AS what,
           given AS arguments, (given ->> '$.reason') AS why
    FROM parsed_steps WHERE name = 'approve'
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'user' AS who, 'said' AS what, given AS arguments,
           coalesce((gave ->> '$.word.text'), (gave ->> '$.text')) AS why, nullif(gave ->> '$.problem', '') AS problem
    FROM parsed_steps WHERE name = 'user'
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'judge' AS who, (gave ->> '$.next') AS what, given AS arguments,
           (gave ->> '$.reason') AS why,
           array_to_string(gave ->> '$.misses[*].arithmetic', '; ') AS problem
    FROM parsed_steps WHERE name = 'judge'
    UNION ALL BY NAME
    SELECT run_id, seq, recorded_at, 'end' AS who, name AS what, (gave ->> '$.reason') AS why
    FROM parsed_steps WHERE kind = 'outcome'
)
SELECT run_id, seq, coalesce(part, 1) AS part, recorded_at, coalesce(who, 'unknown') AS who, what, tool,
       CAST(arguments AS VARCHAR) AS arguments, nullif(why, '') AS why, nullif(problem, '') AS problem
FROM found ORDER BY run_id, seq, part;

CREATE VIEW spend AS
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
), stated AS (
    SELECT *, CASE WHEN settled_usd IS NOT NULL THEN 'settled' WHEN refused THEN 'not carried out' ELSE 'open' END AS state
    FROM paid
)
SELECT run_id, seq, recorded_at, step, basis, reserved_usd, settled_usd, state,
       sum(coalesce(settled_usd, CASE WHEN state = 'open' THEN reserved_usd END, 0))
           OVER (PARTITION BY run_id ORDER BY seq) AS total_usd
FROM stated ORDER BY run_id, seq;

CREATE VIEW attempts AS
WITH trained AS (
    SELECT run_id, seq, (gave -> '$.attempt') AS attempt, try_cast(gave ->> '$.usd' AS DOUBLE) AS usd,
           row_number() OVER (PARTITION BY run_id ORDER BY seq) AS place,
           coalesce(lead(seq) OVER (PARTITION BY run_id ORDER BY seq), 2147483647) AS next_seq
    FROM parsed_steps WHERE name = 'tool distill' AND json_type(gave -> '$.attempt') = 'OBJECT'
), evaluated AS (
    SELECT run_id, seq, (gave -> '$.evaluation') AS evaluation
    FROM parsed_steps WHERE name = 'tool evaluate' AND json_type(gave -> '$.evaluation') = 'OBJECT'
)
SELECT trained.run_id, trained.seq,
       coalesce(try_cast(attempt ->> '$.number' AS INTEGER), trained.place) AS attempt,
       (attempt ->> '$.candidate.student') AS student,
       try_cast(attempt ->> '$.candidate.parameters' AS BIGINT) AS parameters,
       (attempt ->> '$.candidate.offer_id') AS server,
       try_cast(attempt ->> '$.tokens' AS BIGINT) AS tokens,
       try_cast(attempt ->> '$.seconds' AS DOUBLE) AS seconds,
       usd,
       (attempt ->> '$.stopped_by') AS stopped_by,
       evaluated.seq AS split_seq,
       (evaluation ->> '$.split') AS split,
       try_cast(evaluation ->> '$.student.exact.value' AS DOUBLE) AS exact,
       try_cast(evaluation ->> '$.student.exact.low' AS DOUBLE) AS exact_low,
       try_cast(evaluation ->> '$.student.exact.high' AS DOUBLE) AS exact_high,
       try_cast(evaluation ->> '$.student.exact.n' AS BIGINT) AS n,
       try_cast(evaluation ->> '$.latency.p95_ms' AS DOUBLE) AS latency_p95_ms
FROM trained LEFT JOIN evaluated
  ON evaluated.run_id = trained.run_id AND evaluated.seq > trained.seq AND evaluated.seq < trained.next_seq
ORDER BY trained.run_id, trained.seq, evaluated.seq;

CREATE VIEW predictions AS
WITH newest AS (
    SELECT run_id, seq, attempt, seconds / 3600 AS hours, usd, arg_max(split, split_seq) AS split,
           arg_max(exact, split_seq) AS accuracy, arg_max(latency_p95_ms, split_seq) AS latency_p95_ms
    FROM attempts GROUP BY ALL
), compared AS (
    SELECT run_id, seq, attempt, place, what, measured, measured_on,
           json_extract(gave, '$.attempt.candidate.' || what) AS promised
    FROM newest JOIN parsed_steps USING (run_id, seq),
         LATERAL (VALUES (1, 'accuracy', accuracy, split), (2, 'latency_p95_ms', latency_p95_ms, split),
                         (3, 'hours', hours, 'training'), (4, 'usd', usd, 'training'))
             AS figures(place, what, measured, measured_on)
)
SELECT run_id, seq, attempt, what, try_cast(promised ->> '$.value' AS DOUBLE) AS predicted,
       try_cast(promised ->> '$.low' AS DOUBLE) AS low, try_cast(promised ->> '$.high' AS DOUBLE) AS high,
       (promised ->> '$.source') AS source, measured, measured_on, measured BETWEEN low AND high AS inside
FROM compared WHERE predicted IS NOT NULL
ORDER BY run_id, seq, place;

CREATE VIEW prices_used AS
SELECT run_id, seq, (gave ->> '$.plan.offer.id') AS offer_id, (gave ->> '$.plan.offer.cloud') AS cloud,
       try_cast(gave ->> '$.plan.offer.usd_per_hour' AS DOUBLE) AS usd_per_hour,
       (gave ->> '$.plan.offer.source') AS source, (gave ->> '$.plan.offer.as_of') AS as_of
FROM parsed_steps WHERE name = 'tool solve_pareto' AND json_type(gave -> '$.plan.offer') = 'OBJECT'
ORDER BY run_id, seq;

COMMENT ON VIEW parsed_steps IS 'Every step with its input and output as JSON; NULL where the text is none';
COMMENT ON COLUMN parsed_steps.run_id IS 'the run';
COMMENT ON COLUMN parsed_steps.seq IS 'place in the run, from 0';
COMMENT ON COLUMN parsed_steps.recorded_at IS 'when, ISO 8601, UTC';
COMMENT ON COLUMN parsed_steps.kind IS 'run, decision, effect, note or outcome';
COMMENT ON COLUMN parsed_steps.name IS 'the step';
COMMENT ON COLUMN parsed_steps.seconds IS 'how long it took';
COMMENT ON COLUMN parsed_steps.given IS 'input';
COMMENT ON COLUMN parsed_steps.gave IS 'output';
COMMENT ON VIEW decisions IS 'Who decided what, in order';
COMMENT ON COLUMN decisions.run_id IS 'the run';
COMMENT ON COLUMN decisions.recorded_at IS 'when, ISO 8601, UTC';
COMMENT ON COLUMN decisions.seq IS 'the step that holds the decision';
COMMENT ON COLUMN decisions.part IS '1; 2 and more for further calls of one planner answer';
COMMENT ON COLUMN decisions.who IS 'rules, the name of the planner model, guard, tool, judge, user, or end for the outcome';
COMMENT ON COLUMN decisions.what IS 'what was decided';
COMMENT ON COLUMN decisions.tool IS 'the tool called or ruled on';
COMMENT ON COLUMN decisions.arguments IS 'its arguments or what the decider was given, JSON text';
COMMENT ON COLUMN decisions.why IS 'the reason given';
COMMENT ON COLUMN decisions.problem IS 'what was wrong: with a call, a request, an answer, or against a target';
COMMENT ON VIEW spend IS 'Money reserved and settled, and the planner''s tokens';
COMMENT ON COLUMN spend.run_id IS 'the run';
COMMENT ON COLUMN spend.recorded_at IS 'when, ISO 8601, UTC';
COMMENT ON COLUMN spend.seq IS 'the step that reserved or, for tokens, spent it';
COMMENT ON COLUMN spend.step IS 'the paid tool, or planner';
COMMENT ON COLUMN spend.basis IS 'how the reservation was reckoned, or the tokens';
COMMENT ON COLUMN spend.reserved_usd IS 'the most it could cost; NULL for tokens, which are counted afterwards';
COMMENT ON COLUMN spend.settled_usd IS 'what it cost; NULL while open';
COMMENT ON COLUMN spend.state IS 'settled, open (counts as reserved), or not carried out (counts as nothing)';
COMMENT ON COLUMN spend.total_usd IS 'of the run so far';
COMMENT ON VIEW attempts IS 'What was trained, one row for each split it was measured on';
COMMENT ON COLUMN attempts.run_id IS 'the run';
COMMENT ON COLUMN attempts.seq IS 'the training''s step';
COMMENT ON COLUMN attempts.attempt IS 'number, from 1';
COMMENT ON COLUMN attempts.student IS 'model that was trained';
COMMENT ON COLUMN attempts.parameters IS 'its weights';
COMMENT ON COLUMN attempts.server IS 'offer id of the machine';
COMMENT ON COLUMN attempts.tokens IS 'tokens trained, those of an attempt it continues included';
COMMENT ON COLUMN attempts.seconds IS 'wall-clock time of this training';
COMMENT ON COLUMN attempts.usd IS 'what this training cost';
COMMENT ON COLUMN attempts.stopped_by IS 'tokens, clock or another reason';
COMMENT ON COLUMN attempts.split_seq IS 'the measurement''s step; NULL when nothing was measured';
COMMENT ON COLUMN attempts.split IS 'dev or the sealed split';
COMMENT ON COLUMN attempts.exact IS 'share answered exactly right';
COMMENT ON COLUMN attempts.exact_low IS 'lower end of its 95 % interval';
COMMENT ON COLUMN attempts.exact_high IS 'upper end';
COMMENT ON COLUMN attempts.n IS 'items asked';
COMMENT ON COLUMN attempts.latency_p95_ms IS '95th percentile of a request''s time, milliseconds';
COMMENT ON VIEW predictions IS 'What was predicted of each attempt, beside what was measured';
COMMENT ON COLUMN predictions.run_id IS 'the run';
COMMENT ON COLUMN predictions.seq IS 'the training''s step';
COMMENT ON COLUMN predictions.attempt IS 'number, from 1';
COMMENT ON COLUMN predictions.what IS 'accuracy, latency_p95_ms, hours or usd; the last two of the training alone';
COMMENT ON COLUMN predictions.predicted IS 'the figure';
COMMENT ON COLUMN predictions.low IS 'lower end of its 80 % band';
COMMENT ON COLUMN predictions.high IS 'upper end';
COMMENT ON COLUMN predictions.source IS 'where it comes from';
COMMENT ON COLUMN predictions.measured IS 'NULL when it was not measured';
COMMENT ON COLUMN predictions.measured_on IS 'the newest split, or training';
COMMENT ON COLUMN predictions.inside IS 'whether the measured value lies in the band';
COMMENT ON VIEW prices_used IS 'The price behind each plan';
COMMENT ON COLUMN prices_used.run_id IS 'the run';
COMMENT ON COLUMN prices_used.seq IS 'the plan''s step';
COMMENT ON COLUMN prices_used.offer_id IS 'cloud/region/instance type[/accelerator x count]';
COMMENT ON COLUMN prices_used.cloud IS 'local is this machine';
COMMENT ON COLUMN prices_used.usd_per_hour IS 'US dollars for an hour';
COMMENT ON COLUMN prices_used.source IS 'who states it';
COMMENT ON COLUMN prices_used.as_of IS 'its date, ISO; NULL where the source gives none';
