"""Quix Streams as its tutorial writes it: a streaming data frame from topic to topic."""

from __future__ import annotations

from quixstreams import Application

from benchmarks.peers.work import forward_chat, forward_envelope, given


def main() -> None:
    told = given()
    told.begin()
    app = Application(broker_address=told.servers, consumer_group=told.group, auto_offset_reset="earliest", loglevel="WARNING")
    kind = "json" if told.form == "single" else "bytes"
    source = app.topic(told.source, value_deserializer=kind)
    target = app.topic(told.target, value_serializer=kind)
    app.dataframe(source).apply(forward_chat if told.form == "single" else forward_envelope).to_topic(target)
    app.run()


if __name__ == "__main__":
    main()
