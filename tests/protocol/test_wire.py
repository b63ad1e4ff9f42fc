"""The checksum and the bytes, without a process."""
import re
import unittest
from pathlib import Path

from wire import HEADER, NUMBERS, PROTO, SCHEMA, TYPES
from xxh3 import Xxh3, xxh3

GOLDEN = Path(__file__).resolve().parents[1] / "unit/protocol/golden"
PATTERN = bytes(7 * i & 255 for i in range(5000))
# XXH3-64 of the first n bytes of PATTERN, computed by xxHash's own library.
XXH3 = {
    0: 0x2D06800538D394C2, 1: 0xC44BDFF4074EECDB, 3: 0xC3489259E968AD9E, 4: 0xD3D60C1519014E89,
    8: 0xB88DEE77F6BF6980, 9: 0x03688DCAD730D826, 16: 0x9DA23836ADF2BE1E, 17: 0xF34C3C9CF5A112D1,
    96: 0x764D2D5DB92942DF, 128: 0x65F3C2C00FA93185, 129: 0x28065C6EC25F5B25, 240: 0x4917A75C0EF8EED7,
    241: 0x541B19226F0052E8, 1024: 0xDC5ACF0B043C445B, 1025: 0xE1D9CD946277AE26, 5000: 0x6ABE8BE5ABCB2760}


class Xxh3Test(unittest.TestCase):
    def test_each_length_has_the_sum_of_the_reference(self):
        self.assertEqual({n: xxh3(PATTERN[:n]) for n in XXH3}, XXH3)

    def test_parts_have_the_sum_of_the_whole(self):
        running = Xxh3()
        for begin in range(0, len(PATTERN), 77):
            running.update(PATTERN[begin:begin + 77])
            self.assertEqual(running.digest(), xxh3(PATTERN[:begin + 77]))


class PageTest(unittest.TestCase):
    def test_the_types_of_the_page_are_those_of_this_implementation(self):
        page = (PROTO.parent / "PROTOCOL.md").read_text()
        rows = re.findall(r"^\| (\d+) \| (\w+) \|", page, re.M)
        self.assertEqual({int(number): name for number, name in rows}, TYPES)
        self.assertEqual([name for name in TYPES.values() if name not in SCHEMA.messages], [])


class GoldenFramesTest(unittest.TestCase):
    def frame(self, name):
        lines = (GOLDEN / f"{name}.hex").read_text().splitlines()
        return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))

    def test_the_example_of_the_page_is_written_byte_for_byte(self):
        body = SCHEMA.encode("CopyEnd", {"round": 1, "sessions": 1000})
        self.assertEqual(HEADER.pack(b"HF", NUMBERS["CopyEnd"], 0, 0, len(body)) + body, self.frame("CopyEnd"))

    def test_what_is_read_is_written_as_it_was(self):
        def fields(message):
            return {name: [fields(one) if hasattr(one, "__dict__") else one for one in value] if isinstance(value, list)
                    else fields(value) if hasattr(value, "__dict__") else value
                    for name, value in vars(message).items() if value is not None}

        for path in sorted(GOLDEN.glob("*.hex")):
            frame = self.frame(path.stem)
            name = path.stem.split("-")[0]
            self.assertEqual(frame[2], NUMBERS[name])
            message = SCHEMA.decode(name, frame[HEADER.size:])
            again = SCHEMA.decode(name, SCHEMA.encode(name, fields(message)))
            self.assertEqual(message, again, path.name)
            self.assertTrue(any(vars(message).values()) or not vars(message), path.name)

    def test_a_list_of_numbers_may_be_packed_or_not(self):
        self.assertEqual(SCHEMA.decode("Sessions", bytes.fromhex("1201051006")).closed, [5, 6])
