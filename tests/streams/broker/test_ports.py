"""Claims on ports, between processes."""

from __future__ import annotations

import socket
import subprocess
import sys

from streams.broker.ports import Claims, can_listen, free_port, is_free


def asked_elsewhere(port: int) -> bool:
    """Whether another process would be given ``port``."""
    program = f"from streams.broker.ports import Claims; print(Claims().take({port}))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "True\n"


def test_a_claimed_port_is_given_to_nobody_else_and_is_free_again_at_the_end() -> None:
    port = free_port()
    with Claims() as claims:
        assert claims.take(port)
        assert claims.take(port)  # who has it may ask again
        assert not is_free(port)
        assert not asked_elsewhere(port)
        assert can_listen(port)
    assert is_free(port)
    assert asked_elsewhere(port)


def test_a_claim_lasts_as_long_as_the_process_to_which_it_was_handed() -> None:
    port = free_port()
    with Claims() as claims:
        assert claims.take(port)
        holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=claims.filenos())
    assert not is_free(port)
    holder.communicate(b"\n", 30)
    assert is_free(port)


def test_a_port_on_which_somebody_listens_is_not_claimed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Claims() as claims:
        assert not claims.take(server.getsockname()[1])
        assert not claims.filenos()


def test_a_free_port_is_one_that_nobody_claimed() -> None:
    with Claims() as claims:
        port = free_port(is_free=claims.take)
        assert not is_free(port)
