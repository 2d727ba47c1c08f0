"""PySpark with S3A as its users set it: Parquet by the magic and the classic committer, rename, vectored reads. Prints what it saw."""

from __future__ import annotations

import json
import os
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

BUCKET, ENDPOINT = os.environ["BUCKET"], os.environ["S3_ENDPOINT"]
COMMITTER = sys.argv[1]

settings = {
    "spark.jars": ",".join(sys.argv[2].split(":")),
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.memory": "1g",
    "spark.hadoop.fs.s3a.endpoint": ENDPOINT,
    "spark.hadoop.fs.s3a.endpoint.region": os.environ["AWS_REGION"],
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.access.key": os.environ["AWS_ACCESS_KEY_ID"],
    "spark.hadoop.fs.s3a.secret.key": os.environ["AWS_SECRET_ACCESS_KEY"],
    "spark.hadoop.fs.s3a.multipart.size": "8M",
}
if COMMITTER == "magic":
    settings |= {
        "spark.hadoop.fs.s3a.committer.name": "magic",
        "spark.hadoop.fs.s3a.committer.magic.enabled": "true",
        "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
        "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
        "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
    }
else:
    # One GET a range, where the default reads ahead for itself.
    settings["spark.hadoop.fs.s3a.input.stream.type"] = "classic"
builder = SparkSession.builder.master("local[2]").appName("matrix")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

base = f"s3a://{BUCKET}/spark-{COMMITTER}"
frame = spark.range(0, 200_000, numPartitions=4).withColumn("text", f.concat(f.lit("row "), f.col("id"))).withColumn("shard", f.col("id") % 3)
frame.write.mode("overwrite").partitionBy("shard").parquet(f"{base}/table")
frame.write.mode("append").partitionBy("shard").parquet(f"{base}/table")
read = spark.read.parquet(f"{base}/table")
print("rows", read.count(), read.where("shard = 1").agg(f.sum("id"), f.max("text")).collect())

jvm, conf = spark._jvm, spark._jsc.hadoopConfiguration()
path = jvm.org.apache.hadoop.fs.Path
fs = path(base).getFileSystem(conf)
# It is empty where FileOutputCommitter wrote it.
summary = jvm.org.apache.commons.io.IOUtils.toString(fs.open(path(f"{base}/table/_SUCCESS")), "UTF-8")
print("committer", json.loads(summary)["committer"] if summary else "file")
print("renamed", fs.rename(path(f"{base}/table"), path(f"{base}/moved")), fs.exists(path(f"{base}/table")))
print("rows", spark.read.parquet(f"{base}/moved").where("id % 1000 = 7").agg(f.count("id"), f.sum("id")).collect())

# Parquet asks for the ranges of several columns at once.
counters = {str(entry.getKey()): entry.getValue() for entry in fs.getIOStatistics().counters().entrySet()}
assert counters["stream_read_vectored_operations"] > 0, "no vectored read: this Spark has other habits"
frame.coalesce(1).write.mode("overwrite").json(f"{base}/lines")
print("lines", spark.read.json(f"{base}/lines").agg(f.sum("id")).collect())
print("left", sorted({status.getPath().getName() for status in fs.listStatus(path(base))}), fs.delete(path(base), True), fs.exists(path(base)))
spark.stop()
