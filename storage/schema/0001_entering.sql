-- What enters at the gateway and from media sources, one table a kind of record.
-- A row is written once. Should the same row come again (same room, time and id), the newest is kept when parts merge, and FINAL
-- shows it at once. Partitions are days of event time; rows are dropped by ingest time, so that old recordings stay.

CREATE TABLE ${table danmaku}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'When it was said, by the platform, corrected when its clock was minutes wrong' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the gateway took it' CODEC(DoubleDelta, ZSTD(1)),
    source LowCardinality(String) COMMENT 'Where it came from: a platform or a recording',
    source_id String COMMENT 'The id that the platform gave' CODEC(ZSTD(1)),
    id String DEFAULT concat(source, ':', source_id) COMMENT 'The row: source and source_id' CODEC(ZSTD(1)),
    user_id String COMMENT 'The viewer, hashed at the gateway' CODEC(ZSTD(1)),
    user_name String COMMENT 'The viewer''s name, where the installation keeps names; else empty' CODEC(ZSTD(1)),
    text String COMMENT 'The message as sent' CODEC(ZSTD(3)),
    folded String COMMENT 'Its plain form, under which repeats and disguises are one' CODEC(ZSTD(3)),
    sentiment LowCardinality(String) COMMENT 'negative, neutral or positive',
    sentiment_p Float32 COMMENT 'How sure, from 0 to 1' CODEC(ZSTD(1)),
    intent LowCardinality(String) COMMENT 'What the viewer wants',
    intent_p Float32 COMMENT 'How sure, from 0 to 1' CODEC(ZSTD(1)),
    hit_words Array(String) COMMENT 'Sensitive words found, in their plain form' CODEC(ZSTD(1)),
    hit_topics Array(String) COMMENT 'The topic of each sensitive word' CODEC(ZSTD(1)),
    hit_disguised Array(Bool) COMMENT 'Whether each sensitive word was disguised' CODEC(ZSTD(1)),
    hit_weights Array(Float32) COMMENT 'The weight of each sensitive word' CODEC(ZSTD(1)),
    skew_ms Int64 COMMENT 'Milliseconds that were added to the platform''s time' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_text text TYPE ngrambf_v1(2, 8192, 2, 0) GRANULARITY 4,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, ts, id)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'Chat, understood: one row a message';

${distributed danmaku}

CREATE TABLE ${table sales}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'When it happened, by the platform' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the gateway took it' CODEC(DoubleDelta, ZSTD(1)),
    source LowCardinality(String) COMMENT 'Where it came from',
    source_id String COMMENT 'The id that the platform gave' CODEC(ZSTD(1)),
    id String DEFAULT concat(source, ':', source_id) COMMENT 'The row: source and source_id' CODEC(ZSTD(1)),
    type LowCardinality(String) COMMENT 'order, pay, refund, cart, click or stock',
    sku LowCardinality(String) COMMENT 'The product',
    quantity Int64 COMMENT 'Pieces' CODEC(ZSTD(1)),
    amount Decimal(18, 2) COMMENT 'CNY' CODEC(ZSTD(1)),
    order_id String COMMENT 'The order it belongs to' CODEC(ZSTD(1)),
    user_id String COMMENT 'The viewer, hashed at the gateway' CODEC(ZSTD(1)),
    skew_ms Int64 COMMENT 'Milliseconds that were added to the platform''s time' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, ts, id)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'Orders, payments, refunds, carts, clicks and stock: one row an event';

${distributed sales}

CREATE TABLE ${table viewers}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'When it happened, by the platform' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the gateway took it' CODEC(DoubleDelta, ZSTD(1)),
    source LowCardinality(String) COMMENT 'Where it came from',
    source_id String COMMENT 'The id that the platform gave' CODEC(ZSTD(1)),
    id String DEFAULT concat(source, ':', source_id) COMMENT 'The row: source and source_id' CODEC(ZSTD(1)),
    user_id String COMMENT 'The viewer, hashed at the gateway' CODEC(ZSTD(1)),
    type LowCardinality(String) COMMENT 'enter, leave, follow, like or share',
    dwell_ms Int64 COMMENT 'How long they stayed, on leave' CODEC(ZSTD(1)),
    skew_ms Int64 COMMENT 'Milliseconds that were added to the platform''s time' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, ts, id)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'Viewers who come, go, follow, like and share: one row an event';

${distributed viewers}

CREATE TABLE ${table speech}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'When the sentence began' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the gateway took it' CODEC(DoubleDelta, ZSTD(1)),
    source LowCardinality(String) COMMENT 'What recognised it',
    source_id String COMMENT 'The id that the recogniser gave' CODEC(ZSTD(1)),
    id String DEFAULT concat(source, ':', source_id) COMMENT 'The row: source and source_id' CODEC(ZSTD(1)),
    end_ts DateTime64(3, 'UTC') COMMENT 'When the sentence ended' CODEC(DoubleDelta, ZSTD(1)),
    text String COMMENT 'What was said' CODEC(ZSTD(3)),
    skew_ms Int64 COMMENT 'Milliseconds that were added to the source''s time' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_text text TYPE ngrambf_v1(2, 8192, 2, 0) GRANULARITY 4,
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, ts, id)
TTL toDateTime(ingest_ts) + INTERVAL 180 DAY
SETTINGS ${settings}
COMMENT 'What the host said: one row a sentence';

${distributed speech}

CREATE TABLE ${table products}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'When the card changed' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When the gateway took it' CODEC(DoubleDelta, ZSTD(1)),
    source LowCardinality(String) COMMENT 'Where it came from',
    source_id String COMMENT 'The id that the source gave' CODEC(ZSTD(1)),
    id String DEFAULT concat(source, ':', source_id) COMMENT 'The row: source and source_id' CODEC(ZSTD(1)),
    sku LowCardinality(String) COMMENT 'The product',
    type LowCardinality(String) COMMENT 'show, pin or withdraw',
    name String COMMENT 'Its name' CODEC(ZSTD(1)),
    price Decimal(18, 2) COMMENT 'CNY' CODEC(ZSTD(1)),
    attributes Map(String, String) COMMENT 'What the sheet says' CODEC(ZSTD(1)),
    faq_questions Array(String) COMMENT 'Questions of the sheet''s FAQ' CODEC(ZSTD(1)),
    faq_answers Array(String) COMMENT 'The answer to each question' CODEC(ZSTD(1)),
    skew_ms Int64 COMMENT 'Milliseconds that were added to the source''s time' CODEC(ZSTD(1)),
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, ts, id)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'Product sheets and their moments on air: one row a change';

${distributed products}

CREATE TABLE ${table frames}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    ts DateTime64(3, 'UTC') COMMENT 'When it was seen' CODEC(DoubleDelta, ZSTD(1)),
    ingest_ts DateTime64(3, 'UTC') COMMENT 'When it was taken' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'Stream, kind and number' CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT 'segment (2-4 s of video) or frame (one picture)',
    stream String COMMENT 'The stream it belongs to' CODEC(ZSTD(1)),
    seq Int64 COMMENT 'Its number in the stream' CODEC(DoubleDelta, ZSTD(1)),
    pts_ms Int64 COMMENT 'Milliseconds from the start of the stream' CODEC(DoubleDelta, ZSTD(1)),
    duration_ms Int64 COMMENT 'Its length, of a segment' CODEC(ZSTD(1)),
    uri String COMMENT 'Where its bytes are' CODEC(ZSTD(1)),
    sha256 String COMMENT 'Checksum of its bytes' CODEC(ZSTD(1)),
    size Int64 COMMENT 'Bytes' CODEC(ZSTD(1)),
    keyframe Bool COMMENT 'Whether it starts on a key frame',
    discontinuity Bool COMMENT 'Whether the stream was cut before it',
    log_partition UInt16 COMMENT 'Partition of the topic it was read from' CODEC(ZSTD(1)),
    log_offset UInt64 COMMENT 'Offset of the record it was read from' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_ingest ingest_ts TYPE minmax GRANULARITY 1
)
ENGINE = ${engine ReplacingMergeTree(ingest_ts)}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (room_id, ts, id)
TTL toDateTime(ingest_ts) + INTERVAL 30 DAY
SETTINGS ${settings}
COMMENT 'Claim checks of video: one row a segment or picture in the segment store';

${distributed frames}
