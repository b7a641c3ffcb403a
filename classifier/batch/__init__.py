"""Folders of files in, folders of decisions out: on Ray, or on Spark, over the same code as one process.

An input file is a partition. Its output appears whole or not at all, so that a run which was killed goes on with the partitions that are missing.
"""

from __future__ import annotations

from classifier.batch.partitions import BatchSettings, PartitionReport, decide_partition, partitions_of
from classifier.batch.plan import Plan, plan_for, plan_table
from classifier.batch.rates import Rate, read_rate
from classifier.batch.run import BatchReport, run_batch
from classifier.batch.spark import SPARK_SCHEMA, FrameDecider

__all__ = [
    "SPARK_SCHEMA",
    "BatchReport",
    "BatchSettings",
    "FrameDecider",
    "PartitionReport",
    "Plan",
    "Rate",
    "decide_partition",
    "partitions_of",
    "plan_for",
    "plan_table",
    "read_rate",
    "run_batch",
]
