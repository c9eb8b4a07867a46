import pathlib

import numpy as np

from jaxlic.report.round_trip import RoundTrip, names


def test_a_round_trip_is_called_as_one_or_in_two_steps():
    trip = RoundTrip(
        lambda image, quality: image.tobytes()[: int(quality)],
        lambda data, shape: np.full((*shape, 3), len(data), np.uint8),
    )
    size, back = trip(np.zeros((4, 5, 3), np.uint8), 7)
    assert size == 7 and back.shape == (4, 5, 3) and np.all(back == 7)


def test_files_of_one_name_are_told_apart():
    files = [pathlib.Path(p) for p in ("in/a/x.png", "in/b/x.png", "in/y.png")]
    assert names(files) == ["a/x.png", "b/x.png", "y.png"]
    assert names(files[1:]) == ["x.png", "y.png"]
