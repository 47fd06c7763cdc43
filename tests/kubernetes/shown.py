"""What users see of a pod: its condition, and Events about it."""


def condition(item):
    """The condition that says why a pod has no node, or None."""
    found = item["status"].get("conditions", [])
    return next((each for each in found if each["type"] == "PodScheduled"), None)


async def told(plane, namespace, name, reason):
    """The messages of a pod's Events with this reason, once there is one."""
    query = f"?fieldSelector=involvedObject.name={name},reason={reason}"
    where = f"/api/v1/namespaces/{namespace}/events{query}"
    found = await plane.api.wait(where, lambda listed: listed["items"])
    return [item["message"] for item in found["items"]]
