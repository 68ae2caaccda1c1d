-- An order that two sources tell (a webhook and a CSV of the same sales, say) is one order, and so is its money. Each kind of event
-- of an order is taken from one source alone: the one that tells the most money, of equals the one that came first. So an order
-- of several lines, paid or refunded in parts, keeps all its rows.

CREATE VIEW ${view sales_once} AS
SELECT
    room_id,
    ts,
    ingest_ts,
    source,
    source_id,
    id,
    type,
    sku,
    quantity,
    amount,
    order_id,
    user_id,
    log_partition,
    log_offset
FROM live.sales FINAL
WHERE order_id = ''
UNION ALL
SELECT
    room_id, row.1 AS ts, row.2 AS ingest_ts, source, row.3 AS source_id, row.4 AS id, type, row.5 AS sku, row.6 AS quantity,
    row.7 AS amount, order_id, row.8 AS user_id, row.9 AS log_partition, row.10 AS log_offset
FROM
(
    SELECT room_id, type, order_id, argMax(teller, rank) AS source, argMax(told, rank) AS rows
    FROM
    (
        SELECT
            room_id, type, order_id, sales.source AS teller,
            groupArray((ts, sales.ingest_ts, source_id, id, sku, quantity, amount, user_id, log_partition, log_offset)) AS told,
            (sum(amount), -toUnixTimestamp64Milli(min(sales.ingest_ts)), teller) AS rank
        FROM live.sales AS sales FINAL
        WHERE order_id != ''
        GROUP BY room_id, type, order_id, teller
    )
    GROUP BY room_id, type, order_id
)
ARRAY JOIN rows AS row
COMMENT 'Sales to be summed: the rows of sales, each order from one source only';

CREATE OR REPLACE VIEW ${replaced sales_minutes} AS
SELECT
    room_id,
    toStartOfMinute(toDateTime(ts, 'UTC')) AS minute,
    uniqExactIf(order_id = '' ? id : order_id, type = 'order') AS orders,
    uniqExactIf(order_id = '' ? id : order_id, type = 'pay') AS paid,
    sumIf(amount, type = 'pay') AS gmv,
    sumIf(amount, type = 'refund') AS refunded,
    countIf(type = 'cart') AS carts,
    countIf(type = 'click') AS clicks
FROM live.sales_once
GROUP BY room_id, minute
COMMENT 'Sales by room and minute: orders, paid orders, paid and refunded CNY, carts, clicks; an order that two sources tell counts once';

-- Who wrote without an id is no viewer that can be counted. The states hold the empty id like any other: it is put to every set and
-- taken off the count, so that minutes of long ago come right too.

CREATE OR REPLACE VIEW ${replaced chat_minutes} AS
SELECT
    room_id,
    minute,
    uniqExactMerge(state.messages) AS messages,
    toUInt64(finalizeAggregation(uniqExactMergeState(state.users) + arrayReduce('uniqExactState', [''])) - 1) AS users,
    uniqExactIfMerge(state.negative) / messages AS negative_share,
    uniqExactIfMerge(state.positive) / messages AS positive_share
FROM live.chat_minutes_state AS state
GROUP BY room_id, minute
COMMENT 'Chat by room and minute: messages, distinct viewers (not those without an id), shares of negative and positive messages';
