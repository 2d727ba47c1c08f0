"""A file written through S3A's own stream, which uploads it in parts and completes it at its end: `python s3a_upload.py JARS FILE s3a://bucket/key`."""

from __future__ import annotations

import os
import sys

from pyspark.sql import SparkSession

settings = {
    "spark.jars": ",".join(sys.argv[1].split(":")),
    "spark.ui.enabled": "false",
    "spark.hadoop.fs.s3a.endpoint": os.environ["S3_ENDPOINT"],
    "spark.hadoop.fs.s3a.endpoint.region": os.environ["AWS_REGION"],
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.access.key": os.environ["AWS_ACCESS_KEY_ID"],
    "spark.hadoop.fs.s3a.secret.key": os.environ["AWS_SECRET_ACCESS_KEY"],
    "spark.hadoop.fs.s3a.multipart.size": "5M",
    "spark.hadoop.fs.s3a.multipart.threshold": "5M",
}
builder = SparkSession.builder.master("local[1]").appName("upload")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

jvm, conf = spark._jvm, spark._jsc.hadoopConfiguration()
path = jvm.org.apache.hadoop.fs.Path(sys.argv[3])
source = jvm.java.io.FileInputStream(sys.argv[2])
target = path.getFileSystem(conf).create(path, True)
jvm.org.apache.hadoop.io.IOUtils.copyBytes(source, target, 1 << 20, True)
print("written")
spark.stop()
