"""Plans, reports and manifests as Parquet."""

import io

import pytest

from jaxlic.batch import rows
from jaxlic.batch.rows import Row, Source
from jaxlic.errors import FileError, UsageError

SOURCE = Source("s3://b/ö.png", "0f", 12, 20, 30, "ö.png.jlic")
ROW = Row(
    *("s3://b/a.png", "0f", 12, "out/a.jlic", 7, 30, 20, 40.0, 0.1, None, 0.1, 0.2, 0.3),
    *("base", "3e4679dc", ["reduced", "second"], None, None, 1, "host/7", 3),
)


def test_tables_come_back_as_they_were():
    failed = ROW._replace(output=None, output_bytes=None, bpp=None, error_type="E", error="e")
    assert rows.reports(rows.packed([ROW, failed], Row), "r") == [ROW, failed]
    assert rows.plans(rows.packed([SOURCE], Source), "p") == [SOURCE]
    assert rows.reports(rows.packed([], Row), "r") == []


@pytest.mark.parametrize("data", [b"", b"PAR1", rows.packed([SOURCE], Source)[:-9]])
def test_damaged_tables_are_told_with_their_name(data):
    with pytest.raises(FileError, match="s3://b/report: damaged"):
        rows.reports(data, "s3://b/report")
    with pytest.raises(FileError, match="m: no Parquet file"):
        rows.manifest(data, "m")
    with pytest.raises(FileError, match="damaged"):
        rows.reports(rows.packed([SOURCE], Source), "a plan")


def _parquet(**columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_manifests_need_a_source_and_take_what_else_is_known():
    count, found = rows.manifest(_parquet(source=["a", "b"], extra=[1, 2]), "m")
    assert count == 2 and list(found) == [Source("a"), Source("b")]
    whole = _parquet(source=["a"], bytes=[5], etag=["x"], height=[3], width=[None])
    assert list(rows.manifest(whole, "m")[1]) == [Source("a", "x", 5, 3, 0)]
    with pytest.raises(UsageError, match="column `source`"):
        rows.manifest(_parquet(name=["a"]), "m")
    for odd in (_parquet(source=[1]), _parquet(source=["a"], bytes=["many"])):
        with pytest.raises(FileError, match="m: damaged manifest"):
            list(rows.manifest(odd, "m")[1])
