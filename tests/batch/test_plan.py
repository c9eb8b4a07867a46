"""Which images become a shard."""

import io

import pytest
from PIL import Image

from jaxlic.batch import job as jobs
from jaxlic.batch import rows
from jaxlic.batch.plan import Found, plan, sources
from jaxlic.batch.rows import Source
from jaxlic.batch.store import Store
from jaxlic.errors import FileError, UsageError
from tests.batch.conftest import counting, png

TASK = counting()
JOB = jobs.new("compress", {"input": "x", "qualities": [40.0]}, TASK)


def _planned(store, job):
    return [
        rows.plans(store.read(store.at(jobs.plan_of(n))), "plan") for n in range(job.shards)
    ]


def test_folders_are_planned_by_size_and_leave_nothing_out(store, photos):
    found = sources(store, photos)
    job = plan(store, JOB, TASK, found, size=2)
    shards = _planned(store, job)
    assert job.images == 5 and job.bytes == sum(s.bytes for shard in shards for s in shard)
    names = sorted(source.source for shard in shards for source in shard)
    assert names == [f"{found.sources[0].source[:-5]}{n}.png" for n in (0, 1, 2, 3, "bad")]
    sizes = [[(s.height, s.width) for s in shard] for shard in shards]
    assert sizes == [[(20, 30)] * 2, [(20, 90)] * 2, [(0, 0)]]
    assert job.kinds == [((0, 0),), ((0, 1),)]
    assert shards[0][1].output == "2.png.bin" and shards[0][1].etag


def test_without_a_look_shards_are_as_listed(store, photos):
    job = plan(store, JOB, TASK, sources(store, photos), size=3, look=False)
    shards = _planned(store, job)
    assert [len(shard) for shard in shards] == [3, 2] and not job.kinds
    assert [s.source[-5] for shard in shards for s in shard] == ["0", "1", "2", "3", "d"]


def test_manifests_that_know_sizes_need_no_image(store):
    given = [Source(f"s3://no/where/{i}.jpg", "e", 9, 10 + 70 * (i % 2), 10) for i in range(6)]
    job = plan(store, JOB, TASK, Found(6, given), size=3)
    assert [{s.height for s in shard} for shard in _planned(store, job)] == [{10}, {80}]


def test_manifests_are_read_and_their_outputs_named(store, tmp_path):
    (tmp_path / "a.png").write_bytes(png(20, 30))
    given = [Source(str(tmp_path / "a.png")), Source(str(tmp_path / "gone.png"))]
    store.write("m.parquet", rows.packed(given, Source))
    job = plan(store, JOB, TASK, sources(store, store.at("m.parquet")), size=2)
    (shard,) = _planned(store, job)
    assert {(s.height, s.width, s.bytes > 0) for s in shard} == {(20, 30, True), (0, 0, False)}
    outputs = {s.output for s in shard}
    assert f"{str(tmp_path).lstrip('/')}/a.png.bin" in outputs


def test_large_images_make_small_shards(store):
    given = [Source(f"{i}.jpg", "e", 9, 10_000, 10_000) for i in range(6)]
    job = plan(store, JOB, counting()._replace(max_pixels=10**9), Found(6, given), size=100)
    assert [len(shard) for shard in _planned(store, job)] == [3, 3]


def test_names_cannot_leave_the_folder(store):
    given = [
        Source("x", "e", 9, 10, 10, name) for name in ("../../etc/a", "/b", "c//d", "e/./f")
    ]
    job = plan(store, JOB, TASK, Found(4, given), size=4)
    for source in _planned(store, job)[0]:
        parts = source.output.split("/")
        assert not {"", ".", ".."} & set(parts)


def test_the_jobs_own_outputs_are_no_sources(tmp_path):
    (tmp_path / "a.png").write_bytes(png(20, 30))
    store = Store(str(tmp_path / "out"))
    store.write("out/a.jpg", png(20, 30))
    assert [s.source for s in sources(store, str(tmp_path)).sources] == [
        str(tmp_path / "a.png")
    ]


def test_nothing_to_do_is_told(store, tmp_path):
    with pytest.raises(FileError, match="no such file or folder"):
        sources(store, "memory://nowhere/x")
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError, match="holds no image"):
        sources(store, str(tmp_path))
    store.write("m.parquet", rows.packed([], Source))
    with pytest.raises(UsageError, match="holds no image"):
        plan(store, JOB, TASK, sources(store, store.at("m.parquet")))


def test_turned_images_are_planned_upright(store, tmp_path):
    image = Image.open(io.BytesIO(png(20, 90)))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    job = plan(store, JOB, TASK, sources(store, str(tmp_path)), size=2)
    assert [(s.height, s.width) for s in _planned(store, job)[0]] == [(90, 20)]
