import jaxlic
from jaxlic.report import provenance


def test_versions_and_the_command_are_exact():
    found = provenance.versions()
    assert found["jaxlic"] == jaxlic.__version__ and found["libwebp"][0].isdigit()
    assert provenance.command(["eval", "my photos/"]) == "jaxlic eval 'my photos/'"
    assert "processors" in provenance.machine() and provenance.now().endswith("UTC")
