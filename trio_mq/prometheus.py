"""Metrics for Prometheus: the extra ``trio-mq[prometheus]``.

Register a collector within the trio run whose sockets it is to show:

.. code-block:: python

   prometheus_client.REGISTRY.register(trio_mq.prometheus.Collector())
   prometheus_client.start_http_server(9000, addr="127.0.0.1")

The label ``socket`` is the class of a socket and its first endpoint; sockets that have both in
common are added up. Figures of a socket end with it, as those of a process do.
"""

from __future__ import annotations

from trio_mq._prometheus import Collector as Collector

__all__ = ["Collector"]

Collector.__module__ = __name__
