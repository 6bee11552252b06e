"""The metrics of the admin example, as Prometheus' own client reads them."""

import os
import time
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

SHOP = os.environ["CYCLONE_TEST_URL_HTTP"]
ADMIN = os.environ["CYCLONE_TEST_URL_ADMIN"].replace("admin://", "http://")


def fetch(url, method="GET", headers=None):
    """Status, headers and body."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def scrape():
    """The families by name, and every sample as (name, labels) with its value."""
    status, headers, text = fetch(ADMIN + "/metrics")
    assert status == 200
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", headers
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {}
    for family in families.values():
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"{key} is there twice"
            samples[key] = sample.value
    return families, samples


def value(samples, name, **labels):
    return samples.get((name, tuple(sorted(labels.items()))), 0)


def main():
    for _ in range(40):
        if fetch(ADMIN + "/ready")[0] == 200:
            break
        time.sleep(0.1)
    assert fetch(ADMIN + "/ready")[2] == "ready\n"
    assert fetch(ADMIN + "/live")[2] == "live\n"

    before = scrape()[1]
    for _ in range(7):
        assert fetch(SHOP + "/order/tea", "POST")[0] == 200
    assert fetch(SHOP + "/none")[0] == 404
    # A request is over when its response has left, which the client may see a moment before.
    for _ in range(40):
        families, after = scrape()
        posts = [value(seen, "cyclone_http_requests_total", method="POST", status="200") for seen in (before, after)]
        if posts[1] - posts[0] == 7:
            break
        time.sleep(0.05)
    assert posts[1] - posts[0] == 7, posts
    assert value(after, "cyclone_http_requests_total", method="GET", status="404") == 1
    assert value(after, "cyclone_http_requests_in_progress") == 1
    assert value(after, "cyclone_ready") == 1
    assert value(after, "cyclone_store_keys", store="carts") == 1
    assert value(after, "cyclone_pool_up", pool="warehouse") == 1
    assert value(after, "cyclone_link_up", link="supplier") == 1
    assert value(after, "cyclone_service_up", service="jobs/stocktaking") == 1
    assert value(after, "cyclone_process_open_fds") > 3

    # Counters say so in their type and their name, and never go down.
    for family in families.values():
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family
    for (name, labels), count in before.items():
        if name.endswith("_total"):
            assert after[(name, labels)] >= count, name
    durations = families["cyclone_http_request_duration_seconds"]
    assert durations.type == "histogram"
    buckets = [sample for sample in durations.samples if sample.name.endswith("_bucket")]
    assert [sample.value for sample in buckets] == sorted(sample.value for sample in buckets)
    assert buckets[-1].labels["le"] == "+Inf"
    count = next(sample.value for sample in durations.samples if sample.name.endswith("_count"))
    assert buckets[-1].value == count

    # Who comes through a proxy is anybody.
    for name in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):
        assert fetch(ADMIN + "/metrics", headers={name: "127.0.0.1"})[0] == 403, name
    assert fetch(ADMIN + "/metrics", headers={"host": "evil.example"})[0] == 403
    print("metrics.py ok")


main()
