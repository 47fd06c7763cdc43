"""A reserved port is nobody else's until it is released."""

import socket

import pytest

from tools import free_ports
from tools.free_ports import NoFreePort, reserve_port


def test_reserved_ports_differ_and_can_be_bound():
    leases = [reserve_port() for _ in range(50)]
    assert len({lease.port for lease in leases}) == 50
    with socket.socket() as listener:
        # As servers do: of connections that somebody closed there a minute ago something is left.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", leases[0].port))
    for lease in leases:
        lease.release()
        lease.release()


def test_a_port_that_somebody_listens_on_is_not_given_out(monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setattr(free_ports, "_FIRST", port)
        monkeypatch.setattr(free_ports, "_LAST", port)
        with pytest.raises(NoFreePort):
            reserve_port()


def test_a_port_is_free_again_after_its_release(monkeypatch):
    lease = reserve_port()
    monkeypatch.setattr(free_ports, "_FIRST", lease.port)
    monkeypatch.setattr(free_ports, "_LAST", lease.port)
    with pytest.raises(NoFreePort):
        reserve_port()
    lease.release()
    again = reserve_port()
    assert again.port == lease.port
    again.release()
