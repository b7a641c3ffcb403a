"""A typed client of the HTTP service; needs ``httpx``, and no model.

>>> from classifier.client import Client
>>> with Client("http://127.0.0.1:8000", key="tw_…") as client:  # doctest: +SKIP
...     decision = client.classify("长期出U收U", source="bio")
"""

from classifier.client.asynchronous import AsyncClient
from classifier.client.retrying import Retry
from classifier.client.synchronous import Client
from classifier.client.wire import ServiceError

__all__ = ["AsyncClient", "Client", "Retry", "ServiceError"]
