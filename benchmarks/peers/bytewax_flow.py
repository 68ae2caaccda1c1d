"""Bytewax as its guide writes it: Kafka in, map, Kafka out. Run by ``python -m bytewax.run benchmarks.peers.bytewax_flow``."""

from __future__ import annotations

import json

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow

from benchmarks.peers.work import forward_chat, forward_envelope, given

told = given()


def forward(message: KafkaSourceMessage) -> KafkaSinkMessage:
    if told.form == "single":
        value = json.dumps(forward_chat(json.loads(message.value)), ensure_ascii=False).encode()
    else:
        value = forward_envelope(message.value)
    return KafkaSinkMessage(message.key, value)


told.begin()
flow = Dataflow("forward")
chats = kafka.input("chats", flow, brokers=[told.servers], topics=[told.source])
kafka.output("forwarded", op.map("forward", chats.oks, forward), brokers=[told.servers], topic=told.target)
