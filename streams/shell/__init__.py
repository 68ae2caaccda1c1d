"""The agent shell: batch in, one call of a pure operator per record, records out; exactly once in effect.

agent.py        what an agent is: a name, its sources, its operator, its mode
checkpoint.py   the state of one partition as bytes, and the commit metadata that names it
partition.py    what one partition decides: skip, feed, bury, say (synchronous, no Kafka)
engine.py       one generation of one agent: recover, feed, tick, checkpoint (over a `Wire`)
wire.py         that wire on Kafka
assignor.py     which member owns which partitions
faust_settings.py  how Faust is set
budget.py       how many bytes of checkpoints a process may write
poison.py       the limit on the share of dead letters
shell.py        one agent as a Faust app, driven by the clock
progress.py     is it alive: by progress, not by heartbeats
repair.py       what a person does after moving offsets by hand
"""
