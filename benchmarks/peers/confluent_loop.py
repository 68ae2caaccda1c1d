"""A plain confluent-kafka loop: consume, work, produce, commit now and then. No state, no checkpoint, no recovery."""

from __future__ import annotations

import json

from confluent_kafka import Consumer, Producer

from benchmarks.peers.work import forward_chat, forward_envelope, given


def main() -> None:
    told = given()
    told.begin()
    producer = Producer({"bootstrap.servers": told.servers, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    consumer = Consumer({"bootstrap.servers": told.servers, "group.id": told.group, "auto.offset.reset": "earliest"})
    consumer.subscribe([told.source])
    while True:
        for message in consumer.consume(500, 0.5):
            if message.error():
                continue
            if told.form == "single":
                value = json.dumps(forward_chat(json.loads(message.value() or b"")), ensure_ascii=False).encode()
            else:
                value = forward_envelope(message.value())
            producer.produce(told.target, value, message.key(), message.partition() or 0)
        producer.poll(0)


if __name__ == "__main__":
    main()
