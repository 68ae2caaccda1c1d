-- Minutes. Chat is counted as it is written, by sets of row ids, so that a row that comes twice counts once.
-- Money is few rows: it is counted when asked, over rows without doubles.

CREATE TABLE ${table chat_minutes_state}
(
    room_id LowCardinality(String) COMMENT 'The live room',
    minute DateTime('UTC') COMMENT 'The minute of event time' CODEC(DoubleDelta, ZSTD(1)),
    messages AggregateFunction(uniqExact, String) COMMENT 'Messages, by row id',
    users AggregateFunction(uniqExact, String) COMMENT 'Viewers who wrote',
    negative AggregateFunction(uniqExactIf, String, UInt8) COMMENT 'Negative messages, by row id',
    positive AggregateFunction(uniqExactIf, String, UInt8) COMMENT 'Positive messages, by row id',
    ingest_ts SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'When the newest message reached the gateway'
)
ENGINE = ${engine AggregatingMergeTree}
PARTITION BY toYYYYMM(minute)
ORDER BY (room_id, minute)
TTL toDateTime(ingest_ts) + INTERVAL 730 DAY
SETTINGS ${settings}
COMMENT 'States behind chat_minutes';

${distributed chat_minutes_state}

CREATE MATERIALIZED VIEW ${view chat_minutes_feed} TO ${local chat_minutes_state} AS
SELECT
    room_id,
    toStartOfMinute(toDateTime(ts, 'UTC')) AS minute,
    uniqExactState(id) AS messages,
    uniqExactState(user_id) AS users,
    uniqExactIfState(id, sentiment = 'negative') AS negative,
    uniqExactIfState(id, sentiment = 'positive') AS positive,
    max(danmaku.ingest_ts) AS ingest_ts
FROM ${local danmaku} AS danmaku
GROUP BY room_id, minute
COMMENT 'Feeds chat_minutes_state from danmaku';

CREATE VIEW ${view chat_minutes} AS
SELECT
    room_id,
    minute,
    uniqExactMerge(state.messages) AS messages,
    uniqExactMerge(state.users) AS users,
    uniqExactIfMerge(state.negative) / messages AS negative_share,
    uniqExactIfMerge(state.positive) / messages AS positive_share
FROM live.chat_minutes_state AS state
GROUP BY room_id, minute
COMMENT 'Chat by room and minute: messages, distinct viewers, shares of negative and positive messages';

CREATE VIEW ${view sales_minutes} AS
SELECT
    room_id,
    toStartOfMinute(toDateTime(ts, 'UTC')) AS minute,
    uniqExactIf(order_id = '' ? id : order_id, type = 'order') AS orders,
    uniqExactIf(order_id = '' ? id : order_id, type = 'pay') AS paid,
    sumIf(amount, type = 'pay') AS gmv,
    sumIf(amount, type = 'refund') AS refunded,
    countIf(type = 'cart') AS carts,
    countIf(type = 'click') AS clicks
FROM live.sales FINAL
GROUP BY room_id, minute
COMMENT 'Sales by room and minute: orders, paid orders, paid and refunded CNY, carts, clicks';
