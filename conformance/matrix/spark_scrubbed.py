"""PySpark writing Parquet with planted values by S3A, through one of its committers: `python spark_scrubbed.py COMMITTER JARS`. Reads it back, and prints what
it saw as one line of JSON. `v1` and `v2` are Hadoop's FileOutputCommitter, `directory` the staging and `magic` the magic committer of S3A.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import planted

BUCKET, COMMITTER = os.environ["BUCKET"], sys.argv[1]
settings = {
    "spark.jars": ",".join(sys.argv[2].split(":")),
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.memory": "1g",
    "spark.hadoop.fs.s3a.endpoint": os.environ["S3_ENDPOINT"],
    "spark.hadoop.fs.s3a.endpoint.region": os.environ["AWS_REGION"],
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.access.key": os.environ["AWS_ACCESS_KEY_ID"],
    "spark.hadoop.fs.s3a.secret.key": os.environ["AWS_SECRET_ACCESS_KEY"],
    "spark.hadoop.fs.s3a.multipart.size": "5M",
    "spark.hadoop.fs.s3a.multipart.threshold": "5M",
    "spark.sql.session.timeZone": "UTC",
}
if COMMITTER in ("magic", "directory"):
    settings |= {
        "spark.hadoop.fs.s3a.committer.name": COMMITTER,
        "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
        "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
        "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
    }
else:
    settings["spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version"] = COMMITTER.removeprefix("v")
builder = SparkSession.builder.master("local[2]").appName("export")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

where = f"s3a://{BUCKET}/spark/{COMMITTER}"
ROWS = 120_000
sent = (
    spark.range(0, ROWS, numPartitions=2)
    .withColumn("email", f.when(f.col("id") % 3 != 0, f.lit(planted.MAIL)))
    .withColumn("ssn", f.lit(planted.NUMBER).cast("long"))
    .withColumn("call", f.struct(f.lit("send").alias("name"), f.lit(planted.arguments()).alias("arguments")))
    .withColumn("tags", f.create_map(f.lit(planted.MAIL), f.col("id").cast("int")))
    .withColumn("at", (f.lit(1_700_000_000) + f.col("id")).cast("timestamp"))
    .withColumn("score", f.col("id") / 7)
    .withColumn("noise", f.sha2(f.col("id").cast("string"), 512))
    .withColumn("country", f.when(f.col("id") % 2 == 0, "Germany").otherwise("France"))
)
# A folder is named after each country: the names of the files, which committers write down, hold what may be taken for a finding.
sent.write.mode("overwrite").partitionBy("country").parquet(where)
got = spark.read.parquet(where)
both = got.join(sent.select("id", *(f.col(name).alias(f"{name} sent") for name in ("at", "score", "noise", "country"))), "id")
untouched = ["id"] if both.count() == ROWS else []
untouched += [name for name in ("at", "score", "noise", "country") if both.where(~f.col(name).eqNullSafe(f.col(f"{name} sent"))).isEmpty()]
some = [row.asDict(recursive=True) for row in got.select("email", "ssn", "call", "tags").where("id % 1000 < 2").collect()]

path = spark._jvm.org.apache.hadoop.fs.Path
fs = path(where).getFileSystem(spark._jsc.hadoopConfiguration())
# The file is empty where FileOutputCommitter wrote it.
summary = spark._jvm.org.apache.commons.io.IOUtils.toString(fs.open(path(f"{where}/_SUCCESS")), "UTF-8")
left = sorted(status.getPath().getName() for status in fs.listStatus(path(where)))
print(
    json.dumps(
        {
            "what": f"spark {COMMITTER}",
            "committer": json.loads(summary)["committer"] if summary else "file",
            "rows": got.count(),
            "schema": str(got.dtypes == sent.dtypes),
            "untouched": untouched,
            "nulls": {name: got.where(f.col(name).isNull()).count() for name in ("email", "ssn")},
            "texts": sorted(set(planted.strings(some))),
            "left": left,
        }
    )
)
spark.stop()
