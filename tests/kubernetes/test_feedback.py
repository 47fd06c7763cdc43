"""What a proxy shows of its delegate on real API servers, and never too early."""

import pytest

from tests.kubernetes.pairs import look
from tests.kubernetes.pods import path, pod

pytestmark = pytest.mark.kubernetes

RANK = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}
SHOWN = (
    "phase",
    "reason",
    "message",
    "startTime",
    "containerStatuses",
    "initContainerStatuses",
)
BY_HAND = {"kwok.mcs/start-after": "1h"}  # KWOK leaves the pod alone: the test plays its kubelet


def pair(namespace, name="p"):
    """Paths of a proxy in c1 and of its delegate."""
    return path(namespace, name), path(namespace, f"c1-{namespace}-{name}")


def shown(item):
    """What proxy and delegate have in common; conditions without what belongs to each alone."""
    status = item["status"]
    conditions = {
        each["type"]: (each["status"], each.get("reason"), each.get("message"))
        for each in status.get("conditions", ())
        if each["type"] != "PodScheduled"
    }
    return {"conditions": conditions, **{key: status.get(key) for key in SHOWN}}


async def same(federation, namespace, *, timeout_s=30.0, **wanted):
    """Wait until the proxy shows just what its delegate does, and ``wanted`` of its status."""
    source, target = federation.planes["c1"], federation.planes["c2"]
    proxy, delegate = pair(namespace)

    async def agree():
        there, here = await look(target, delegate), await look(source, proxy)
        right = there and all(there["status"].get(key) == wanted[key] for key in wanted)
        return right and here and shown(there) == shown(here) and here

    return await federation.wait(f"the proxy shows {wanted}", agree, timeout_s)


async def play(federation, namespace, **status):
    """Write the delegate's status as its kubelet would."""
    target = federation.planes["c2"]
    await target.api.merge(f"{pair(namespace)[1]}/status", {"status": status})


def container(name="main", *, state, count=0, last=None, is_ready=False, started=False):
    return {
        "name": name,
        "image": "busybox",
        "imageID": "sha256:1",
        "containerID": f"kwok://{name}/{count}",
        "restartCount": count,
        "ready": is_ready,
        "started": started,
        "state": state,
        "lastState": last or {},
    }


def terminated(code, reason, message=""):
    times = {"startedAt": "2026-01-01T00:00:01Z", "finishedAt": "2026-01-01T00:00:09Z"}
    ended = {"exitCode": code, "reason": reason, **times}
    return {"terminated": ended | ({"message": message} if message else {})}


def conditions(**states):
    since = "2026-01-01T00:00:00Z"
    return [
        {"type": type, "status": status, "reason": reason, "lastTransitionTime": since}
        for type, (status, reason) in states.items()
    ]


async def test_a_failure_is_told_in_full(federation, namespace):
    source = federation.planes["c1"]
    notes = {
        "kwok.mcs/exit-code": "3",
        "kwok.mcs/reason": "OOMKilled",
        "kwok.mcs/message": "disk full",
    }
    inits = [
        {"name": "first", "image": "busybox"},
        {"name": "sidecar", "image": "busybox", "restartPolicy": "Always"},
    ]
    made = pod("p", namespace=namespace, cluster="c2", run_for="5s", annotations=notes)
    made["spec"] |= {"initContainers": inits, "restartPolicy": "Never"}
    made["spec"]["containers"].append({"name": "second", "image": "busybox"})
    await source.apply([made])

    proxy = await same(federation, namespace, phase="Running")
    assert all("running" in item["state"] for item in proxy["status"]["containerStatuses"])
    inits = {item["name"]: item["state"] for item in proxy["status"]["initContainerStatuses"]}
    assert inits["first"]["terminated"]["exitCode"] == 0
    assert "running" in inits["sidecar"]

    proxy = await same(federation, namespace, phase="Failed")
    main, second = (item["state"]["terminated"] for item in proxy["status"]["containerStatuses"])
    assert (main["exitCode"], main["reason"], main["message"]) == (3, "OOMKilled", "disk full")
    assert (second["exitCode"], second["reason"]) == (0, "Completed")
    assert proxy["status"]["startTime"] <= main["startedAt"] < main["finishedAt"]
    ready = next(item for item in proxy["status"]["conditions"] if item["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "PodFailed")


async def test_every_turn_of_a_kubelet_is_followed(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    made = pod("p", namespace=namespace, cluster="c2", annotations=BY_HAND)
    made["spec"]["initContainers"] = [{"name": "first", "image": "busybox"}]
    made["spec"]["restartPolicy"] = "OnFailure"
    await source.apply([made])
    await target.api.wait(pair(namespace)[1], lambda item: item["spec"].get("nodeName"))

    waiting = {"waiting": {"reason": "PodInitializing"}}
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    await play(
        federation,
        namespace,
        startTime="2026-01-01T00:00:00Z",
        conditions=conditions(Initialized=("False", "ContainersNotInitialized")),
        initContainerStatuses=[container("first", state=pulling)],
        containerStatuses=[container(state=waiting)],
    )
    proxy = await same(federation, namespace, startTime="2026-01-01T00:00:00Z")
    assert proxy["status"]["phase"] == "Pending"
    assert proxy["spec"]["nodeName"] == "mcs-c2"

    running = {"running": {"startedAt": "2026-01-01T00:00:02Z"}}
    failed = terminated(1, "Error", "first try")
    again = [container("first", state=running, count=1, last=failed, started=True)]
    await play(federation, namespace, initContainerStatuses=again)
    proxy = await same(federation, namespace, initContainerStatuses=again)

    done = container("first", state=terminated(0, "Completed"), count=1, last=failed, is_ready=True)
    main = container(state=running, is_ready=False, started=True)
    await play(
        federation,
        namespace,
        phase="Running",
        conditions=conditions(
            Initialized=("True", "PodCompleted"), Ready=("False", "ContainersNotReady")
        ),
        initContainerStatuses=[done],
        containerStatuses=[main],
    )
    await same(federation, namespace, phase="Running", containerStatuses=[main])

    killed = terminated(137, "OOMKilled", "too much")
    backing_off = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    for state, count, last in (
        (killed, 0, None),
        (backing_off, 0, killed),
        (running, 1, killed),
        (backing_off, 1, killed),
        (running, 2, killed),
    ):
        main = container(state=state, count=count, last=last, started="running" in state)
        await play(federation, namespace, containerStatuses=[main])
        proxy = await same(federation, namespace, containerStatuses=[main])
    (status,) = proxy["status"]["containerStatuses"]
    assert status["restartCount"] == 2
    assert status["lastState"]["terminated"]["message"] == "too much"

    await play(
        federation,
        namespace,
        phase="Failed",
        reason="DeadlineExceeded",
        message="it ran too long",
        containerStatuses=[container(state=terminated(143, "Error"), count=2, last=killed)],
    )
    await same(federation, namespace, phase="Failed", reason="DeadlineExceeded")


async def test_what_others_write_on_a_delegate_arrives_at_its_proxy(federation, namespace):
    source, target = federation.planes["c1"], federation.planes["c2"]
    notes = {"mine": "as created"}
    await source.apply([pod("p", namespace=namespace, cluster="c2", annotations=notes)])
    await source.api.wait_pod("p", "Running", namespace=namespace)
    proxy, delegate = pair(namespace)

    async def arrives(**written):
        await target.api.merge(delegate, {"metadata": {"annotations": written}})
        return await source.api.wait(
            proxy, lambda item: written.items() <= item["metadata"]["annotations"].items()
        )

    await arrives(outputs='{"result": "x"}')
    await arrives(outputs='{"result": "y"}', mine="changed")
    after = await arrives(**{"other.io/k": "v"})
    assert after["metadata"]["annotations"]["mine"] == "changed"


async def test_no_proxy_is_ahead_of_its_delegate(federation, namespace):
    """Many pods, looked at over and over: first the proxies, then their delegates, who only ever
    move on.
    """
    source, target = federation.planes["c1"], federation.planes["c2"]
    count = 60
    pods = [
        pod(
            f"p-{n}",
            namespace=namespace,
            cluster="c2",
            cpu="50m",
            run_for=f"{1 + n % 3}s",
            annotations={"kwok.mcs/exit-code": str(n % 2)},
            restartPolicy="Never",
        )
        for n in range(count)
    ]
    await source.apply(pods)
    looks = {"Pending": 0, "Running": 0, "Succeeded": 0, "Failed": 0}

    async def all_ended():
        proxies = await source.api.items(path(namespace))
        items = await target.api.items(path(namespace))
        delegates = {item["metadata"]["name"]: item for item in items}
        for proxy in proxies:
            name, phase = proxy["metadata"]["name"], proxy["status"]["phase"]
            looks[phase] += 1
            delegate = delegates.get(f"c1-{namespace}-{name}")
            if delegate is None:
                assert phase == "Pending", name
                assert "nodeName" not in proxy["spec"], name
                continue
            then = delegate["status"]["phase"]
            assert RANK[phase] <= RANK[then], name
            assert RANK[phase] < 2 or phase == then, name
            assert delegate["spec"].get("nodeName") or "nodeName" not in proxy["spec"], name
        ended = [item for item in proxies if RANK[item["status"]["phase"]] == 2]
        return len(ended) == count

    await federation.wait("all proxies ended", all_ended, 120)
    assert all(looks.values()), looks
