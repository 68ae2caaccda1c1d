"""The installation's secrets, and who is given Kafka's password."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from livetide.settings import SECRETS, Settings, load_secrets
from livetide.stack.places import environment_of


def test_a_folder_of_an_older_version_gets_what_is_new_and_keeps_the_rest(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    older = {name: secret for name, secret in first.items() if name != "kafka_password"}
    (tmp_path / "secrets.json").write_text(json.dumps(older))
    now = load_secrets(tmp_path)
    assert set(now) == set(SECRETS)
    assert {name: now[name] for name in older} == older
    assert now["kafka_password"] not in first.values()
    assert load_secrets(tmp_path) == now
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_the_embedded_broker_is_reached_with_its_password(tmp_path: Path) -> None:
    cluster = Settings(data=tmp_path, kafka_port=20_001).cluster()
    assert cluster.servers == "127.0.0.1:20001"
    assert cluster.sasl_password == load_secrets(tmp_path)["kafka_password"]
    given = cluster.client()
    assert (given["security.protocol"], given["sasl.mechanism"]) == ("SASL_PLAINTEXT", "SCRAM-SHA-256")
    assert given["sasl.password"] == cluster.sasl_password == cluster.aiokafka()["sasl_plain_password"]


def test_a_cluster_elsewhere_is_not_given_it(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, kafka="elsewhere:9092")
    assert "sasl.password" not in settings.cluster().client()
    assert not (tmp_path / "secrets.json").exists()


def test_it_travels_in_no_environment(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    assert settings.cluster().sasl_password not in str(environment_of(settings))
