-- What could not be used, and what the sink keeps to be exact.

CREATE TABLE ${table deadletters}
(
    room_id LowCardinality(String) COMMENT 'The live room, when it is known',
    ts DateTime64(3, 'UTC') COMMENT 'When it failed' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When it failed' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'Origin and stage, or a hash of what never entered the log' CODEC(ZSTD(1)),
    topic LowCardinality(String) COMMENT 'Where it came from',
    partition Int32 COMMENT 'Its partition there' CODEC(ZSTD(1)),
    offset Int64 COMMENT 'Its offset there; -1 for what never entered the log' CODEC(ZSTD(1)),
    stage LowCardinality(String) COMMENT 'Who refused it',
    reason String COMMENT 'Why' CODEC(ZSTD(1)),
    key String COMMENT 'Its key, bytes as they came' CODEC(ZSTD(1)),
    value String COMMENT 'Its bytes as they came' CODEC(ZSTD(3)),
    log_partition UInt16 COMMENT 'Partition of the dead-letter topic' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset in the dead-letter topic' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, ts, id)
TTL toDateTime(ingest_ts) + INTERVAL 90 DAY
SETTINGS ${settings}
COMMENT 'Dead letters: one row a record that could not be used, with its origin and reason';

${distributed deadletters}

CREATE TABLE ${table sink_ledger}
(
    log_id String COMMENT 'The Kafka cluster, by the id it was formatted with',
    topic LowCardinality(String) COMMENT 'Topic',
    partition Int32 COMMENT 'Partition',
    first Int64 COMMENT 'First offset of the batch',
    last Int64 COMMENT 'Last offset of the batch',
    before Map(String, UInt64) COMMENT 'Highest number of each writer before the batch',
    after Map(String, UInt64) COMMENT 'Highest number of each writer after the batch',
    owner String COMMENT 'The sink that claimed the batch',
    claimed_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'When, by the store''s clock'
)
ENGINE = ${engine MergeTree}
ORDER BY (log_id, topic, partition, last)
SETTINGS ${settings}
COMMENT 'The batches that the sink cut out of the log, each written down before its rows';

${distributed sink_ledger by cityHash64(topic, partition)}
