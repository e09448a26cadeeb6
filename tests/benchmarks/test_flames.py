"""
L{benchmarks.flames}.
"""

from __future__ import annotations

from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.flames import draw

SVG = "{http://www.w3.org/2000/svg}"


class FlamesTests(SynchronousTestCase):
    """
    The picture.
    """

    def _boxes(self, picture: str) -> dict[str, dict[str, str]]:
        boxes = {}
        for group in ElementTree.fromstring(picture).iter(f"{SVG}g"):
            title, box = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
            assert title is not None and title.text is not None and box is not None
            boxes[title.text] = dict(box.attrib)
        return boxes

    def test_boxes(self) -> None:
        """
        A box is as wide as its share, and stands on who called it.
        """
        boxes = self._boxes(
            draw("work", {("Main", "f (a.py)"): 1, ("Main", "f (a.py)", "<lambda> (b.py)"): 2, ("Main", "g (a.py)"): 1})
        )
        self.assertEqual(
            {"all, 100.0 %", "Main, 100.0 %", "f (a.py), 75.0 %", "<lambda> (b.py), 50.0 %", "g (a.py), 25.0 %"},
            set(boxes),
        )
        f, above, g = boxes["f (a.py), 75.0 %"], boxes["<lambda> (b.py), 50.0 %"], boxes["g (a.py), 25.0 %"]
        self.assertEqual(("0.0", "0.0", "900.0"), (f["x"], above["x"], g["x"]))
        self.assertEqual("899.5", f["width"])
        self.assertEqual(f["y"], g["y"])
        self.assertLess(float(above["y"]), float(f["y"]))

    def test_small_ones(self) -> None:
        """
        What nobody could see is not drawn, and keeps its place.
        """
        boxes = self._boxes(draw("work", {("a",): 1, ("b",): 999}))
        self.assertEqual({"all, 100.0 %", "b, 99.9 %"}, set(boxes))
        self.assertEqual("1.2", boxes["b, 99.9 %"]["x"])

    def test_nothing(self) -> None:
        """
        Without samples there is a picture all the same.
        """
        self.assertEqual(["all, 0.0 %"], list(self._boxes(draw("work", {}))))
