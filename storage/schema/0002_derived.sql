-- What was understood and done, one table a kind of record.
-- A later revision of an id replaces the earlier one, even when its time moved: rows are ordered by id, not by time. Alerts and
-- question clusters keep every change; the views alerts_now and intents_now show the newest of each.

CREATE TABLE ${table answers}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    source_id String COMMENT 'The chat message that was answered' CODEC(ZSTD(1)),
    user_id String COMMENT 'Who asked, hashed' CODEC(ZSTD(1)),
    question String COMMENT 'What was asked' CODEC(ZSTD(1)),
    status LowCardinality(String) COMMENT 'given, proposed or unknown',
    answer String COMMENT 'The answer' CODEC(ZSTD(1)),
    matched String COMMENT 'The FAQ entry it came from' CODEC(ZSTD(1)),
    sku LowCardinality(String) COMMENT 'The product it is about',
    score Float64 COMMENT 'How well the entry matches' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(revision)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'Answers to chat messages: one row an answer, its newest revision';

${distributed answers}

CREATE TABLE ${table intents}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    title String COMMENT 'The question that stands for the cluster' CODEC(ZSTD(1)),
    intent LowCardinality(String) COMMENT 'What these viewers want',
    count Int64 COMMENT 'Questions in the window' CODEC(ZSTD(1)),
    users Int64 COMMENT 'Distinct viewers in the window' CODEC(ZSTD(1)),
    examples Array(String) COMMENT 'Questions as they were asked' CODEC(ZSTD(1)),
    window_ms Int64 COMMENT 'Length of the window that ends at ts' CODEC(ZSTD(1)),
    product LowCardinality(String) COMMENT 'The product it is about',
    answered Bool COMMENT 'Whether it has been answered',
    trend Float64 COMMENT 'Growth against the window before' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id, revision)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'What viewers ask: one row a change of a cluster of questions';

${distributed intents}

CREATE VIEW ${view intents_now} AS
SELECT * FROM live.intents FINAL ORDER BY revision DESC LIMIT 1 BY room_id, id
COMMENT 'What viewers ask now: the newest change of each cluster; count 0 when it has ended';

CREATE TABLE ${table mood}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    messages Int64 COMMENT 'Messages in the last 10 s' CODEC(ZSTD(1)),
    users Int64 COMMENT 'Distinct viewers in the last 10 s' CODEC(ZSTD(1)),
    negative_share Float64 COMMENT 'Share of negative messages' CODEC(ZSTD(1)),
    positive_share Float64 COMMENT 'Share of positive messages' CODEC(ZSTD(1)),
    arousal Float64 COMMENT 'Excitement against the rooms normal' CODEC(ZSTD(1)),
    forecast Float64 COMMENT 'Expected negative share' CODEC(ZSTD(1)),
    late Int64 COMMENT 'Messages that came too late to count' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(revision)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'The mood of a room: one row a second';

${distributed mood}

CREATE TABLE ${table segments}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    end_ts DateTime64(3, 'UTC') COMMENT 'When the paragraph ended' CODEC(DoubleDelta, ZSTD(1)),
    sku LowCardinality(String) COMMENT 'The product it is about',
    status LowCardinality(String) COMMENT 'open, complete (all four stages) or partial',
    stages Map(String, Int64) COMMENT 'When each stage began, epoch milliseconds' CODEC(ZSTD(1)),
    sentences Array(String) COMMENT 'What was said' CODEC(ZSTD(1)),
    confidence Float64 COMMENT 'How sure, from 0 to 1' CODEC(ZSTD(1)),
    labels Map(String, String) COMMENT 'Labels' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(revision)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'Product paragraphs: one row a paragraph, its newest revision';

${distributed segments}

CREATE TABLE ${table highlights}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    start_ts DateTime64(3, 'UTC') COMMENT 'Where the moment starts' CODEC(DoubleDelta, ZSTD(1)),
    end_ts DateTime64(3, 'UTC') COMMENT 'Where it ends' CODEC(DoubleDelta, ZSTD(1)),
    status LowCardinality(String) COMMENT 'provisional, final or withdrawn',
    score Float64 COMMENT 'How good it is' CODEC(ZSTD(1)),
    chat_z Float64 COMMENT 'Chat against the rooms normal' CODEC(ZSTD(1)),
    emotion_z Float64 COMMENT 'Emotion against the rooms normal' CODEC(ZSTD(1)),
    orders_z Float64 COMMENT 'Orders against the rooms normal' CODEC(ZSTD(1)),
    title String COMMENT 'Title' CODEC(ZSTD(1)),
    sku LowCardinality(String) COMMENT 'The product it is about',
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(revision)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'Moments worth keeping: one row a moment, its newest revision';

${distributed highlights}

CREATE TABLE ${table clips}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    highlight String COMMENT 'The highlight it shows' CODEC(ZSTD(1)),
    end_ts DateTime64(3, 'UTC') COMMENT 'Where it ends on the rooms clock' CODEC(DoubleDelta, ZSTD(1)),
    title String COMMENT 'Title' CODEC(ZSTD(1)),
    path String COMMENT 'Where the file is' CODEC(ZSTD(1)),
    mode LowCardinality(String) COMMENT 'copy, smart or render',
    status LowCardinality(String) COMMENT 'ready or failed',
    duration_ms Int64 COMMENT 'Length' CODEC(ZSTD(1)),
    width Int64 COMMENT 'Pixels' CODEC(ZSTD(1)),
    height Int64 COMMENT 'Pixels' CODEC(ZSTD(1)),
    size Int64 COMMENT 'Bytes' CODEC(ZSTD(1)),
    sha256 String COMMENT 'Checksum' CODEC(ZSTD(1)),
    labels Map(String, String) COMMENT 'Labels' CODEC(ZSTD(1)),
    reason String COMMENT 'Why it failed' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(revision)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'Finished clips: one row a file, its newest revision';

${distributed clips}

CREATE TABLE ${table host_commands}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    action LowCardinality(String) COMMENT 'answer, clarify, soften or stop',
    text String COMMENT 'What to say' CODEC(ZSTD(1)),
    because String COMMENT 'Why' CODEC(ZSTD(1)),
    sku LowCardinality(String) COMMENT 'The product it is about',
    priority Int64 COMMENT 'Higher goes first' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(revision)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'What the digital human was asked to do: one row a command';

${distributed host_commands}

CREATE TABLE ${table host_events}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    command String COMMENT 'The command it follows from' CODEC(ZSTD(1)),
    type LowCardinality(String) COMMENT 'spoken, skipped, interrupted, failed or health',
    text String COMMENT 'What was said' CODEC(ZSTD(1)),
    path String COMMENT 'The file that was spoken' CODEC(ZSTD(1)),
    duration_ms Int64 COMMENT 'Length of the speech' CODEC(ZSTD(1)),
    latency_ms Map(String, Float64) COMMENT 'Latency by stage' CODEC(ZSTD(1)),
    model LowCardinality(String) COMMENT 'The model that spoke',
    device LowCardinality(String) COMMENT 'Where it ran',
    simulated Array(String) COMMENT 'Stages that are stand-ins' CODEC(ZSTD(1)),
    reason String COMMENT 'Why it was skipped or failed' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(revision)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'What the digital human did: one row an event';

${distributed host_events}

-- Every change of an alert's state stays: the revision is part of the key.

CREATE TABLE ${table alerts}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'The moment it speaks of, event time' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the newest event behind it reached the gateway' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'What it is: the same thing said again has the same id' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'Of two rows with one id the higher revision holds' CODEC(ZSTD(1)),
    topic LowCardinality(String) COMMENT 'What the opinion is about',
    level Int64 COMMENT '1 watch, 2 warn' CODEC(ZSTD(1)),
    state LowCardinality(String) COMMENT 'firing, acknowledged, resolved, silenced or inhibited',
    started_ts DateTime64(3, 'UTC') COMMENT 'When it began to fire' CODEC(DoubleDelta, ZSTD(1)),
    evidence_ts DateTime64(3, 'UTC') COMMENT 'Ingest time of the message that completed the evidence' CODEC(DoubleDelta, ZSTD(1)),
    score Float64 COMMENT 'Strength' CODEC(ZSTD(1)),
    share Float64 COMMENT 'Share of messages against' CODEC(ZSTD(1)),
    baseline Float64 COMMENT 'The rooms normal share' CODEC(ZSTD(1)),
    messages Int64 COMMENT 'Messages behind it' CODEC(ZSTD(1)),
    users Int64 COMMENT 'Distinct viewers behind it' CODEC(ZSTD(1)),
    examples Array(String) COMMENT 'Messages as they were sent' CODEC(ZSTD(1)),
    words Array(String) COMMENT 'Words they have in common' CODEC(ZSTD(1)),
    note String COMMENT 'What a person noted' CODEC(ZSTD(1)),
    changed_by String COMMENT 'Who changed its state' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id, revision)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'Opinion alerts: one row a change of state';

${distributed alerts}

CREATE VIEW ${view alerts_now} AS
SELECT * FROM live.alerts FINAL ORDER BY revision DESC LIMIT 1 BY room_id, id
COMMENT 'Opinion alerts as they stand: the newest change of each';
