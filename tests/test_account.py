import jaxlic
from jaxlic import account
from jaxlic.files.images import Picture


def test_describe_accounts_for_every_byte(photo):
    data = jaxlic.load("base").compress(Picture(photo, photo[..., 0], b"profile" * 9), 33.33)
    description = account.describe(data)
    assert description["quality"] == 33.33
    assert (description["width"], description["height"]) == (256, 192)
    sizes = description["bytes"]
    assert sizes["file"] == len(data)
    assert sizes["image"] == sum(sizes["tiles"])
    assert description["model"].startswith("base")
