"""An alert as Alertmanager's webhook would carry it (version 4), so that tools made for that can receive it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from streams.records import Alert

SEVERITY = {1: "warning", 2: "critical", 3: "emergency"}


def payload(alert: Alert, console: str) -> dict[str, Any]:
    """The JSON body for one change of an alert. ``console`` is the address people look at."""
    over = alert.state == "resolved"
    labels = {
        "alertname": "LivetideOpinion",
        "room": alert.room,
        "topic": alert.topic,
        "severity": SEVERITY.get(alert.level, "warning"),
    }
    share = f"{alert.share:.1%} of messages against {alert.baseline:.2%} as usual, {alert.users} people"
    annotations = {
        "summary": f"Room {alert.room}: {alert.topic} is rising ({share})",
        "examples": " | ".join(neutral(example) for example in alert.examples[:5]),
        "words": ", ".join(alert.words[:10]),
        "note": alert.note,
        "state": alert.state,
        "level": str(alert.level),
        "by": alert.by,
    }
    return {
        "version": "4",
        "groupKey": alert.id,
        "truncatedAlerts": 0,
        "status": "resolved" if over else "firing",
        "receiver": "livetide",
        "groupLabels": {"room": alert.room, "topic": alert.topic},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": console,
        "alerts": [
            {
                "status": "resolved" if over else "firing",
                "labels": labels,
                "annotations": {name: value for name, value in annotations.items() if value},
                "startsAt": _time(alert.started_ts),
                "endsAt": _time(alert.event_ts) if over else "0001-01-01T00:00:00Z",
                "generatorURL": f"{console}/alerts",
                "fingerprint": hashlib.sha256(alert.id.encode()).hexdigest()[:16],
            }
        ],
        "livetide": {
            "id": alert.id,
            "revision": alert.revision,
            "state": alert.state,
            "level": alert.level,
            "score": round(alert.score, 3),
            "evidence_ts": alert.evidence_ts,
            "event_ts": alert.event_ts,
            "started_ts": alert.started_ts,
        },
    }


def neutral(quoted: str) -> str:
    """Quoted chat that calls nobody: ``@all`` from a viewer must not ring every phone of the risk team."""
    return quoted.replace("@", "＠").replace("<", "‹").replace(">", "›")[:200]


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
