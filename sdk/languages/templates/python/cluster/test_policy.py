"""`python3 -m unittest` runs on this machine, without the host: leases and requests are for the cases."""

import unittest

from gingham import InvalidConfig
from policy import grid


class Blocks(unittest.TestCase):
    def test_a_block_is_not_larger_than_the_range(self):
        self.assertEqual(grid({"range": "10.32.0.0/16"}).block_length, 24)
        with self.assertRaises(InvalidConfig):
            grid({"range": "10.32.0.0/16", "blockSize": 8})
