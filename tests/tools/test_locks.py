"""Only one process at a time holds a lock."""

import threading

from tools.locks import exclusively


def test_the_second_waits_for_the_first(tmp_path, capsys):
    order = []
    entered = threading.Event()

    def second():
        with exclusively(tmp_path / "thing"):
            order.append("second")

    with exclusively(tmp_path / "thing"):
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting" not in capsys.readouterr().err:
            entered.wait(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
