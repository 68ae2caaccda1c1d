-- What is in the tables for certain, for those who read them by offset: the parts of one insert become visible one by one.
-- A batch is claimed once the one before it is written, so all before the newest claim is there; and where no claim follows soon,
-- the sink says so here.

CREATE TABLE ${table sink_done}
(
    log_id String COMMENT 'The Kafka cluster, by the id it was formatted with',
    topic LowCardinality(String) COMMENT 'Topic',
    partition Int32 COMMENT 'Partition',
    done Int64 COMMENT 'The offset up to which every row is in its table',
    marked_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'When it was said, by the store''s clock'
)
ENGINE = ${engine ReplacingMergeTree(done)}
ORDER BY (log_id, topic, partition)
SETTINGS ${settings}
COMMENT 'How far each partition is in the tables, where the newest claim of the ledger does not say it';

${distributed sink_done by cityHash64(topic, partition)}

CREATE VIEW ${view sink_progress} AS
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
        ) AS table_name,
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
WHERE table_name != ''
ORDER BY said_at DESC
LIMIT 1 BY table_name, log_partition
COMMENT 'How far each table is complete: of a log_partition every row up to the offset complete_to is there to be read';
