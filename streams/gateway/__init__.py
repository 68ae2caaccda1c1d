"""The border: events enter by HTTP, are checked, stamped, de-duplicated, packed and appended to the log.

``app`` routes and keys · ``auth`` who may write · ``limits`` how much · ``events`` and ``border`` what an event is ·
``intake`` what becomes of it · ``skew`` clocks that are wrong · ``dedupe`` repeats · ``packer`` envelopes · ``log`` Kafka.
"""
