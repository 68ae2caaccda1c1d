from tests.support.kafka import broker, cluster, topic_maker

__all__ = ["broker", "cluster", "topic_maker"]
