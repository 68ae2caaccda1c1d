-- Entries of the FAQ, which come on the topic of the product sheets. Every change is a row; the view shows what holds.

CREATE TABLE ${table faq}
(
    room_id LowCardinality(String) COMMENT 'The live room; * for all rooms',
    ts DateTime64(3, 'UTC') COMMENT 'When it was written' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When it was sent' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'The entry: its newest row holds' CODEC(ZSTD(1)),
    state LowCardinality(String) COMMENT 'active, draft (waits for a person) or withdrawn',
    question String COMMENT 'What is asked' CODEC(ZSTD(1)),
    wordings Array(String) COMMENT 'Further ways of asking it' CODEC(ZSTD(1)),
    answer String COMMENT 'What is said' CODEC(ZSTD(1)),
    sku LowCardinality(String) COMMENT 'The product that it is about; empty where about none',
    source LowCardinality(String) COMMENT 'sheet, import or mined',
    valid_until DateTime64(3, 'UTC') COMMENT 'Not told from then on; 1970 where there is no end' CODEC(ZSTD(1)),
    price Decimal(18, 2) COMMENT 'The price in CNY that it counts on; 0 where none' CODEC(ZSTD(1)),
    asked Int64 COMMENT 'How often viewers asked it in the broadcast it was mined from' CODEC(ZSTD(1)),
    changed_by String COMMENT 'Who changed it last' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(ZSTD(1)),
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(log_offset)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, id, ingest_ts)
TTL toDateTime(ingest_ts) + INTERVAL 3650 DAY
SETTINGS ${settings}
COMMENT 'FAQ entries: one row a change';

${distributed faq}

CREATE VIEW ${view faq_now} AS
SELECT * FROM live.faq FINAL ORDER BY ingest_ts DESC, log_offset DESC LIMIT 1 BY room_id, id
COMMENT 'FAQ entries as they stand: the newest row of each, withdrawn ones too';

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
ARRAY JOIN if(first_table = 'products', ['products', 'faq'], [first_table]) AS table_name
WHERE table_name != ''
ORDER BY said_at DESC
LIMIT 1 BY table_name, log_partition
COMMENT 'How far each table is complete: of a log_partition every row up to the offset complete_to is there to be read';
