-- People's words on answers, by which a room finds out how certain it must be; they come on the topic of the product sheets.

CREATE TABLE ${table faq_verdicts}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'When the question was asked' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the word was sent' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'The answer that it is about' CODEC(ZSTD(1)),
    score Float64 COMMENT 'Its score' CODEC(ZSTD(1)),
    is_right Bool COMMENT 'Whether it was right' CODEC(ZSTD(1)),
    question String COMMENT 'What was asked' CODEC(ZSTD(1)),
    matched String COMMENT 'The question of the entry that answered' CODEC(ZSTD(1)),
    changed_by String COMMENT 'Who says so' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'Words of people on answers: one row an answer, the newest word';

${distributed faq_verdicts}

CREATE OR REPLACE VIEW ${replaced sink_progress} AS
SELECT
    table_name,
    log_partition,
    complete_to
FROM
(
    SELECT
        transform(
            topic,
            ['live.comprehended', 'live.sales', 'live.viewers', 'live.speech', 'live.catalogue', 'live.frames', 'live.answers',
             'live.intents', 'live.mood', 'live.alerts', 'live.segments', 'live.highlights', 'live.clips', 'host.commands',
             'host.events', 'live.deadletter'],
            ['danmaku', 'sales', 'viewers', 'speech', 'products', 'frames', 'answers',
             'intents', 'mood', 'alerts', 'segments', 'highlights', 'clips', 'host_commands',
             'host_events', 'deadletters'],
            ''
        ) AS first_table,
        toUInt16(partition) AS log_partition,
        max(known.done) AS complete_to,
        max(known.said_at) AS said_at
    FROM
    (
        SELECT log_id, topic, partition, max(first) - 1 AS done, max(claimed_at) AS said_at
        FROM live.sink_ledger
        GROUP BY log_id, topic, partition
        UNION ALL
        SELECT log_id, topic, partition, max(sink_done.done) AS done, max(marked_at) AS said_at
        FROM live.sink_done
        GROUP BY log_id, topic, partition
    ) AS known
    GROUP BY log_id, topic, partition
)
ARRAY JOIN if(first_table = 'products', ['products', 'faq', 'faq_verdicts'], [first_table]) AS table_name
WHERE table_name != ''
ORDER BY said_at DESC
LIMIT 1 BY table_name, log_partition
COMMENT 'How far each table is complete: of a log_partition every row up to the offset complete_to is there to be read';
