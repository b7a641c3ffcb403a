"""The HTTP service around one bundle: app, micro-batches, keys, metrics, and the records of what was decided.

Import the module you need (``serving.server``, ``serving.replay``): reading records needs neither FastAPI nor uvicorn.
"""
