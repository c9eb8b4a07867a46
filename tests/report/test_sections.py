from jaxlic.report import sections


def test_tables_escape_and_set_numbers_to_the_right():
    text = sections.table(["", "n", "t"], [["<a>", "-1.5", "x"], ["b", "2", "y"]], marked=[1])
    assert "&lt;a&gt;" in text and "<a>" not in text
    assert text.count('<td class="number">') == 2 and text.count('class="ours"') == 1
    assert "<thead><tr><td></td>" in text


def test_the_ladder_marks_what_was_measured_here():
    standing = [(-5.0, "VTM", True), (3.25, "mine", False)]
    text = sections.ladder(standing, "psnr", "VTM", {"VTM": "their <paper>"}, "Caution.")
    assert "+3.2" in text and "measured here" in text and "their &lt;paper&gt;" in text
    assert text.count('class="ours"') == 1 and "Caution." in text
    assert sections.ladder(standing[:1], "psnr", "VTM", {}, "") == ""


def test_points_stand_in_a_row_a_quality():
    curves = {"psnr": {"a": [(5, 0.25, 30.0)]}, "gmsd": {"a": [(5, 0.25, 0.125)]}}
    text = sections.points(curves)
    assert all(cell in text for cell in (">5<", ">0.2500<", ">30.000<", ">0.12500<"))


def test_badges_say_what_is_known():
    assert sections.badge({"kind": "sampled", "seed": 0}).count("generated: sampled, seed 0")
    text = sections.legend(["a", "b"], {"b": {"kind": "refined"}}, published=True)
    assert text.count("generated: refined") == 1 and "published" in text
