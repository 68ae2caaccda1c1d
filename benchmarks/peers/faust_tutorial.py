"""Faust as its tutorial writes it: a ``faust.Record``, an agent, a sink. Run in the product's own environment."""

from __future__ import annotations

from typing import Any

import faust

from benchmarks.peers.work import given

told = given()
app = faust.App(told.group, broker=f"kafka://{told.servers}", topic_allow_declare=False, topic_disable_leader=True)


class Chat(faust.Record):
    id: str
    event_ts: int
    user: str
    text: str
    room: str


class Understood(faust.Record):
    id: str
    event_ts: int
    user: str
    text: str
    folded: str
    room: str


source = app.topic(told.source, value_type=Chat)
target = app.topic(told.target, value_type=Understood)


@app.agent(source, sink=[target])
async def forward(chats: Any) -> Any:
    async for chat in chats:
        yield Understood(
            id=chat.id, event_ts=chat.event_ts, user=chat.user, text=chat.text, folded=chat.text, room=chat.room
        )  # fmt: skip


if __name__ == "__main__":
    told.begin()
    app.main()
