"""`python3 -m unittest` runs on this machine, without the host: leases and requests are for the cases."""

import unittest
from types import SimpleNamespace

from gingham import UNKNOWN
from policy import key


class Key(unittest.TestCase):
    def test_only_pods_have_a_key(self):
        self.assertEqual(key(SimpleNamespace(pod_namespace="shop", pod_name="web-0")), "shop/web-0")
        self.assertIsNone(key(SimpleNamespace(pod_namespace=UNKNOWN, pod_name="web-0")))
