"""Listings: sizes and ETags are those of the plaintext, and a page costs one call to the backend."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import KIB, error_code, fresh, md5, noise, raw

KEYS = sorted(
    [f"logs/2026/{month:02}/{day:02}.jsonl" for month in range(1, 4) for day in range(1, 6)]
    + ["a", "b/c", "b/d", "b/e/f", "top", "with space", "plus+sign", "ünïcode/ß", "percent%20", "amp&<>'\"", "z/"]
)


@pytest.fixture(scope="module")
def filled(target) -> str:
    """A bucket with KEYS, each holding its own name as often as its place says."""
    name = fresh("listing")
    target.s3.create_bucket(Bucket=name)
    for key in KEYS:
        target.s3.put_object(Bucket=name, Key=key, Body=content(key))
    return name


def content(key: str) -> bytes:
    return noise(KEYS.index(key) * 1_700, key)


def pages(call, **arguments):
    """Every page of a listing, following whichever marker its kind gives."""
    for _ in range(100):
        page = call(**arguments)
        yield page
        if not page["IsTruncated"]:
            return
        if "NextContinuationToken" in page:
            arguments["ContinuationToken"] = page["NextContinuationToken"]
        elif "NextKeyMarker" in page:
            # A page that ends on a common prefix has no version to go on from.
            arguments |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}
        else:
            arguments["Marker"] = page.get("NextMarker") or page["Contents"][-1]["Key"]
    raise AssertionError("the listing does not end")


def wanted(prefix: str, delimiter: str, after: str = "") -> tuple[list[str], list[str]]:
    """Keys and common prefixes as S3 defines them."""
    keys, prefixes = [], set()
    for key in KEYS:
        if not key.startswith(prefix) or key <= after:
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            prefixes.add(prefix + rest[: rest.index(delimiter) + len(delimiter)])
        else:
            keys.append(key)
    return keys, sorted(prefixes)


@pytest.mark.parametrize("kind", ["v1", "v2", "versions"])
@pytest.mark.parametrize("prefix", ["", "logs/", "logs/2026/02", "b/", "with", "none"])
@pytest.mark.parametrize("delimiter", ["", "/", "20"])
@pytest.mark.parametrize("size", [1000, 4])
def test_pages(s3, filled, kind, prefix, delimiter, size):
    call = {"v1": s3.list_objects, "v2": s3.list_objects_v2, "versions": s3.list_object_versions}[kind]
    rows, prefixes = [], []
    for page in pages(call, Bucket=filled, Prefix=prefix, Delimiter=delimiter, MaxKeys=size):
        rows += page.get("Versions" if kind == "versions" else "Contents", [])
        prefixes += [row["Prefix"] for row in page.get("CommonPrefixes", [])]
    keys, common = wanted(prefix, delimiter)
    assert [row["Key"] for row in rows] == keys
    assert prefixes == common
    for row in rows:
        data = content(row["Key"])
        assert (row["Size"], row["ETag"]) == (len(data), f'"{md5(data)}"'), row["Key"]


def test_start_after(s3, filled):
    rows = s3.list_objects_v2(Bucket=filled, StartAfter="logs/2026/02/03.jsonl")["Contents"]
    assert [row["Key"] for row in rows] == wanted("", "", "logs/2026/02/03.jsonl")[0]


def test_encoding_type(endpoint, filled):
    """With `encoding-type=url` keys are percent-encoded, without it they are XML-escaped."""
    plain = raw(endpoint, "GET", f"/{filled}", "list-type=2&prefix=amp")
    assert b"<Key>amp&amp;&lt;&gt;" in plain.body
    encoded = raw(endpoint, "GET", f"/{filled}", "encoding-type=url&list-type=2&prefix=%C3%BCn")
    assert b"<Key>%C3%BCn%C3%AFcode/%C3%9F</Key>" in encoded.body.replace(b"%2F", b"/")
    assert b"<EncodingType>url</EncodingType>" in encoded.body


def test_max_keys(s3, endpoint, filled):
    none = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)
    answer = raw(endpoint, "GET", f"/{filled}", "list-type=2&max-keys=-1")
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
    answer = raw(endpoint, "GET", f"/{filled}", "list-type=2&max-keys=many")
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer


def test_owner(s3, filled):
    """`fetch-owner` passes through the edited answer."""
    rows = s3.list_objects_v2(Bucket=filled, FetchOwner=True, MaxKeys=2)["Contents"]
    assert all(row["Owner"] for row in rows)


def test_no_bucket(s3):
    for call in (s3.list_objects, s3.list_objects_v2, s3.list_object_versions, s3.list_multipart_uploads):
        assert error_code(lambda: call(Bucket="no-such-bucket-here")) == "NoSuchBucket"


def test_multipart_objects_in_a_listing(s3, bucket):
    """Objects in one piece and in parts side by side."""
    from clients import MIB, put_in_parts

    put_in_parts(s3, bucket, "m", [noise(5 * MIB, 1), noise(5 * MIB, 2), b"end"])
    s3.put_object(Bucket=bucket, Key="n", Body=noise(16 * KIB))
    rows = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(row["Key"], row["Size"]) for row in rows] == [("m", 10 * MIB + 3), ("n", 16 * KIB)]
    assert rows[0]["ETag"] == s3.head_object(Bucket=bucket, Key="m")["ETag"]


def test_a_listing_again(s3, bucket):
    """The same page is the same again, and no page outlives what it shows."""

    def rows() -> dict[str, tuple[int, str]]:
        return {row["Key"]: (row["Size"], row["ETag"]) for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}

    def shown(body: bytes) -> tuple[int, str]:
        return len(body), f'"{md5(body)}"'

    bodies = {f"k{index:02}": noise(index * 100, index) for index in range(20)}
    for key, body in bodies.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    for _ in range(3):
        assert rows() == {key: shown(body) for key, body in bodies.items()}
    # Of the same length, of another one, a copy, the same bytes once more.
    bodies |= {"k03": noise(300, "other"), "k04": noise(5 * KIB), "k06": bodies["k05"], "k07": bodies["k07"]}
    s3.put_object(Bucket=bucket, Key="k03", Body=bodies["k03"])
    assert rows()["k03"] == shown(bodies["k03"])
    s3.put_object(Bucket=bucket, Key="k04", Body=bodies["k04"])
    assert rows()["k04"] == shown(bodies["k04"])
    s3.copy_object(Bucket=bucket, Key="k06", CopySource={"Bucket": bucket, "Key": "k05"})
    s3.put_object(Bucket=bucket, Key="k07", Body=bodies["k07"])
    for _ in range(2):
        assert rows() == {key: shown(body) for key, body in bodies.items()}
    s3.delete_object(Bucket=bucket, Key="k08")
    assert rows() == {key: shown(body) for key, body in bodies.items() if key != "k08"}
    s3.put_object(Bucket=bucket, Key="k08", Body=bodies["k08"])
    assert rows() == {key: shown(body) for key, body in bodies.items()}


@pytest.mark.gateway
def test_a_page_of_1000_costs_one_backend_call(target, bucket):
    """And one sidecar query, whether or not the bytes are known to the cache."""
    if target.store is None:
        pytest.skip("backend local is called in the process")
    s3 = target.s3
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: s3.put_object(Bucket=bucket, Key=f"k{index:04}", Body=noise(index, index)), range(1000)))
    s3.list_objects_v2(Bucket=bucket, MaxKeys=1)  # Whatever is looked up once a bucket has been by now.
    costs = []
    # Now and then the gateway looks for new policies as well.
    while 1 not in costs and len(costs) < 5:
        before = backend_calls(target.gateway.metrics())
        rows = s3.list_objects_v2(Bucket=bucket)["Contents"]
        costs.append(backend_calls(target.gateway.metrics()) - before)
        assert [row["Size"] for row in rows] == list(range(1000))
        assert [row["ETag"] for row in rows] == [f'"{md5(noise(index, index))}"' for index in range(1000)]
    assert costs[-1] == 1, costs


def backend_calls(metrics: dict[str, float]) -> float:
    calls = [value for name, value in metrics.items() if name.startswith("data_vault_backend_requests_total")]
    assert calls, f"no counter of backend requests among {sorted(metrics)}"
    return sum(calls)
