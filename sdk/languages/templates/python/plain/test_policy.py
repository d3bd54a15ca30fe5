"""`python3 -m unittest` runs on this machine, without the host: leases and requests are for the cases."""

import unittest

from gingham import InvalidConfig
from policy import check_config


class CheckConfig(unittest.TestCase):
    def test_a_subnet_without_room_is_a_problem(self):
        [pool] = check_config({"subnet": "10.1.0.0/24"}, None)
        self.assertEqual((str(pool.ranges[0].first), str(pool.ranges[0].last)), ("10.1.0.0", "10.1.0.255"))
        for subnet in ["10.1.0.0/31", "10.1.0.0", "10.1.0.0/33", 7, None]:
            with self.assertRaises(InvalidConfig) as raised:
                check_config({"subnet": subnet}, None)
            self.assertEqual(raised.exception.problems[0][0], "subnet")
