"""Running sums of what pods take."""

from mcs.services.usage import Usage


def test_charges_of_a_node_add_up():
    usage = Usage()
    usage.charge("a", "n1", {"cpu": 200})
    usage.charge("b", "n1", {"cpu": 300, "memory": 5})
    usage.charge("c", "n2", {"cpu": 1})

    assert usage.used == {"n1": {"cpu": 500, "memory": 5}, "n2": {"cpu": 1}}
    assert usage.pods == {"n1": 2, "n2": 1}


def test_a_second_charge_takes_the_place_of_the_first():
    usage = Usage()
    usage.charge("a", "n1", {"cpu": 200})
    usage.charge("a", "n1", {"cpu": 200})
    usage.charge("a", "n2", {"cpu": 100})

    assert usage.used == {"n2": {"cpu": 100}}
    assert usage.pods == {"n2": 1}


def test_a_discharge_leaves_nothing():
    usage = Usage()
    usage.charge("a", "n1", {"cpu": 200})
    usage.discharge("a")
    usage.discharge("a")

    assert usage.used == {}
    assert not usage.pods


def test_pods_that_others_remember_are_taken_and_freed():
    usage = Usage()
    usage.take("n1", {"cpu": 200})
    usage.take("n1", {"memory": 5})
    usage.touched.clear()
    usage.free("n1", {"cpu": 200})

    assert usage.used == {"n1": {"cpu": 0, "memory": 5}}
    assert usage.pods == {"n1": 1}
    assert usage.touched == {"n1"}
